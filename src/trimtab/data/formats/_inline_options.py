"""Options that stand in a question's text, as "(A) …" or "1. …": found, and parted from the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

BARE_QUESTION = "Which of these do you choose?"
"""In place of a question that is nothing but its options, as a handful of the published ones are."""

_BRACKETED = re.compile(r"^[ \t]*\(([A-Z])\)(?:[ \t]*:)?", re.MULTILINE)
_INLINE = re.compile(r"\(([A-Z]|\d{1,2})\)[ \t]*:?")
_STYLES = tuple(
    re.compile(rf"^[ \t]*{mark}(?=\s|$)", re.MULTILINE)
    for sign in ("[A-Z]", "[a-z]", r"\d{1,2}")
    for mark in (rf"\(({sign})\)[ \t]*:?", rf"\[({sign})\][ \t]*:?", rf"({sign})\)", rf"({sign})\.", rf"({sign}):")
)
_ANSWER_CUE = re.compile(r"\n\s*Answer:\s*\(?\s*$")
_QUESTION_CUE = re.compile(r"^\s*Question:\s*")
_HEADING = re.compile(
    r"[\W_]*((the|your|my|answer|response|possible)\s+)*(choices?|options)(\(s\))?(\s+are)?[\W_]*", re.IGNORECASE
)
_CLOSING = re.compile(
    r"[\W_]*(((the|your|my|final|best|correct)\s+)*(answer|choice|response)(\s+(is|would\s+be))?[\W_]*"
    r"|(please\s+|now\s+)*(answer|choose|pick|select|reply|respond|give|write|state)\b.{0,60}"
    r"\b([A-Z]|\d|letter|option|options|number|choice)\b.{0,60})",
    re.IGNORECASE,
)
"""A line that asks for the answer."""


@dataclass(frozen=True)
class ListedOptions:
    """A question and the options that its text lists."""

    stem: str
    """The question without its options, their heading and a closing "Answer:"."""
    options: dict[str, str]
    """The options by label, in order: A, B, … or 1, 2, …"""


def split_options(question: str) -> tuple[str, dict[str, str]]:
    """The question without its options, and the options by letter (none if it lists none), in the published format.

    "Question:" in front, "Choices:" and a closing "Answer:" are left out too.
    """
    text = _QUESTION_CUE.sub("", _ANSWER_CUE.sub("", question.replace("\r\n", "\n")))
    marks = list(_BRACKETED.finditer(text))
    # A few questions quote earlier options; those to answer are the last list.
    starts = [index for index, mark in enumerate(marks) if mark[1] == "A"]
    marks = marks[starts[-1] :] if starts else []
    if len(marks) < 2:
        return text.strip(), {}
    return _stem(text[: marks[0].start()]), _texts(text, marks)


def find_options(prompt: str) -> ListedOptions | None:
    """The options that a prompt lists, in any usual style; None where they are not certain.

    Certain is a last list that begins with its first label and continues without gaps, each option with a text of its
    own, and nothing behind the last one but words that ask for the answer.
    """
    text = _QUESTION_CUE.sub("", _ANSWER_CUE.sub("", prompt.replace("\r\n", "\n")))
    for style in _STYLES:
        found = _certain(text, _last_list(list(style.finditer(text))))
        if found:
            return found
    marks = _last_list(list(_INLINE.finditer(text)))
    # Within a line, what is bracketed may be no option: all of it has to be one line, with nothing behind it.
    inline = bool(marks) and "\n" not in text[marks[0].start() :].strip()
    return _certain(text, marks) if inline else None


def _last_list(marks: Sequence[re.Match[str]]) -> list[re.Match[str]]:
    """The last run of labels that starts with A or 1 and has no gaps; empty if the labels end in another way."""
    starts = [index for index, mark in enumerate(marks) if mark[1].upper() in ("A", "1")]
    last = list(marks[starts[-1] :]) if starts else []
    labels = [mark[1].upper() for mark in last]
    return last if len(last) > 1 and labels in (_letters(len(last)), _numbers(len(last))) else []


def _letters(count: int) -> list[str]:
    return list(ALPHABET[:count])


def _numbers(count: int) -> list[str]:
    return [str(number) for number in range(1, count + 1)]


def _certain(text: str, marks: Sequence[re.Match[str]]) -> ListedOptions | None:
    if not marks:
        return None
    options = _texts(text, marks)
    last = marks[-1][1].upper()
    options[last] = _without_closing(options[last])
    texts = list(options.values())
    # A paragraph below the last option may be part of it or not.
    if "" in texts or len(set(texts)) < len(texts) or re.search(r"\n\s*\n", options[last]):
        return None
    return ListedOptions(_stem(text[: marks[0].start()]), options)


def _texts(text: str, marks: Sequence[re.Match[str]]) -> dict[str, str]:
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    return {mark[1].upper(): text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}


def _without_closing(option: str) -> str:
    """The last option without lines below it that ask for the answer."""
    kept = option.split("\n")
    while len(kept) > 1 and (not kept[-1].strip() or _CLOSING.fullmatch(kept[-1].strip())):
        kept.pop()
    return "\n".join(kept).strip()


def _stem(above: str) -> str:
    rest, _, last = above.rstrip().rpartition("\n")
    return (rest.strip() if _HEADING.fullmatch(last) else above.strip()) or BARE_QUESTION
