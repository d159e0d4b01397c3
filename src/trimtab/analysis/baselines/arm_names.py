"""Names of the arms that baselines compare, and the columns of their tables."""

from __future__ import annotations

from typing import Literal

ArmKind = Literal["plain", "prompt", "vector", "other vector", "control", "both", "contrary", "fine-tuning"]
"""plain: the model as it is. vector: the study's own. other vector: of another method. control: drawn at random. both:
system prompt and vector. contrary: a system prompt against the behavior, and the vector for it."""

PLAIN = "plain"
SYSTEM_PROMPT, FEW_SHOT = "system prompt", "few-shot prompt"
COMBINED, CONTRARY = "system prompt + vector", "contrary prompt + vector"
FINE_TUNED = "LoRA"

SIDES = ("for", "against")
"""Toward the behavior and away from it."""

BEST, EQUAL_DOSE, CANDIDATE = "best", "equal dose", "candidate"
"""What chose the strength of a vector: the largest effect on the prompts that choose, or the dose of the system prompt.
Candidates are scored on these prompts only."""

ARM = ("arm", "kind", "side", "at", "wording")
"""Columns that tell arms apart."""
