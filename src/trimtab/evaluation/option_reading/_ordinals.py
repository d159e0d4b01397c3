"""Options named by their place in the list: "the second option", "option two", "#2", "the latter"."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NTH = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")
_SHORT = ("1st", "2nd", "3rd", "4th", "5th", "6th", "7th")
_COUNT = ("one", "two", "three", "four", "five", "six", "seven")
_NOUN = (
    r"(?:option|choice|answer|alternative|statement|response|possibility|one|sentence|item|entry|reply|suggestion"
    r"|proposal|version|variant|word|number"
    r"|line|position|view|course|path|way|pick|candidate|description|action|approach)"
)
# "First, let me think", "the first thing", "the second answer was wrong of you" name no option: an article must stand
# before and a noun for an option behind, or the sentence must end there after a verb of choosing.
_BY_PLACE = re.compile(
    rf"(?:(?<!was )(?<!were )\b(?:the|this|that)\s+|^\W*)(?:very\s+)?(?P<nth>{'|'.join((*_NTH, *_SHORT))}|last|bottom"
    rf"|top|middle)"
    rf"(?:\s+(?:of\s+(?:the|these|those)\s+)?(?:listed\s+|given\s+)?(?:{_NOUN}\b(?!\s*:)|(?:two|three|four|five"
    rf"|six)\b(?:\s+{_NOUN}s\b)?)(?:\s+(?:in|on|of) (?:the|your) list)?"
    rf"|(?:\s+(?:in|on|of) (?:the|your) list)|(?=\W*\Z))"
    rf"|\A\W*(?:the\s+|my pick: the )?(?P<whole>{'|'.join(_NTH)}|last)\s+\w+(?:\s+(?:in|on|of) (?:the"
    rf"|your) list)?(?=\W*\Z)"
    rf"|\b(?:option|choice|answer|number|statement|alternative)\s+the\s+(?P<after>{'|'.join(_NTH)}|last)\b"
    rf"|\b(?:choose|pick|prefer|select|go with|choosing)\s+the\s+(?P<bare>{'|'.join(_NTH)}|last)(?=\s*(?:[.,;!]|\Z))"
    rf"|\bthe\s+(?P<pair>former|latter)\b(?:\s+{_NOUN}\b)?"
    rf"|\b(?:option|choice|answer|alternative)\s+(?:number\s+|no\.\s*|#\s*)?(?P<count>[1-9]|{'|'.join(_COUNT)})\b"
    r"(?![.,]\d|\s*(?:of|out of|%)\b)"
    rf"|(?:(?<![\w#])#|\b(?:number|nr\.|no\.)\s*)(?P<number>[1-9]|{'|'.join(_COUNT)})\b(?![.,]\d)",
    re.IGNORECASE,
)


def named_by_place(text: str, options: int, labels: tuple[str, ...]) -> Iterator[tuple[int, int, int]]:
    """(start, end, option) of every place where an option is named by its place in the list.

    Args:
        text: a cleaned reply.
        options: how many there are; a place beyond them names none, "the former" and "the latter" need exactly two.
        labels: what the options are called; where they are digits or number words, "option 2" is a label, not a place.
    """
    labelled_by_number = any(label.isdigit() or label.casefold() in _COUNT for label in labels)
    for m in _BY_PLACE.finditer(text):
        option = _option(m, options, labelled_by_number)
        if option is not None and option < options:
            start = next(
                m.start(group) for group in ("nth", "whole", "after", "bare", "pair", "count", "number") if m[group]
            )
            # The verb of "pick the first" belongs to the sentence, "the first option" as a whole to the mention.
            yield (m.start() if not m["bare"] else start), m.end(), option


def _option(m: re.Match[str], options: int, labelled_by_number: bool) -> int | None:
    if m["pair"]:
        return None if options != 2 else int(m["pair"].lower() == "latter")
    if place := m["nth"] or m["whole"] or m["after"] or m["bare"]:
        return _place(place.lower(), options)
    count = m["count"] or m["number"]
    if labelled_by_number:
        return None
    return int(count) - 1 if count.isdigit() else _COUNT.index(count.lower())


def _place(word: str, options: int) -> int | None:
    if word in ("last", "bottom"):
        return options - 1
    if word == "top":
        return 0
    if word == "middle":
        return options // 2 if options % 2 else None
    return _NTH.index(word) if word in _NTH else _SHORT.index(word)
