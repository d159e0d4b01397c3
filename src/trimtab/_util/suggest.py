"""Did you mean: the option that a misspelled word is nearest to."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection


def nearest_word(word: str, options: Collection[str]) -> str:
    """The option that a word plainly is a misspelling of; "" if none is.

    A word of several is no misspelling of one of them: not `user_prompt` of `prompt`. Half of the letters in common is
    no likeness either: not `limit` of `split`.
    """
    plain = {option.casefold(): option for option in options}
    close = difflib.get_close_matches(word.casefold(), plain, n=1, cutoff=0.75)
    if not close:
        return ""
    parts = set(re.split(r"[\W_]+", word.casefold()))
    return "" if len(parts) > 1 and close[0] in parts else plain[close[0]]


def nearest_words(word: str, options: Collection[str], limit: int = 3) -> list[str]:
    """Options that a word may be a misspelling or a part of, the nearest first; more of them than `nearest_word`."""
    return difflib.get_close_matches(word.casefold(), options, n=limit, cutoff=0.5)


def hint(word: str, options: Collection[str], kind: str) -> str:
    """A hint to put behind a word that is none of the options: the nearest of them, or all."""
    close = nearest_word(word, options)
    return f"; did you mean {close!r}?" if close else f"; the {kind} are {', '.join(options)}"


def suggestion(word: str, options: Collection[str]) -> str:
    """`; did you mean 'x'?` where an option is near; "" where none is."""
    close = nearest_word(word, options)
    return f"; did you mean {close!r}?" if close else ""
