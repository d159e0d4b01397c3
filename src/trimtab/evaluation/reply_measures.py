"""What can be said of a reply without asking anybody: words, variety, loops, refusal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.evaluation.answers import is_refusal

# Scripts without spaces have a word at every character; a symbol such as an emoji counts as one.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_PUNCTUATION = re.escape(".,;:!?…'\"’‘“”()[]{}*_#`~/\\|<>=+&%$^@-–—")
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+|[^\\w\\s{_PUNCTUATION}\ufe0f\u200d]")
MOST_WORDS = 1000
"""Longer replies are measured by their beginning."""


@dataclass(frozen=True)
class Measures:
    """Measures of one reply."""

    words: int
    """Words, and symbols such as emojis; punctuation is none."""
    distinct: float
    """Distinct-3 (Li et al. 2016): share of its word triples that are different ones; 1 for fewer than three words."""
    repeat: float
    """Words of the longest run that occurs again in the reply ÷ all its words; overlapping with itself is allowed, so
    that a loop comes near 1."""
    refusal: bool


def measure(reply: str) -> Measures:
    """Measure a reply."""
    words = [word.lower() for word in _WORD.findall(reply)]
    kept = words[:MOST_WORDS]
    triples = list(zip(kept, kept[1:], kept[2:], strict=False))
    return Measures(
        words=len(words),
        distinct=len(set(triples)) / len(triples) if triples else 1.0,
        repeat=_longest_repeat(kept) / len(kept) if kept else 0.0,
        refusal=is_refusal(reply),
    )


def _longest_repeat(words: Sequence[str]) -> int:
    """Length of the longest run of words that occurs at two places."""
    low, high = 0, len(words) - 1
    while low < high:  # a run that repeats has shorter runs that repeat, so halving finds the longest
        middle = (low + high + 1) // 2
        runs = [tuple(words[i : i + middle]) for i in range(len(words) - middle + 1)]
        low, high = (middle, high) if len(set(runs)) < len(runs) else (low, middle - 1)
    return max(low, 0)
