"""Where a reply mentions an option: by its label, by its text, or by both together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["letter", "text", "yes/no"]

FIRST_MARK = 0xE000
CLASH = chr(0xF8FF)
"""Stands for a mention that contradicts itself: the label of one option with the text of another."""
MARK = f"[{chr(FIRST_MARK)}-{CLASH}]"
"""Pattern of the character that stands for a mention in a marked text."""


@dataclass(frozen=True)
class Mention:
    """One place where an option is named."""

    start: int
    end: int
    option: int | None
    """None: the label of one option with the text of another."""
    kind: Kind
    with_text: bool = False
    """Whether the option's own text stands there."""


@dataclass(frozen=True)
class MarkedText:
    """A reply in which every mention is one character, so that a sentence reads the same for every option."""

    text: str
    mentions: Mapping[int, Mention]
    """By the position of their mark in the text, in order."""


# The article "A" and the pronoun "I" are words unless what follows could not follow such a word.
_AFTER_LABEL = (
    r"(?![ \t]+(?!(?:is|isn't|was|because|since|as|and|or|but|for|would|seems|sounds|looks|makes|fits|over|than"
    r"|it is)\b)[^\W_])"
)
_NAMES = r"(?:plan|vitamin|type|grade|hepatitis|part|section|figure|group|phase|class|team|person|exhibit|appendix)"
_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+(?:'[^\W_]+)*")
_BETWEEN = re.compile(r"[ \t]*[).:,=|–—-]{0,2}[ \t]*[\"'(]*")
_BETWEEN_CLASHING = re.compile(r"[ \t]*[).:=|–—-]{0,2}[ \t]*[\"'(]*")
_LONGEST_NAME = 20
_SHORTEST_COPY = 3
_SHORTEST_CUT_TEXT = 4


def mark(text: str, options: Sequence[str], labels: Sequence[str]) -> MarkedText:
    """The text with every mention of an option as one character."""
    by_label = list(_labels(text, labels))
    words = [(m.start(), m.end(), m[0].casefold()) for m in _WORD.finditer(text)]
    tokens = [[m[0].casefold() for m in _WORD.finditer(option)] for option in options]
    after_label = {between.end() for m in by_label if (between := _BETWEEN.match(text, m.end))}
    found = by_label + list(_texts(words, tokens)) + list(_beginnings(text, words, tokens, after_label))
    return _replace(text, _joined(text, _without_overlaps(found)))


def _labels(text: str, labels: Sequence[str]) -> Iterator[Mention]:
    for option, label in enumerate(labels):
        upper, any_case = re.escape(label), f"(?i:{re.escape(label)})"
        followed = _AFTER_LABEL if label in ("A", "I") else ""
        pattern = (
            rf"(?<!\w)[(\[{{<]\s*(?i:option\s+|answer\s+|choice\s+)?{any_case}\s*(?:[)\]}}>]|\Z)"
            rf"|(?<![\w'./(-]){any_case}\)"
            rf"|\b(?i:option|choice|letter)\s+(?:[(\[]{any_case}[)\]]|{upper}(?![\w'-]){followed})"
            rf"|(?<![\w'.&/+#$-])(?<![A-Z]\.\s){upper}(?![\w'+#&%]|[-.,/]\w|\.\s+(?:[A-Z]\.|[a-z])|[\u0300-\u036f]){followed}"
        )
        if label not in ("A", "I"):
            pattern += rf"|(?i:(?<=\banswer is )|(?<=\banswer: )){any_case}(?=\s*(?:[.,;!]|\Z))"
        for m in re.finditer(pattern, text):
            if not re.search(rf"\b{_NAMES}\s+$", text[max(0, m.start() - _LONGEST_NAME) : m.start()], re.IGNORECASE):
                yield Mention(m.start(), m.end(), option, "letter")


def _texts(words: Sequence[tuple[int, int, str]], tokens: Sequence[Sequence[str]]) -> Iterator[Mention]:
    """Every place where all words of an option stand in a row; case and punctuation do not count."""
    spoken = [word for _, _, word in words]
    for option, sought in enumerate(tokens):
        if not sought:
            continue
        kind: Kind = "yes/no" if sought in (["yes"], ["no"]) else "text"
        whose = option if list(tokens).count(sought) == 1 else None
        for wanted in _ways_to_say(sought):
            for i in range(len(words) - len(wanted) + 1):
                if spoken[i] == wanted[0] and spoken[i : i + len(wanted)] == wanted:
                    yield Mention(words[i][0], words[i + len(wanted) - 1][1], whose, kind, with_text=True)


def _ways_to_say(option: Sequence[str]) -> list[Sequence[str]]:
    """All its words, and without the Yes or No that opens it, if enough is left to tell it by."""
    opened = option[0] in ("yes", "no") and len(option) > _SHORTEST_CUT_TEXT
    return [option, option[1:]] if opened else [option]


def _beginnings(
    text: str, words: Sequence[tuple[int, int, str]], tokens: Sequence[Sequence[str]], after_label: set[int]
) -> Iterator[Mention]:
    """Where an option's text begins but does not go on to its end: copied in part, or cut off."""
    yes_no = _leading_yes_no(tokens)
    for i, (start, end, word) in enumerate(words):
        labelled, first = start in after_label, not text[:start].rpartition("\n")[2].strip("\"'( \t")
        if not (labelled or first):
            continue
        copied = [_copied(words[i:], sought) for sought in tokens]
        length = max(copied, default=0)
        enough = _SHORTEST_COPY if labelled else _SHORTEST_CUT_TEXT
        cut_off = i + length == len(words) and not re.search(r"[.!?]", text[words[-1][1] :])
        if length >= enough and copied.count(length) == 1 and (labelled or cut_off):
            yield Mention(start, words[i + length - 1][1], copied.index(length), "text", with_text=True)
        elif word in yes_no and not re.match(r"\s+[^\W_]", text[end:]):
            yield Mention(start, end, yes_no[word], "yes/no", with_text=labelled)


def _copied(words: Sequence[tuple[int, int, str]], sought: Sequence[str]) -> int:
    """How many words of the option stand here in a row; the reply's very last word may be cut."""
    count = 0
    for count, (expected, (_, _, word)) in enumerate(zip(sought, words, strict=False)):
        if word != expected:
            return count + (count + 1 == len(words) and expected.startswith(word))
    return min(len(sought), len(words))


def _leading_yes_no(tokens: Sequence[Sequence[str]]) -> dict[str, int]:
    """Yes and No to options, where of two options one begins with Yes and the other with No."""
    leads = {sought[0]: option for option, sought in enumerate(tokens) if sought}
    return leads if len(tokens) == 2 and set(leads) == {"yes", "no"} else {}


def _without_overlaps(found: Sequence[Mention]) -> list[Mention]:
    kept: list[Mention] = []
    for m in sorted(found, key=lambda m: (m.start - m.end, m.start)):
        if all(m.end <= k.start or k.end <= m.start for k in kept):
            kept.append(m)
    return sorted(kept, key=lambda m: m.start)


def _joined(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """A label and the text beside it as one mention, which clashes if they belong to different options."""
    joined: list[Mention] = []
    for m in mentions:
        last = joined[-1] if joined else None
        both = _join(text, last, m) if last else None
        if both:
            joined[-1] = both
        else:
            joined.append(m)
    return joined


def _join(text: str, first: Mention, second: Mention) -> Mention | None:
    if {first.kind == "letter", second.kind == "letter"} != {True, False} or (
        first.with_text and first.kind == "letter"
    ):
        return None
    same = first.option == second.option
    between = text[first.end : second.start]
    label_first = first.kind == "letter"
    pattern = (_BETWEEN if same else _BETWEEN_CLASHING) if label_first else re.compile(r"[ \t]*[–—-]?[ \t]*")
    if not pattern.fullmatch(between) or not (same or label_first or text[second.start] in "(["):
        return None
    # "Argon (C) is a gas" is a statement about the text, "(C) Argon is a gas" the answer and its reason.
    return Mention(first.start, second.end, first.option if same else None, first.kind, with_text=True)


def _replace(text: str, mentions: Sequence[Mention]) -> MarkedText:
    parts, end = [], 0
    for m in mentions:
        parts += [text[end : m.start], CLASH if m.option is None else chr(FIRST_MARK + m.option)]
        end = m.end
    marked = "".join([*parts, text[end:]])
    marked = re.sub(rf"[\"'(\[{{]*({MARK})[\"')\]}}]*", r"\1", marked)
    positions = [m.start() for m in re.finditer(MARK, marked)]
    return MarkedText(marked, dict(zip(positions, mentions, strict=True)))
