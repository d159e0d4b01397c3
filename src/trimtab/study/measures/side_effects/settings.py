"""Settings of side effects."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trimtab.study.measures.settings import MeasureSettings
from trimtab.study.settings.cell_settings import Layers
from trimtab.study.settings.identity import ADDS


class SideEffects(MeasureSettings):
    """Measure what else the vectors change: other behaviors, plain text, easy questions, neutral replies."""

    measure: Annotated[tuple[str, ...] | None, ADDS] = None
    """Behavior to measure, a built-in name or a file; by default the study's others, and built-in ones if these are
    fewer than four."""
    prompts: Annotated[int, ADDS] = Field(default=16, ge=4, le=10_000)
    """How many prompts of each measured behavior, test prompts where the study splits them."""
    layers: Annotated[Layers | None, ADDS] = None
    """Layers of the sweep, written as for `trimtab sweep`; all of them by default."""
    random: Annotated[int, ADDS] = Field(default=20, ge=0, le=1000)
    """Random directions of each of two kinds to compare the vector with; 0 for none."""
    max_new_tokens: Annotated[int, ADDS] = Field(default=48, ge=1, le=4096)
    """Length limit of each reply to a neutral prompt, in tokens."""
    tasks: Annotated[tuple[str, ...], ADDS] = ()
    """Task of lm-eval or Inspect to run at the chosen settings: `lm_eval:arc_easy`, `inspect:inspect_evals/gsm8k`, or a
    file of a task. Plans do not count them."""
    task_limit: Annotated[int, ADDS] = Field(default=100, ge=2, le=100_000)
    """How many samples of each task at most, the first ones."""
