"""Which sentences of a marked reply commit to an option.

A mention alone is no answer. It becomes one in a sentence that says so ("I'd pick M", "the best option is M", "M makes
the most sense", "so M") or by where it stands: first of all, or alone at the end.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from trimtab.evaluation import answer_phrases as phrases
from trimtab.evaluation.answer_mentions import MARK, MarkedText, Mention
from trimtab.evaluation.answer_sentences import Sentence, listed_lines, sentences

Strength = Literal["said", "placed", "hedged"]

_LOOK_BACK = 200
# str.lower may change a text's length, and with it every position.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True)
class Claim:
    """A place where the reply commits to an option."""

    mention: Mention
    strength: Strength
    """`said` in words, `placed` where an answer stands, `hedged`: it counts only if nothing else is claimed."""
    position: int
    """Of the mention's mark in the marked text."""
    sentence_end: int
    overrides: bool
    """Whether it is marked as the last word: a correction, or the "final answer"."""


def claims(marked: MarkedText) -> list[Claim]:
    """Every commitment in the reply, in order."""
    found: dict[int, Claim] = {}
    listed = listed_lines(marked)
    previous_end = 0
    for sentence in sentences(marked.text):
        if sentence.text.rstrip().endswith("?"):
            continue
        for position, strength in (*_said(marked, sentence), *_placed(marked, sentence, listed)):
            if position in found and found[position].strength != "hedged":
                continue
            between = marked.text[previous_end:position].lower()[-_LOOK_BACK:]
            overrides = bool(phrases.OVERRIDES.search(between))
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
    if phrases.TAKEN_BACK.search(marked.text[last.position + 1 :].lower()):
        return None
    others = [i for i, claim in enumerate(firm) if claim.mention.option != last.mention.option]
    return last if not others or firm[others[-1] + 1].overrides else None


def _said(marked: MarkedText, sentence: Sentence) -> Iterator[tuple[int, Strength]]:
    text = sentence.text.translate(_LOWER)
    for at, _ in _matches(phrases.SAID, text):
        yield sentence.start + at, "said"
    for patterns, ending in ((phrases.SAID_IF_DONE, phrases.DONE), (phrases.SAID_AT_END, phrases.AT_END)):
        for at, end in _matches(patterns, text):
            if ending.match(text, end):
                yield sentence.start + at, "said"
    for at, _ in _matches(phrases.SAID_IN_ITS_WORDS, text):
        if marked.mentions[sentence.start + at].with_text and len({m.option for m in marked.mentions.values()}) == 1:
            yield sentence.start + at, "said"
    for m in (m for pattern in phrases.CONTRASTED for m in re.finditer(pattern, text)):
        yield sentence.start + m.start("m"), "said"
    for at, _ in _matches(phrases.HEDGED, text):
        yield sentence.start + at, "hedged"


def _matches(patterns: Sequence[str], text: str) -> Iterator[tuple[int, int]]:
    """(position of the mark, end) of every match that is neither twisted nor shared with another option."""
    for pattern in patterns:
        for m in re.finditer(pattern, text):
            if not _denied(text[: m.start()], m[0]) and not phrases.ALSO.match(text, m.end()):
                yield m.start("m"), m.end()


def _denied(before: str, claim: str) -> bool:
    """Whether the claim is denied, put under a condition, made by others, or not of the best option."""
    clause = "" if phrases.TURN.match(claim.lstrip()) else phrases.TURN.split(before)[-1]
    spoken = phrases.QUESTION.sub("", clause + claim)
    denied = phrases.DENIED.search(spoken) or phrases.NOT_THE_BEST.search(claim)
    return bool(denied or phrases.CONDITION.search(before))


def _placed(marked: MarkedText, sentence: Sentence, listed: frozenset[int]) -> Iterator[tuple[int, Strength]]:
    """A mention where an answer stands: at the start, under "Answer:", or alone at the end."""
    lead = re.match(rf"\s*{phrases.FILLER}{phrases.M}", sentence.text, re.IGNORECASE)
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
    if phrases.ALSO.match(low):
        return False
    if mention.kind == "yes/no":
        decided = not phrases.UNDECIDED_YES_NO.search(low)
        return decided and bool(phrases.DONE.match(low) or phrases.SUBJECT.match(low) or low.startswith(":"))
    if mention.kind == "text" and re.match(r"\s*(?:but|and)\b", low):
        return False
    if phrases.DONE.match(low):
        return not phrases.TALKED_OF_BEHIND_COMMA.match(low)
    if mention.kind != "letter":
        return False
    if mention.with_text:
        return bool(phrases.TEXT_GOES_ON.match(low)) or not phrases.TALKED_OF.match(low)
    # "A:" may be short for "Answer:", and "Option B:" a heading.
    if low.startswith(":") and (mention.end - mention.start == 1 or not low.strip(" :")):
        return False
    return bool(re.match(r"[\s:\"']*[A-Z]", rest)) and not phrases.TALKED_OF.match(low)


def _goes_through(marked: MarkedText, sentence: Sentence, mention: Mention) -> bool:
    """Whether later sentences take up other labels in the same way, so that the options are being gone through."""
    if mention.kind != "letter" or mention.with_text:
        return False
    start = sentence.end - 1
    later = re.finditer(rf"(?:\n|[.!?]\s+)\s*({MARK})", marked.text[start:])
    others = (marked.mentions[start + m.start(1)] for m in later)
    return any(other.kind == "letter" and other.option != mention.option for other in others)
