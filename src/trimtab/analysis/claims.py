"""Claims: what a finding asserts, with the interval or the test that supports it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trimtab.analysis.formatting import side_of

Relation = Literal["effect", "difference", "order", "best", "share", "association", "change"]
"""effect: a number is not what it would be without steering. difference: two numbers are not equal. order: one of
several is ahead of another. best: it is ahead of all others. share: a part of a whole that is not nothing. association:
two columns go together. change: something besides the intended moved."""

ALPHA = 0.05
"""Level of every test that a finding rests on."""

LARGE_FALL = 0.5
"""Share of an effect: where more than this is lost on held-out prompts, the setting is not what it seemed to be."""


@dataclass(frozen=True)
class Claim:
    """A relation between numbers, with the interval or the test that it rests on."""

    relation: Relation
    of: str
    """Whose: a behavior, or two models."""
    value: float
    low: float = math.nan
    high: float = math.nan
    """Ends of the 95% interval of `value`; NaN where the claim rests on a test only."""
    p: float = math.nan
    """Of the test, corrected for multiple comparisons; NaN where the claim rests on an interval only."""
    against: float = 0.0
    """The number that `value` is compared with."""

    @property
    def supported(self) -> bool:
        """Whether the numbers support the claim: interval and test both do, where both exist, and one of them does.

        An end that differs from `against` by rounding in the computation only touches it: it would read as the same.
        """
        if not math.isfinite(self.value) or side_of(self.value, self.against) == 0:
            return False
        found = []
        if math.isfinite(self.low) or math.isfinite(self.high):
            # An end that is missing is on no side.
            above, below = (math.isfinite(end) and side_of(end, self.against) for end in (self.low, self.high))
            found.append(above > 0 or below < 0)
        if math.isfinite(self.p):
            found.append(self.p < ALPHA)
        return bool(found) and all(found)

    @property
    def above(self) -> bool:
        """Whether the claim is supported, and in the direction of more."""
        return self.supported and self.value > self.against

    @property
    def below(self) -> bool:
        """Whether the claim is supported, and in the direction of less."""
        return self.supported and self.value < self.against
