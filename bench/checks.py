"""Whether the contenders computed the same; a ratio between different numbers means nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import sqrt

from table import Row

Vector = Sequence[Sequence[float]]
Replies = Mapping[str, Sequence[Sequence[int]]]
Scores = Mapping[str, Sequence[float]]


def least_cosine(ours: Vector, theirs: Vector) -> float:
    """Smallest cosine of two vectors over their layers."""
    return min(_cosine(a, b) for a, b in zip(ours, theirs, strict=True))


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    return _dot(a, b) / sqrt(_dot(a, a) * _dot(b, b))


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def largest_difference(ours: Scores, theirs: Scores) -> float:
    """Largest difference of a logit difference over the cells that both have; all strength-0 cells are one of ours."""
    unsteered = next(scores for cell, scores in ours.items() if cell.endswith(" 0"))
    return max(
        abs(x - y)
        for cell, scores in theirs.items()
        for x, y in zip(unsteered if cell.endswith(" 0") else ours[cell], scores, strict=True)
    )


def same_replies(ours: Replies, theirs: Replies) -> tuple[int, int]:
    """How many of their replies begin with ours, and how many there are: they go on behind the end of a text."""
    pairs = [(x, y) for cell, replies in theirs.items() for x, y in zip(ours[cell], replies, strict=False)]
    return sum(y[: len(x)] == x for x, y in pairs), len(pairs)


def require(row: Row, same: bool) -> Row:
    """A row that fails when the numbers differ."""
    return row if same else replace(row, met=False, detail=f"NOT THE SAME NUMBERS: {row.detail}")
