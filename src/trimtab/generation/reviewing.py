"""Looking at a whole file of pairs: what to say of each pair, and of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.data import Behavior, Pair
from trimtab.generation.checks import About, faults
from trimtab.generation.duplicates import Taken
from trimtab.generation.habits import Habits
from trimtab.generation.wanted import draft_of
from trimtab.generation.wholes import openings, told_apart

TURNED = "the negative completion looks more like the behavior than the positive one: are the sides swapped?"


@dataclass(frozen=True)
class Review:
    """What the checks say."""

    flags: Sequence[Sequence[str]]
    """Of each pair, what speaks against it."""
    remarks: Sequence[str]
    """Of all pairs together."""
    accuracy: float | None
    """Share of held-out completions that a text classifier tells right; None where there are too few prompts."""

    @property
    def flagged(self) -> int:
        """How many pairs a person should look at."""
        return sum(map(bool, self.flags))


def review(behavior: Behavior, about: About) -> Review:
    """Check all pairs of a behavior, each by itself, against those before it, and all together."""
    drafts = [draft_of(pair) for pair in behavior]
    found = [faults(draft, about) for draft in drafts]
    habits = Habits()
    habits.add(found)
    apart = told_apart(behavior)
    taken = Taken()
    flags = []
    for place, draft in enumerate(drafts):
        single = [fault.text for fault in found[place] if not habits.is_behavior(fault)]
        _, repeated = taken.repeats(draft)
        turned = TURNED if place in apart.turned else ""
        flags.append([text for text in (*single, repeated, turned) if text])
        taken.add(draft)
    return Review(flags, _remarks(behavior.pairs, habits, apart.text), apart.accuracy)


def _remarks(pairs: Sequence[Pair], habits: Habits, apart: str) -> list[str]:
    return [apart, *habits.remarks(), *map(str, openings(pairs))]
