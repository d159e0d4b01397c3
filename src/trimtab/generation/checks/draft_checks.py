"""Checks of a single pair: each is a pure function that yields faults."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trimtab.evaluation.option_reading import is_refusal
from trimtab.generation.checks._word_sets import common_run, content_stems, sentences, stems, words
from trimtab.generation.request import LENGTH_RATIO, Draft, Side

LENGTH_SLACK = 3
"""Words by which one completion may always be longer: "Yes." against "No, not at all." is no difference in length."""
MIN_RUN = 3
"""Words in a row that make a copy of the instruction, if two of them carry meaning; single words may be the topic."""
MIN_CONTENT = 2
MIN_ECHO = 4
"""Words in a row of the prompt that, being all of a completion, make an echo."""
_ANSWERING = frozenset(stems("answer reply response respond message say give write use make model assistant user text"))
_SPEAKS = re.compile(
    r"\bi(?:['’]ll|['’]m going to| will| shall| must| should| am going to)(?: \w+){0,3} (?:answer|respond|reply|keep)\b"
    r"|\bi(?:['’]ll| will) (?:answer|respond|reply|keep)\b"
    r"|\b(?:my|this|here(?:['’]s| is)) (?:\w+ ){0,3}(?:answer|reply|response)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"^(?:\w+ ){1,3}(?:answer|reply|response):", re.IGNORECASE | re.MULTILINE)
"""As in "Short answer: …"."""
_QUESTION_WORDS = (
    r"what|which|who|whom|whose|when|where|why|how|could you|can you|would you|do you|did you|are you|have you"
)
_ASKS = re.compile(
    # "How about …?" and "Why not …?" are answers.
    rf"(?:and |so |but |hm+,? |oh,? )?(?:{_QUESTION_WORDS})\b(?! about| not)[^.!?…;:]*\?"
    rf"(?:\s*(?:{_QUESTION_WORDS})\b[^.!?…]*\?)*",
    re.IGNORECASE,
)
_OF_PAIRS = re.compile(r"\b(?:positive|negative|contrastive) (?:reply|completion|response|answer|example|pair)", re.I)
_LISTED = re.compile(r"^\s*\(?[AB12][).:]\s", re.MULTILINE)


SAME_WORDS = "the completions differ in capitals and marks only"
LONGER = "is much longer"
DECLINES = "declines to answer"
ASKS_BACK = "only asks back"
COPIES = "repeats words of the instruction"
BEHAVIOR_SHARES = {LONGER: 0.5, SAME_WORDS: 0.5, DECLINES: 0.25, ASKS_BACK: 0.25, COPIES: 0.25}
"""From which share of all drafts on a fault is taken for what the behavior is about. Writers that match lengths badly
do so on one side too, though not in every second pair; the others are seen by phrases, which miss many: `is_refusal`
finds 34 of the 70 refusals of the built-in "permissive"."""


@dataclass(frozen=True)
class CheckContext:
    """The description of the behavior that the checks need."""

    instruction: str = ""
    """"" where it is not known: then nothing can copy it."""
    opposite: str = ""
    choice: bool = False
    length_ratio: float | None = LENGTH_RATIO


@dataclass(frozen=True)
class Fault:
    """A reason to reject a pair."""

    name: str
    """Its name, for counting."""
    side: Side | None = None
    """The completion that has it, if only one has."""

    @property
    def behavior_share(self) -> float | None:
        """Share of drafts from which it counts as the behavior itself; None if never. See `FaultCounts`."""
        return BEHAVIOR_SHARES.get(self.name)

    @property
    def text(self) -> str:
        """The fault as a phrase."""
        return f"the {self.side} completion {self.name}" if self.side else self.name


def faults(draft: Draft, context: CheckContext) -> list[Fault]:
    """All faults of a pair."""
    return [fault for check in CHECKS for fault in check(draft, context)]


def same_on_both_sides(draft: Draft, context: CheckContext) -> Iterator[Fault]:
    """Completions that are the same."""
    if draft.positive.split() == draft.negative.split():
        yield Fault("both completions are the same")
    elif words(draft.positive) == words(draft.negative):
        yield Fault(SAME_WORDS)


def length(draft: Draft, context: CheckContext) -> Iterator[Fault]:
    """One completion much longer than the other, in words."""
    counts = {"positive": len(words(draft.positive)), "negative": len(words(draft.negative))}
    side: Side = "positive" if counts["positive"] > counts["negative"] else "negative"
    longer, shorter = max(counts.values()), min(counts.values())
    if context.length_ratio is not None and longer > context.length_ratio * shorter + LENGTH_SLACK:
        yield Fault(LONGER, side)


def refusal(draft: Draft, context: CheckContext) -> Iterator[Fault]:
    """Completions that decline. It knows English phrases only."""
    yield from (Fault(DECLINES, side) for side, text in _sides(draft) if is_refusal(text))


def question_back(draft: Draft, context: CheckContext) -> Iterator[Fault]:
    """Completions that only ask."""
    for side, text in _sides(draft):
        if _ASKS.fullmatch(text.strip()):
            yield Fault(ASKS_BACK, side)


def echo(draft: Draft, context: CheckContext) -> Iterator[Fault]:
    """Completions that only repeat the prompt. The options of a choice may stand in its prompt."""
    prompt = words(draft.prompt)
    for side, text in _sides(draft):
        spoken = words(text)
        inside = len(spoken) >= MIN_ECHO and len(common_run(spoken, prompt)) == len(spoken) and not context.choice
        if spoken == prompt or inside:
            yield Fault("repeats the prompt", side)


def copied_instruction(draft: Draft, context: CheckContext) -> Iterator[Fault]:
    """Words of the instruction in the prompt or in a completion, and completions that announce what they do."""
    for phrase in filter(None, (context.instruction, context.opposite)):
        if _copies(draft.prompt, phrase):
            yield Fault("the prompt speaks of the behavior")
        for side, text in _sides(draft):
            if _announces(text, phrase):
                yield Fault("announces the behavior", side)
            if _copies(text, phrase):
                yield Fault(COPIES, side)


def speaks_of_pairs(draft: Draft, context: CheckContext) -> Iterator[Fault]:
    """Texts that speak of the task instead of doing it."""
    if any(map(_OF_PAIRS.search, draft)):
        yield Fault("speaks of pairs or of their sides")


def options_listed(draft: Draft, context: CheckContext) -> Iterator[Fault]:
    """Options of a choice with letters of their own: trimtab lists them."""
    if context.choice and (
        len(_LISTED.findall(draft.prompt)) > 1 or any(_LISTED.match(text) for _, text in _sides(draft))
    ):
        yield Fault("lists options by letter or number, which trimtab does")


CHECKS: tuple[Callable[[Draft, CheckContext], Iterator[Fault]], ...] = (
    same_on_both_sides,
    length,
    refusal,
    question_back,
    echo,
    copied_instruction,
    speaks_of_pairs,
    options_listed,
)


def _sides(draft: Draft) -> tuple[tuple[Side, str], tuple[Side, str]]:
    return ("positive", draft.positive), ("negative", draft.negative)


def _copies(text: str, instruction: str) -> bool:
    run = common_run(stems(text), stems(instruction))
    return len(run) >= MIN_RUN and len(_distinctive_stems(instruction) & set(run)) >= MIN_CONTENT


def _announces(text: str, instruction: str) -> bool:
    meant = _distinctive_stems(instruction)
    speaking = [sentence for sentence in sentences(text) if _SPEAKS.search(sentence)]
    return any(meant & set(stems(said)) for said in (*speaking, *_LABEL.findall(text)))


def _distinctive_stems(instruction: str) -> frozenset[str]:
    """The stems of an instruction that say what is special about the behavior."""
    return content_stems(instruction) - _ANSWERING
