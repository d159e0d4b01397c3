"""Mentions of an option in a reply: by its label, by its text, or by both together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from trimtab.evaluation.option_reading._assent import agreements, asked_sides, is_plain, sides
from trimtab.evaluation.option_reading._ordinals import named_by_place
from trimtab.evaluation.option_reading._stems import any_similar, content_stems
from trimtab.evaluation.option_reading._unspaced import UNSPACED

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
    plain: str
    """The reply without marks."""


# The article "A" and the pronoun "I" are words unless what follows could not follow such a word.
_AFTER_LABEL = (
    r"(?![ \t]+(?!(?:is|isn't|was|because|since|as|and|or|nor|not|but|for|would|seems|sounds|looks|makes|fits|over"
    r"|than"
    r"|it is)\b)[^\W_])"
)
_NAMES = r"(?:plan|vitamin|type|grade|hepatitis|part|section|figure|group|phase|class|team|person|exhibit|appendix)"
_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+(?:'[^\W_]+)*")
_BETWEEN = re.compile(r"[ \t]*[).:,=|–—-]{0,2}[ \t]*[\"'(]*")
_BETWEEN_CLASHING = re.compile(r"[ \t]*[).:=|–—-]{0,2}[ \t]*[\"'(]*")
_PLAINLY = {"nope": "no", "yep": "yes", "yup": "yes"}
_ARTICLES = ("a", "an", "the")
_MAX_NAME_CHARACTERS = 20
_MIN_COPY_WORDS = 3
_MIN_CUT_TEXT_WORDS = 4
_MAX_PLAIN_WORDS = 3
_NO_AS_ARTICLE = re.compile(
    r"[ \t]+(?!(?:to|and|or|but|because|since|as|i|i'm|i'd|i've|it|it's|they|we|you|he|she|there|that|this|in|for|on"
    r"|from|is|would|was|wins"
    r"|here|not|thanks|please|sir|way|means|again|if|at|then|no|yes|without|of course|absolutely|wait|actually|the|my"
    r"|a|an)\b)[^\W_]",
    re.IGNORECASE,
)
"""Behind a "no" that belongs to a noun: "no one", "no power"."""


def mark(text: str, options: Sequence[str], labels: Sequence[str], prompt: str = "") -> MarkedText:
    """Replace every mention of an option by one character."""
    by_label = list(_labels(text, labels))
    by_place = [Mention(a, b, option, "letter") for a, b, option in named_by_place(text, len(options), tuple(labels))]
    words = [(m.start(), m.end(), _PLAINLY.get(m[0].casefold(), m[0].casefold())) for m in _WORD.finditer(text)]
    tokens = [[m[0].casefold() for m in _WORD.finditer(option)] for option in options]
    after_label = {between.end() for m in by_label if (between := _BETWEEN.match(text, m.end))}
    found = (
        by_label + by_place + list(_texts(text, words, tokens)) + list(_beginnings(text, words, tokens, after_label))
    )
    found += _unspaced(text, options)
    own = sides(options)
    if own:
        found = [
            replace(m, kind="yes/no") if m.kind == "text" and len(tokens[m.option or 0]) <= _MAX_PLAIN_WORDS else m
            for m in found
        ]
    if pair := own or asked_sides(options, prompt):
        # "I object" says no to a statement, but not where the options are to object or not.
        theirs = [] if is_plain(options) else [stem for option in options for stem in content_stems(option)]
        found += [
            Mention(a, b, pair[0 if yes else 1], "yes/no")
            for a, b, yes in agreements(text)
            if not any_similar(content_stems(text[a:b]), theirs)
        ]
    return _replace(text, _joined(text, _without_overlaps(found)))


def _labels(text: str, labels: Sequence[str]) -> Iterator[Mention]:
    for option, label in enumerate(labels):
        upper, any_case = re.escape(label), f"(?i:{re.escape(label)})"
        followed = _AFTER_LABEL if label in ("A", "I") else ""
        pattern = (
            rf"(?<!\w)[(\[{{<]\s*(?i:option\s+|answer\s+|choice\s+)?{any_case}\s*(?:[)\]}}>]|\Z)"
            rf"|(?<![\w'./(-]){any_case}\)"
            rf"|\b(?i:option|choice|letter|statement|answer|sentence|alternative|response)\s+(?:[(\[]{any_case}[)\]]"
            rf"|{upper}(?![\w'-]){followed})"
            rf"|(?<![\w'.&/+#$-])(?<![A-Z]\.\s){upper}(?![\w'+#&%]|[-.,/]\w|\.\s+(?:[A-Z]\.|[a-z])"
            rf"|[\u0300-\u036f]){followed}"
        )
        if label not in ("A", "I"):
            pattern += rf"|(?i:(?<=\banswer is )|(?<=\banswer: )){any_case}(?=\s*(?:[.,;!]|\Z))"
        for m in re.finditer(pattern, text):
            if not re.search(
                rf"\b{_NAMES}\s+$", text[max(0, m.start() - _MAX_NAME_CHARACTERS) : m.start()], re.IGNORECASE
            ):
                yield Mention(m.start(), m.end(), option, "letter")


def _texts(text: str, words: Sequence[tuple[int, int, str]], tokens: Sequence[Sequence[str]]) -> Iterator[Mention]:
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
                    if wanted == ["no"] and _NO_AS_ARTICLE.match(text, words[i][1]):
                        continue
                    yield Mention(words[i][0], words[i + len(wanted) - 1][1], whose, kind, with_text=True)


def _unspaced(text: str, options: Sequence[str]) -> list[Mention]:
    """Copies of options in a script without spaces; one behind a "not" is none."""
    return [
        Mention(m.start(), m.end(), number, "text", with_text=True)
        for number, option in enumerate(options)
        if UNSPACED.search(option)
        for m in re.finditer(rf"(?<![不没未非别無]){re.escape(option.strip())}", text)
    ]


def _ways_to_say(option: Sequence[str]) -> list[Sequence[str]]:
    """All its words, and without the Yes, No or article that opens it, if enough is left to tell it by."""
    opened = option[0] in ("yes", "no") and len(option) > _MIN_CUT_TEXT_WORDS
    named = option[0] in _ARTICLES and len(option) >= _MIN_COPY_WORDS
    return [option, option[1:]] if opened or named else [option]


def _beginnings(
    text: str, words: Sequence[tuple[int, int, str]], tokens: Sequence[Sequence[str]], after_label: set[int]
) -> Iterator[Mention]:
    """Where an option's text begins but does not continue to its end: copied in part, or cut off."""
    yes_no = _leading_yes_no(tokens)
    for i, (start, end, word) in enumerate(words):
        labelled, first = start in after_label, not text[:start].rpartition("\n")[2].strip("\"'( \t")
        if not (labelled or first):
            continue
        copied = [_copied(words[i:], sought) for sought in tokens]
        length = max(copied, default=0)
        enough = _MIN_COPY_WORDS if labelled else _MIN_CUT_TEXT_WORDS
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
    if first.kind == "yes/no" and first.option == second.option:
        beside = re.fullmatch(r"[ \t]*[,:–—-]?[ \t]*(?:and )?", text[first.end : second.start])
        return Mention(first.start, second.end, first.option, "yes/no", with_text=True) if beside else None
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
    return MarkedText(marked, dict(zip(positions, mentions, strict=True)), text)
