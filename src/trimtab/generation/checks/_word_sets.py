"""Words and stems of texts, for the checks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_APART = "\u3040-\u30ff\u3400-\u9fff"
"""Kana and Han stand without spaces between words: each character counts as one."""
_WORD = re.compile(rf"[{_APART}]|[^\W_{_APART}]+")
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
_ENDING = re.compile(r"(?:ingly|ing|edly|ed|ies|es|ly|s|y|e)$")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_FUNCTION_WORDS = """
a about all also am an and any are as at be been but by can could did do does each every for from had has have he
her his how i id if im in into is it its ive just like me more most my no not of on one or our out over she should
so some than that the their them then there these they this those to too up us was we were what whats when where
which who why will with would you your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def words(text: str) -> list[str]:
    """The words of a text, without capitals, marks and apostrophes."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(_APOSTROPHE.sub("", plain))


def stems(text: str) -> list[str]:
    """Words without common English endings, so that "answers" and "answering" are the same."""
    return [_stem(word) for word in words(text)]


def content_stems(text: str) -> frozenset[str]:
    """The stems of words that carry meaning."""
    return frozenset(_stem(word) for word in words(text) if word not in FUNCTION_WORDS)


def sentences(text: str) -> list[str]:
    """Rough sentences, each with its marks."""
    return [found.group().strip() for found in _SENTENCE.finditer(text) if found.group().strip()]


def common_run(first: Sequence[str], second: Sequence[str]) -> Sequence[str]:
    """The longest run of words that both contain."""
    best: Sequence[str] = ()
    lengths: dict[int, int] = {}
    for end, word in enumerate(first, start=1):
        grown = {}
        for place, other in enumerate(second):
            if word == other:
                grown[place] = length = lengths.get(place - 1, 0) + 1
                if length > len(best):
                    best = first[end - length : end]
        lengths = grown
    return best


def _stem(word: str) -> str:
    shorter = _ENDING.sub("", word)
    return shorter if len(shorter) >= 3 else word
