"""One sentence of a diagnosis, and the words that several of them use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trimtab.analysis.findings import signed

Level = Literal["good", "caution", "problem"]

NAMED = 5
"""Pairs that are named in one sentence; of the others their number is told."""


@dataclass(frozen=True)
class Diagnosis:
    """One thing that the diagnosis found, with what to do about it."""

    code: str
    """What it is about; see `diagnosis_findings`."""
    level: Level
    """good: nothing to do. caution: read on. problem: the vector is not what it seems to be."""
    text: str
    """What was found, with its numbers."""
    advice: str
    """What to do."""


def at_layer(layer: int, n_layers: int) -> str:
    """Layer 20 of 0–29."""
    return f"layer {layer} of 0–{n_layers - 1}"


def with_interval(value: float, low: float, high: float) -> str:
    """0.83 [0.80, 0.86]."""
    return f"{signed(value)} [{signed(low)}, {signed(high)}]"


def named(ids: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    rest = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def count(n: int, noun: str = "pair") -> str:
    """1 pair, 2 pairs."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
