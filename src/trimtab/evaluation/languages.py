"""Which language a text is in."""

from __future__ import annotations

from functools import cache
from typing import Any

SHORTEST = 20
"""Letters below which a text says too little of its language to tell."""


def language(text: str) -> str:
    """The ISO 639-1 code of a text's language, such as "en"; "" for a text with too few letters to tell.

    By byte n-grams and naive Bayes (langid, Lui & Baldwin 2012, as the package py3langid carries it on).
    """
    if sum(character.isalpha() for character in text) < SHORTEST:
        return ""
    code: str = _identifier().classify(text)[0]
    return code


@cache
def _identifier() -> Any:
    import py3langid

    return py3langid
