"""One finding of a diagnosis, and phrases that several of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trimtab._util.wording import listed

Level = Literal["good", "caution", "problem", "note"]

MAX_NAMED = 5
"""Pairs that one sentence names; of the others it gives the number."""


@dataclass(frozen=True)
class Diagnosis:
    """One thing that the diagnosis found, with what to do about it."""

    code: str
    """What it is about; see `diagnosis_findings`."""
    level: Level
    """good: nothing to do. caution: read on. problem: the vector is not what it seems to be. note: for information,
    such as what was not measured, and why."""
    text: str
    """What was found, with its numbers."""
    advice: str
    """What to do."""


def at_layer(layer: int, n_layers: int) -> str:
    """Layer 20 of 0–29."""
    return f"layer {layer} of 0–{n_layers - 1}"


def named(ids: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    return listed(list(ids), MAX_NAMED)
