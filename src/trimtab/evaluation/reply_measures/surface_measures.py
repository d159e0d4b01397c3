"""Measures of a reply that need no judge: words, variety, repetition, refusal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import category

from trimtab.evaluation.option_reading import is_refusal

# Scripts without spaces have a word at every character; a symbol such as an emoji counts as one.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Accents and vowel signs that are characters of their own: no letters to Python, and yet within words.
_SIGNS = "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u06d6-\u06ed\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(f"[{_UNSPACED}]|(?:[^\\W_{_UNSPACED}]|[{_SIGNS}])+|[^\\w\\s]")
_SYMBOLS = ("So", "Sm", "Sc")
"""Unicode's categories for them; those on a keyboard, such as + and $, are punctuation here."""
MAX_WORDS = 1000
"""Only the beginning of longer replies is measured."""


@dataclass(frozen=True)
class Measures:
    """Measures of one reply."""

    words: int
    """Words, and symbols such as emojis, without punctuation."""
    distinct: float
    """Distinct-3 (Li et al. 2016): share of its word triples that are different ones; 1 for fewer than three words."""
    repeat: float
    """Words of the longest run that occurs again in the reply ÷ all its words; overlapping with itself is allowed, so
    that a loop comes near 1."""
    refusal: bool


def measure(reply: str) -> Measures:
    """Measure a reply."""
    words = [found.lower() for found in _WORD.findall(reply) if _counts(found)]
    measured = words[:MAX_WORDS]
    triples = list(zip(measured, measured[1:], measured[2:], strict=False))
    return Measures(
        words=len(words),
        distinct=len(set(triples)) / len(triples) if triples else 1.0,
        repeat=_longest_repeat(measured) / len(measured) if measured else 0.0,
        refusal=is_refusal(reply),
    )


def _counts(found: str) -> bool:
    """Whether it is a word or a symbol, and not punctuation."""
    return found[0].isalnum() or len(found) > 1 or (category(found) in _SYMBOLS and not found.isascii())


def _longest_repeat(words: Sequence[str]) -> int:
    """Length of the longest run of words that occurs at two positions."""
    low, high = 0, len(words) - 1
    while low < high:  # a run that repeats has shorter runs that repeat, so halving finds the longest
        middle = (low + high + 1) // 2
        runs = [tuple(words[i : i + middle]) for i in range(len(words) - middle + 1)]
        low, high = (middle, high) if len(set(runs)) < len(runs) else (low, middle - 1)
    return max(low, 0)
