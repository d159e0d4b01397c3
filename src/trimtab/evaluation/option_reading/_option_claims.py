"""Sentences of a marked reply that commit to an option.

A mention alone is no answer. It becomes one in a sentence that says so ("I'd pick M", "the best option is M", "M makes
the most sense", "so M") or by where it stands: first of all, or alone at the end.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from trimtab.evaluation.option_reading import _phrases
from trimtab.evaluation.option_reading._mentions import MARK, MarkedText, Mention
from trimtab.evaluation.option_reading._sentence_splitting import Sentence, listed_lines, sentences

Strength = Literal["stated", "placed", "hedged"]

_LOOKBACK_CHARACTERS = 200
# str.lower may change a text's length, and with it every position.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True)
class Claim:
    """A place where the reply commits to an option."""

    mention: Mention
    strength: Strength
    """`stated` in words, `placed` where an answer stands, `hedged`: it counts only if nothing else is claimed."""
    position: int
    """Of the mention's mark in the marked text."""
    sentence_end: int
    overrides: bool
    """Whether it is marked as the last word: a correction, or the "final answer"."""


def claims(marked: MarkedText) -> list[Claim]:
    """All commitments in the reply, in order."""
    found: dict[int, Claim] = {}
    listed = listed_lines(marked)
    previous_end = 0
    for sentence in sentences(marked.text):
        if sentence.text.rstrip().endswith("?") and not _phrases.ANSWERED_FIRST.match(sentence.text):
            continue
        for position, strength in (*_stated(marked, sentence), *_placed(marked, sentence, listed)):
            if position in found and found[position].strength != "hedged":
                continue
            between = marked.text[previous_end:position].lower()[-_LOOKBACK_CHARACTERS:]
            overrides = bool(_phrases.OVERRIDES.search(between))
            found[position] = Claim(marked.mentions[position], strength, position, sentence.end, overrides)
        previous_end = max((position + 1 for position in found), default=0)
    return [found[position] for position in sorted(found)]


def settling_claim(marked: MarkedText, found: Sequence[Claim]) -> Claim | None:
    """The claim that gives the answer; None where claims differ and none is marked as the last word."""
    firm = [claim for claim in found if claim.strength != "hedged"]
    mentioned = {mention.option for mention in marked.mentions.values()}
    if not firm and len(mentioned) == 1:
        firm = list(found)
    if not firm or any(claim.mention.option is None for claim in firm):
        return None
    last = firm[-1]
    tail = marked.text[last.position + 1 :].lower()
    if _phrases.TAKEN_BACK.search(tail) or _reopened(marked, last):
        return None
    others = [i for i, claim in enumerate(firm) if claim.mention.option != last.mention.option]
    return last if not others or firm[others[-1] + 1].overrides else None


def _reopened(marked: MarkedText, last: Claim) -> bool:
    """Whether another option comes up behind the last claim in words that put the claim in doubt.

    "I would say (A)... actually, the risk of (B)": a change of mind without another commitment is no answer; with one,
    that is a claim of its own.
    """
    for position, mention in marked.mentions.items():
        if position > last.position and mention.option != last.mention.option:
            between = marked.text[last.position + 1 : position].lower()
            around = marked.text[last.position + 1 : position + _LOOKBACK_CHARACTERS].lower()
            if _phrases.OVERRIDES.search(between[-_LOOKBACK_CHARACTERS:]) or _phrases.OPEN_AGAIN.search(around):
                return True
    return False


def _stated(marked: MarkedText, sentence: Sentence) -> Iterator[tuple[int, Strength]]:
    text = sentence.text.translate(_LOWER)
    for at, _ in _matches(_phrases.STATED, text):
        yield sentence.start + at, "stated"
    for patterns, ending in ((_phrases.STATED_IF_DONE, _phrases.DONE), (_phrases.STATED_AT_END, _phrases.AT_END)):
        for at, end in _matches(patterns, text):
            if ending.match(text, end):
                yield sentence.start + at, "stated"
    for at, _ in _matches(_phrases.STATED_IN_ITS_WORDS, text):
        if marked.mentions[sentence.start + at].with_text and len({m.option for m in marked.mentions.values()}) == 1:
            yield sentence.start + at, "stated"
    for m in re.finditer(_phrases.CLAUSE_BEGINS, text):
        here = marked.mentions[sentence.start + m.start("m")]
        before = {marked.mentions[sentence.start + b.start()].option for b in re.finditer(MARK, text[: m.start("m")])}
        ahead = text[: m.start("m")]
        if before - {here.option} and not _phrases.OVERRIDES.search(ahead) and not _phrases.FORMERLY.search(ahead):
            continue
        if here.kind == "yes/no" and not _denied(text[: m.start()], m[0]):
            rest = text[m.end() :]
            if (_phrases.DONE.match(rest) or _phrases.SUBJECT.match(rest)) and not _phrases.ALSO.match(rest):
                yield sentence.start + m.start("m"), "stated"
    for m in (m for pattern in _phrases.CONTRASTED for m in re.finditer(pattern, text)):
        yield sentence.start + m.start("m"), "stated"
    for at, _ in _matches(_phrases.HEDGED, text):
        yield sentence.start + at, "hedged"


