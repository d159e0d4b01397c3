"""What only shows in all pairs together: how completions begin, and whether the two sides can be told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.data import Behavior, Pair
from trimtab.errors import JudgeDeclined
from trimtab.evaluation.judges.classifier import FOLDS, LEAST_ACCURACY, held_out, held_out_accuracy
from trimtab.generation.wanted import Side
from trimtab.generation.words import words

LEAST_PAIRS = 8
GIVEAWAY = 0.5
"""Share of one side's completions that begin with the same word from which that word may be all that a vector finds."""
GIVEAWAY_RATIO = 2.0
"""So many times rarer the word must be on the other side: where both sides begin alike, it gives nothing away."""
OVERUSED = 0.25
"""Share from which the writer is asked to begin otherwise."""


@dataclass(frozen=True)
class Opening:
    """A word that gives a side away."""

    side: Side
    word: str
    share: float
    other_share: float

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{self.share:.0%} of the {self.side} completions begin with {self.word!r}, {self.other_share:.0%} of the "
            "others: a vector may find that word instead of the behavior"
        )


@dataclass(frozen=True)
class Apart:
    """How well a text classifier tells the two sides apart."""

    accuracy: float | None
    """Share of held-out completions told right; None where there are too few prompts."""
    turned: frozenset[int]
    """Places of the pairs whose negative completion looks more like the behavior than the positive one does. Empty
    where the classifier cannot tell the sides apart at all."""
    text: str


def openings(pairs: Sequence[Pair]) -> list[Opening]:
    """First words that give a side away."""
    if len(pairs) < LEAST_PAIRS:
        return []
    first = {side: Counter(_first(text) for text in _texts(pairs, side)) for side in _BOTH}
    found = []
    for side, other in (_BOTH, _BOTH[::-1]):
        word, count = first[side].most_common(1)[0]
        share, other_share = count / len(pairs), first[other][word] / len(pairs)
        if share > GIVEAWAY and share >= GIVEAWAY_RATIO * other_share:
            found.append(Opening(side, word, share, other_share))
    return found


def overused(pairs: Sequence[Pair]) -> list[str]:
    """First words that so many completions of a side begin with that the next ones should not."""
    if len(pairs) < LEAST_PAIRS:
        return []
    counts = [Counter(_first(text) for text in _texts(pairs, side)) for side in _BOTH]
    return sorted({word for side in counts for word, count in side.items() if word and count > OVERUSED * len(pairs)})


def told_apart(behavior: Behavior) -> Apart:
    """Whether a text classifier tells the sides apart, and the pairs that it takes the wrong way round.

    Each completion is judged by a classifier that has not seen any completion of the same prompt.
    """
    try:
        sure = held_out(behavior)
    except JudgeDeclined as reason:
        return Apart(None, frozenset(), str(reason))
    accuracy = held_out_accuracy(sure)
    told = f"text classifier: tells {accuracy:.0%} of {sure.size} held-out completions right ({FOLDS}-fold by prompt)"
    if accuracy < LEAST_ACCURACY:
        return Apart(accuracy, frozenset(), f"{told}; words alone do not show this behavior, or the pairs do not")
    return Apart(accuracy, frozenset(np.flatnonzero(sure[:, 0] < sure[:, 1]).tolist()), told)


_BOTH: tuple[Side, Side] = ("positive", "negative")


def _texts(pairs: Sequence[Pair], side: Side) -> list[str]:
    return [pair.positive if side == "positive" else pair.negative for pair in pairs]


def _first(text: str) -> str:
    found = words(text)
    return found[0] if found else ""
