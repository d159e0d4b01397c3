"""Surface features that most drafts share: they belong to the behavior and are no faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from trimtab.generation.checks.draft_checks import LONGER, Fault
from trimtab.generation.request import Side

MIN_DRAFTS = 6
"""Drafts needed before a shared feature counts."""
OTHER_SIDE = 0.25
"""A fault that the other side has more than a quarter as often is no behavior: a writer that refuses everything refuses
on both."""


@dataclass
class FaultCounts:
    """Counts of faults over all drafts so far.

    A writer asked for short answers gives negative completions that are much longer, in nearly every pair, and always
    on the same side. Dropping them all would be wrong, and so would be asking the user to say in advance which check
    does not apply.
    """

    drafts: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, drafts: Iterable[Sequence[Fault]]) -> None:
        """Count the faults of some drafts."""
        for found in drafts:
            self.drafts += 1
            self.counts.update({_key(fault) for fault in found if fault.behavior_share is not None})

    def plus(self, drafts: Iterable[Sequence[Fault]]) -> FaultCounts:
        """The same with the faults of some more drafts."""
        grown = FaultCounts(self.drafts, self.counts.copy())
        grown.add(drafts)
        return grown

    def is_behavior(self, fault: Fault) -> bool:
        """Whether this is what the behavior is about, not a fault of single pairs."""
        if fault.behavior_share is None or self.drafts < MIN_DRAFTS:
            return False
        count = self.counts[_key(fault)]
        other = self.counts[_key(fault, turned=True)] if fault.side else 0
        return count >= fault.behavior_share * self.drafts and other <= OTHER_SIDE * count

    def remarks(self) -> list[str]:
        """A sentence for each fault that is taken for the behavior."""
        found = []
        for key in sorted(self.counts):
            side, _, name = key.partition("|")
            fault = Fault(name, _SIDES.get(side))
            if self.is_behavior(fault):
                found.append(
                    f"in {self.counts[key]} of {self.drafts} pairs {fault.text}: taken for what the behavior is about, "
                    f"so no pair is dropped for it{_CONSEQUENCE.get(name, '')}"
                )
        return found


_SIDES: dict[str, Side] = {"positive": "positive", "negative": "negative"}
_CONSEQUENCE = {LONGER: "; a vector from these pairs may be about length"}


def _key(fault: Fault, turned: bool = False) -> str:
    side = {"positive": "negative", "negative": "positive"}[fault.side] if turned and fault.side else fault.side
    return f"{side or ''}|{fault.name}"
