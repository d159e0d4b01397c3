"""Formatting of numbers: one way of rounding for every sentence, table and figure.

Rounding never changes which side of a limit a number is on. The end of an interval that lies below 0 never reads as 0,
and a coherence of 6.95 never reads as the 7 that it fails to reach: where the usual decimals would cross a limit, more
are written, and numbers that would need many are written with an exponent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

MINUS = "−"
ABSENT = "–"
"""Stands where there is no number."""
MAX_DECIMALS = 12
"""Numbers closer to a limit than this many decimals can tell are equal to it but for rounding in the computation."""
MAX_WRITTEN = 6
"""Decimals that are written out; a number that needs more has an exponent."""
LARGE = 1e7
"""From here on numbers have an exponent."""
ZERO = (0.0,)
PERCENT_LIMITS = (0.0, 1.0)

P_LIMITS = (0.05, 0.01, 0.001)
"""Levels that a p-value is read against."""


def fixed(value: Any, decimals: int = 2, limits: Sequence[float] = ()) -> str:
    """Format a number with a true minus sign and this many decimals; a dash where there is none.

    Args:
        value: the number.
        decimals: after the point; more are written where fewer would put the number on, or beyond, one of the limits.
        limits: what the number is read against, such as 0 for the end of an interval.
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    number = float(value)
    needed = _decimals(number, decimals, limits)
    if abs(number) >= LARGE or (needed > max(MAX_WRITTEN, decimals) and abs(number) < 1):
        return _with_exponent(number, limits)
    text = f"{number:.{needed}f}"
    # "−0.00" would claim a direction.
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def with_interval(
    value: Any, low: Any, high: Any, decimals: int = 2, limits: Sequence[float] = ZERO, unit: str = ""
) -> str:
    """Format a number, its unit and its interval: 1.20 [0.90, 1.52], 0.44 logits [0.21, 0.68].

    The ends keep their side of every limit, and so does the number where its interval leaves the limit out. Where both
    ends are 0, as of scores that no prompt changes, there is no interval.
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    after = f" {unit}" if unit else ""
    if not _has_interval(low, high):
        return f"{fixed(value, decimals)}{after}"
    outside = [limit for limit in limits if low > limit or high < limit]
    interval = f"[{fixed(low, decimals, limits)}, {fixed(high, decimals, limits)}]"
    return f"{fixed(value, decimals, outside)}{after} {interval}"


def percent(value: Any, limits: Sequence[float] = PERCENT_LIMITS, decimals: int = 0) -> str:
    """Format a share as a percentage: 0.12 is 12%; what is not all or nothing never reads as 100% or 0%."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{fixed(100 * value, decimals, [100 * limit for limit in limits])}%"


def percent_with_interval(value: Any, low: Any, high: Any, limits: Sequence[float] = PERCENT_LIMITS) -> str:
    """Format a share and its interval: 30% [18%, 45%]."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if not _has_interval(low, high):
        return percent(value)
    outside = [limit for limit in limits if low > limit or high < limit]
    return f"{percent(value, outside)} [{percent(low, limits)}, {percent(high, limits)}]"


def p_value(value: Any, decimals: int = 3) -> str:
    """Format a p-value, never rounded onto a level that it lies below or above; a dash where nothing was tested."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return "< 0.001" if value < 0.001 else fixed(value, decimals, P_LIMITS)


def p_equals(value: Any) -> str:
    """Format a p-value for a sentence: p = 0.012, p < 0.001."""
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def decimals_for(values: Iterable[float]) -> int:
    """Return the decimals that leave the typical one of these numbers two digits to read: two, more for small ones."""
    sizes = sorted(abs(value) for value in values if math.isfinite(value) and abs(value) >= 1e-6)
    if not sizes:
        return 2
    return min(6, max(2, 1 - math.floor(math.log10(sizes[len(sizes) // 2]))))


def side_of(value: float, limit: float) -> int:
    """Return 1 above the limit, −1 below; 0 where they are equal but for rounding in the computation."""
    if abs(value - limit) < 10.0**-MAX_DECIMALS:
        return 0
    return 1 if value > limit else -1


def signed_strength(strength: float) -> str:
    """Format a strength with its sign: +0.3, −1."""
    return f"{strength:+g}".replace("-", MINUS)


def plain(value: float, digits: int = 6) -> str:
    """Format a setting as it was given, with a true minus sign: 0.35, −1."""
    return f"{value:.{digits}g}".replace("-", MINUS)


def _decimals(value: float, decimals: int, limits: Sequence[float]) -> int:
    for more in range(decimals, MAX_DECIMALS + 1):
        rounded = float(f"{value:.{more}f}")
        if all(side_of(rounded, limit) == side_of(value, limit) for limit in limits):
            return more
    return decimals


def _has_interval(low: Any, high: Any) -> bool:
    """Whether there are two ends, and they are not both 0."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return False
    return side_of(low, 0.0) != 0 or side_of(high, 0.0) != 0


def _with_exponent(value: float, limits: Sequence[float]) -> str:
    """The fewest digits, three or more of a large number, that leave the number on its side of each limit."""
    for digits in range(2 if abs(value) >= 1 else 0, 17):
        text = f"{value:.{digits}e}"
        if all(side_of(float(text), limit) == side_of(value, limit) for limit in limits):
            break
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
