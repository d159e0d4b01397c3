"""Durations in words."""

from __future__ import annotations

import math

MINUTE, HOUR, DAY = 60, 3600, 86400
_STEPS = (
    (90, 1, "s", 10), (20 * MINUTE, MINUTE, "min", 1), (90 * MINUTE, MINUTE, "min", 5), (DAY, HOUR, "h", 0.5),
    (math.inf, DAY, "d", 0.5),
)  # fmt: skip
"""Up to how many seconds an estimate is given in which unit, how long that is, and what it is rounded to."""


def duration(seconds: float) -> str:
    """A duration that was measured: 41 s, 3 min 20 s, 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return _two(whole, MINUTE, "min", 1, "s")
    return _two(whole, HOUR, "h", MINUTE, "min") if whole < DAY else _two(whole, DAY, "d", HOUR, "h")


def duration_range(low: float, high: float) -> str:
    """A duration that was estimated, rounded outward: 40 to 60 s, 4 to 6 min, 1.5 to 2.5 h."""
    size, unit, step = next((size, unit, step) for limit, size, unit, step in _STEPS if high < limit)
    first, last = math.floor(low / size / step) * step, math.ceil(high / size / step) * step
    return f"{first:g} to {last:g} {unit}" if first else f"up to {last:g} {unit}"


def _two(whole: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    many, rest = divmod(whole, large)
    return f"{many} {large_unit}" + (f" {rest // small} {small_unit}" if rest // small else "")
