"""Language identification."""

from __future__ import annotations

from functools import cache
from typing import Any

MIN_LETTERS = 20
"""Letters that a text needs for its language to be identified."""


def language(text: str) -> str:
    """The ISO 639-1 code of a text's language, such as "en"; "" for a text with too few letters.

    By byte n-grams and naive Bayes (langid, Lui & Baldwin 2012, maintained as the package py3langid).
    """
    if sum(character.isalpha() for character in text) < MIN_LETTERS:
        return ""
    code: str = _identifier().classify(text)[0]
    return code


@cache
def _identifier() -> Any:
    import py3langid

    return py3langid
