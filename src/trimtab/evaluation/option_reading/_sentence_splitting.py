"""Sentences and lines of a marked reply, with their positions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from trimtab.evaluation.option_reading._mentions import MARK, MarkedText


@dataclass(frozen=True)
class Sentence:
    """A sentence with its position in the reply."""

    text: str
    start: int
    end: int
    """Behind the sentence's last character, before the space that follows."""
    line: int
    """Number of its line."""
    starts_line: bool
    is_first: bool
    """Whether nothing but courtesies comes before."""
    is_last: bool
    after_answer_line: bool
    """Whether it stands under a line such as "My answer:", or behind a question such as "My pick?"."""
    after_outline: bool
    """Whether what comes before announces that options will be gone through."""
    after_late_question: bool
    """Whether a question stands before, other than one that opens the reply and so repeats what was asked."""


_COURTESY = re.compile(
    r"\W*(?:sure|certainly|of course|okay|ok|great question|good question|absolutely|thanks?(?: you)?[^.!]*|hmm+|well"
    r"|answer|let me think|this is a (?:hard|tough|difficult|tricky|good) (?:one|question))?\W*",
    re.IGNORECASE,
)
_ANSWER_LINE = re.compile(
    r"^(?!.*\b(?:possible|following|each|(?:choose|select|pick) (?:an?|one|the|from|between)|(?:choose|select):)\b)"
    r".*\b(?:answer|choice|selection|pick|decision|conclusion|response"
    r"|i(?:'d|'ll| would| will)? (?:choose|pick|select|prefer|say|go with|opt for))\b[^:]*:\W*$",
    re.IGNORECASE,
)
# A question that is answered at once by the one who asks it: "My pick? (C).", "A or B? B."
_ASKED_ALOUD = re.compile(
    rf"^\W*(?:(?:and|so|but)[\s,]+)?(?:(?:(?:my|the)\s+)?(?:\w+\s+)?(?:answer|choice|pick|selection|vote|verdict)"
    rf"|(?:which|what)(?: one| option| answer)? (?:would|will|do|should) i (?:choose|pick|select|prefer|say|go with|do)"
    rf"|{MARK},? (?:or|vs\.?|versus) {MARK})\?$",
    re.IGNORECASE,
)
_OUTLINE = re.compile(
    r"\b(?:options|choices|answers|following|consider|compare|comparing|analy[sz]e|analysis|evaluate|each|examine"
    r"|look at|torn|between|step by step|weigh|either|question|thoughts|pros|cons|reasons|breakdown|go through"
    r"|one by one|here are|first)\b|[:?]\W*$",
    re.IGNORECASE,
)
_MAX_COURTESY_WORDS = 3
_NO_COURTESY = re.compile(
    r"\b(?:not|no|never|wrong|incorrect|bad|choose|pick|which|what|is|yes)\b|n't\b", re.IGNORECASE
)
_BREAK = re.compile(r"(?<=[.!?…])[\"')]*\s+|\n")


def sentences(text: str) -> list[Sentence]:
    """All sentences of the text that hold a word or a mark, in order."""
    pieces = [p for p in _pieces(text) if re.search(r"\w|" + MARK, p[1])]
    found: list[Sentence] = []
    before = previous_line = ""
    for number, (start, piece) in enumerate(pieces):
        line = text.count("\n", 0, start)
        starts_line = not text[:start].rpartition("\n")[2].strip()
        if starts_line:
            previous_line = text[:start].rstrip().rpartition("\n")[2]
        found.append(
            Sentence(
                text=piece,
                start=start,
                end=start + len(piece),
                line=line,
                starts_line=starts_line,
                is_first=_is_courtesy(text[:start]),
                is_last=number == len(pieces) - 1,
                after_answer_line=(starts_line and bool(_ANSWER_LINE.search(previous_line)))
                or bool(_ASKED_ALOUD.search(before.rstrip())),
                after_outline=bool(_OUTLINE.search(before)),
                after_late_question=number > 1 and before.endswith("?"),
            )
        )
        before = piece
    return found


def _is_courtesy(before: str) -> bool:
    if _COURTESY.fullmatch(before):
        return True
    # "Honestly?", "Easy one." But a question on a line of its own may be followed by the list of options.
    short = (
        len(before.split()) <= _MAX_COURTESY_WORDS
        and not re.search(MARK, before)
        and not _OUTLINE.search(before.rstrip(" ?"))
    )
    return short and not _NO_COURTESY.search(before) and not before.endswith("\n")


def _pieces(text: str) -> list[tuple[int, str]]:
    pieces, start = [], 0
    for m in _BREAK.finditer(text):
        pieces.append((start, text[start : m.start()]))
        start = m.end()
    return [*pieces, (start, text[start:])]


def listed_lines(marked: MarkedText) -> frozenset[int]:
    """Lines that repeat the list of options: consecutive ones in order, from the first option on."""
    leads = [
        (line, marked.mentions[at].option)
        for line, at in _line_leads(marked.text)
        if not re.match(r"\s+(?:is|was|isn't|makes|would be|seems)\b", marked.text[at + 1 :])
    ]
    listed: set[int] = set()
    run: list[int] = []
    for line, option in leads:
        run = [*run, line] if option == len(run) and (run or option == 0) else [line] if option == 0 else []
        if len(run) > 1:
            listed.update(run)
    return frozenset(_with_looped(marked.text, leads, listed))


def _line_leads(text: str) -> list[tuple[int, int]]:
    """(number, position of the mark) of every line that begins with a mention."""
    return [(text.count("\n", 0, m.start(1)), m.start(1)) for m in re.finditer(rf"^\s*({MARK})", text, re.MULTILINE)]


def _with_looped(text: str, leads: list[tuple[int, int | None]], listed: set[int]) -> set[int]:
    """A list that is cut off as it begins anew: its new beginning belongs to it unless it is set apart."""
    lines = text.split("\n")
    for line, option in leads:
        before = next((n for n in range(line - 1, -1, -1) if lines[n].strip()), None)
        if option == 0 and before in listed:
            listed.add(line)
    return listed