def _matches(patterns: Sequence[str], text: str) -> Iterator[tuple[int, int]]:
    """(position of the mark, end) of every match that is neither denied nor shared with another option."""
    for pattern in patterns:
        for m in re.finditer(pattern, text):
            shared = _phrases.ALSO.match(text, m.end())
            if shared and m.end() > m.end("m") and _phrases.OTHERS_WRONG.match(text, m.end()):
                shared = None
            if not _denied(text[: m.start()], m[0]) and not shared:
                yield m.start("m"), m.end()


def _denied(before: str, claim: str) -> bool:
    """Whether the claim is denied, put under a condition, made by others, or not of the best option."""
    clause = "" if _phrases.TURN.match(claim.lstrip()) else _phrases.TURN.split(before)[-1]
    spoken = _phrases.QUESTION.sub("", clause + claim)
    denied = _phrases.DENIED.search(spoken) or _phrases.NOT_THE_BEST.search(claim)
    return bool(denied or _phrases.CONDITION.search(before))


def _placed(marked: MarkedText, sentence: Sentence, listed: frozenset[int]) -> Iterator[tuple[int, Strength]]:
    """A mention where an answer stands: at the start, under "Answer:", or alone at the end."""
    lead = re.match(rf"\s*{_phrases.FILLER}(?:the\s+)?{_phrases.M}", sentence.text, re.IGNORECASE)
    if not lead or (sentence.starts_line and sentence.line in listed):
        return
    position, rest = sentence.start + lead.start("m"), sentence.text[lead.end() :]
    mention = marked.mentions[position]
    first = sentence.is_first or sentence.after_answer_line
    if first:
        fits = _given(rest, mention) and (not rest.strip(" .,;!)\"'") or not _goes_through(marked, sentence, mention))
    elif mention.kind == "yes/no":
        fits = _given(rest, mention) and not sentence.after_late_question
    else:
        fits = not rest.strip(" .,;!)\"'") and sentence.is_last and not sentence.after_outline
    if fits:
        yield position, "placed"


def _given(rest: str, mention: Mention) -> bool:
    """Whether a sentence that begins with a mention gives it as the answer, not as a thing to talk about."""
    low = rest.lower()
    if not low.strip(" .,;!)\"'"):
        return True
    if _phrases.ALSO.match(low):
        return False
    if mention.kind == "yes/no":
        decided = not _phrases.UNDECIDED_YES_NO.search(low)
        return decided and bool(_phrases.DONE.match(low) or _phrases.SUBJECT.match(low) or low.startswith(":"))
    if mention.kind == "text" and re.match(r"\s*(?:but|and)\b", low):
        return False
    if _phrases.DONE.match(low):
        return not _phrases.TALKED_OF_BEHIND_COMMA.match(low)
    if mention.kind != "letter":
        return False
    if mention.with_text:
        return bool(_phrases.TEXT_GOES_ON.match(low)) or not _phrases.TALKED_OF.match(low)
    # "A:" may be short for "Answer:", and "Option B:" a heading.
    if low.startswith(":") and (mention.end - mention.start == 1 or not low.strip(" :")):
        return False
    return bool(re.match(r"[\s:\"']*[A-Z]", rest)) and not _phrases.TALKED_OF.match(low)


def _goes_through(marked: MarkedText, sentence: Sentence, mention: Mention) -> bool:
    """Whether later sentences take up other labels in the same way, so that the options are being gone through."""
    if mention.kind != "letter" or mention.with_text:
        return False
    start = sentence.end - 1
    later = re.finditer(rf"(?:\n|[.!?]\s+)\s*({MARK})", marked.text[start:])
    others = (marked.mentions[start + m.start(1)] for m in later)
    return any(other.kind == "letter" and other.option != mention.option for other in others)
