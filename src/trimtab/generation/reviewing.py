"""Review of a whole file of pairs: flags for each pair, remarks on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.data import Behavior, Pair
from trimtab.generation.checks.dataset_checks import openings, separability
from trimtab.generation.checks.draft_checks import CheckContext, faults
from trimtab.generation.checks.duplicate_prompts import SeenPairs
from trimtab.generation.checks.surface_features import FaultCounts
from trimtab.generation.request import draft_of

SIDES_SWAPPED = "the negative completion looks more like the behavior than the positive one: are the sides swapped?"


@dataclass(frozen=True)
class Review:
    """The results of all checks."""

    flags: Sequence[Sequence[str]]
    """For each pair, its faults."""
    remarks: Sequence[str]
    """On all pairs together."""
    accuracy: float | None
    """Share of held-out completions that a text classifier gets right; None where there are too few prompts."""

    @property
    def flagged(self) -> int:
        """Number of pairs with flags."""
        return sum(map(bool, self.flags))


def review(behavior: Behavior, context: CheckContext) -> Review:
    """Check all pairs of a behavior, each by itself, against those before it, and all together."""
    drafts = [draft_of(pair) for pair in behavior]
    found = [faults(draft, context) for draft in drafts]
    habits = FaultCounts()
    habits.add(found)
    separable = separability(behavior)
    taken = SeenPairs()
    flags = []
    for place, draft in enumerate(drafts):
        single = [fault.text for fault in found[place] if not habits.is_behavior(fault)]
        _, repeated = taken.repeats(draft)
        turned = SIDES_SWAPPED if place in separable.reversed_pairs else ""
        flags.append([text for text in (*single, repeated, turned) if text])
        taken.add(draft)
    return Review(flags, _remarks(behavior.pairs, habits, separable.text), separable.accuracy)


def _remarks(pairs: Sequence[Pair], habits: FaultCounts, separable: str) -> list[str]:
    return [separable, *habits.remarks(), *map(str, openings(pairs))]
