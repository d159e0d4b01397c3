"""Checks of all pairs together: how completions begin, and whether the two sides can be separated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.data import Behavior, Pair
from trimtab.errors import JudgeDeclined
from trimtab.generation.checks._word_sets import words
from trimtab.generation.request import Side
from trimtab.judges.classifier import FOLDS, MIN_ACCURACY, held_out_accuracy, held_out_probabilities

MIN_PAIRS = 8
GIVEAWAY = 0.5
"""Share of one side's completions with the same first word above which a vector may find that word alone."""
GIVEAWAY_RATIO = 2.0
"""How many times rarer the word must be on the other side: where both sides begin alike, it reveals nothing."""
OVERUSED = 0.25
"""Share above which the writer is asked to begin differently."""


@dataclass(frozen=True)
class Opening:
    """A first word that reveals the side."""

    side: Side
    word: str
    share: float
    other_share: float

    def __str__(self) -> str:
        """The opening in one sentence."""
        return (
            f"{self.share:.0%} of the {self.side} completions begin with {self.word!r}, {self.other_share:.0%} of the "
            "others: a vector may find that word instead of the behavior"
        )


@dataclass(frozen=True)
class Separability:
    """How well a text classifier separates the two sides."""

    accuracy: float | None
    """Share of held-out completions classified correctly; None where there are too few prompts."""
    reversed_pairs: frozenset[int]
    """Indices of the pairs whose negative completion looks more like the behavior than the positive one does. Empty
    where the classifier cannot separate the sides at all."""
    text: str


def openings(pairs: Sequence[Pair]) -> list[Opening]:
    """First words that reveal a side."""
    if len(pairs) < MIN_PAIRS:
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
    """First words of that many completions of a side, enough that the next ones should begin differently."""
    if len(pairs) < MIN_PAIRS:
        return []
    counts = [Counter(_first(text) for text in _texts(pairs, side)) for side in _BOTH]
    return sorted({word for side in counts for word, count in side.items() if word and count > OVERUSED * len(pairs)})


def separability(behavior: Behavior) -> Separability:
    """Whether a text classifier separates the sides, and the pairs that it classifies the wrong way round.

    Each completion is judged by a classifier that has not seen any completion of the same prompt.
    """
    try:
        probabilities = held_out_probabilities(behavior)
    except JudgeDeclined as reason:
        return Separability(None, frozenset(), str(reason))
    accuracy = held_out_accuracy(probabilities)
    text = (
        f"text classifier: {accuracy:.0%} of {probabilities.size} held-out completions correct ({FOLDS}-fold by prompt)"
    )
    if accuracy < MIN_ACCURACY:
        return Separability(
            accuracy, frozenset(), f"{text}; words alone do not show this behavior, or the pairs do not"
        )
    return Separability(accuracy, frozenset(np.flatnonzero(probabilities[:, 0] < probabilities[:, 1]).tolist()), text)


_BOTH: tuple[Side, Side] = ("positive", "negative")


def _texts(pairs: Sequence[Pair], side: Side) -> list[str]:
    return [pair.positive if side == "positive" else pair.negative for pair in pairs]


def _first(text: str) -> str:
    found = words(text)
    return found[0] if found else ""
