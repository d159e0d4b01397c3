"""What is wrong with a pair, by the pair alone: each check is a pure function that says why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trimtab.evaluation.refusals import is_refusal
from trimtab.generation.wanted import LENGTH_RATIO, Draft, Side
from trimtab.generation.words import common_run, content_stems, sentences, stems, words

LENGTH_SLACK = 3
"""Words by which one completion may always be longer: "Yes." against "No, not at all." is no difference in length."""
LEAST_RUN = 3
"""Words in a row that make a copy of the instruction, if two of them carry meaning; single words may be the topic."""
LEAST_CONTENT = 2
LEAST_ECHO = 4
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
MEANT_FROM = {LONGER: 0.5, SAME_WORDS: 0.5, DECLINES: 0.25, ASKS_BACK: 0.25, COPIES: 0.25}
"""From which share of all drafts on a fault is taken for what the behavior is about. Writers that match lengths badly
do so on one side too, though not in every second pair; the others are seen by phrases, which miss many: `is_refusal`
finds 34 of the 70 refusals of the built-in "permissive"."""


@dataclass(frozen=True)
class About:
    """What the checks have to know of the behavior."""

    instruction: str = ""
    """"" where it is not known: then nothing can copy it."""
    opposite: str = ""
    choice: bool = False
    length_ratio: float | None = LENGTH_RATIO


@dataclass(frozen=True)
class Fault:
    """Something that speaks against a pair."""

    name: str
    """What it is, for counting."""
    side: Side | None = None
    """Which completion has it, if only one has."""

    @property
    def meant_from(self) -> float | None:
        """From which share of drafts on it is taken for the behavior itself; None if never. See `Habits`."""
        return MEANT_FROM.get(self.name)

    @property
    def text(self) -> str:
        """For people."""
        return f"the {self.side} completion {self.name}" if self.side else self.name


def faults(draft: Draft, about: About) -> list[Fault]:
    """Everything that speaks against a pair."""
    return [fault for check in CHECKS for fault in check(draft, about)]


def same_on_both_sides(draft: Draft, about: About) -> Iterator[Fault]:
    """Completions that say the same."""
    if draft.positive.split() == draft.negative.split():
        yield Fault("both completions are the same")
    elif words(draft.positive) == words(draft.negative):
        yield Fault(SAME_WORDS)


def length(draft: Draft, about: About) -> Iterator[Fault]:
    """One completion much longer than the other, in words."""
    counts = {"positive": len(words(draft.positive)), "negative": len(words(draft.negative))}
    side: Side = "positive" if counts["positive"] > counts["negative"] else "negative"
    longer, shorter = max(counts.values()), min(counts.values())
    if about.length_ratio is not None and longer > about.length_ratio * shorter + LENGTH_SLACK:
        yield Fault(LONGER, side)


def refusal(draft: Draft, about: About) -> Iterator[Fault]:
    """Completions that decline. It knows English phrases only."""
    yield from (Fault(DECLINES, side) for side, text in _sides(draft) if is_refusal(text))


def question_back(draft: Draft, about: About) -> Iterator[Fault]:
    """Completions that only ask."""
    for side, text in _sides(draft):
        if _ASKS.fullmatch(text.strip()):
            yield Fault(ASKS_BACK, side)


def echo(draft: Draft, about: About) -> Iterator[Fault]:
    """Completions that only say the prompt again. The options of a choice may stand in its prompt."""
    prompt = words(draft.prompt)
    for side, text in _sides(draft):
        said = words(text)
        inside = len(said) >= LEAST_ECHO and len(common_run(said, prompt)) == len(said) and not about.choice
        if said == prompt or inside:
            yield Fault("repeats the prompt", side)


def copied_instruction(draft: Draft, about: About) -> Iterator[Fault]:
    """Words of the instruction in the prompt or in a completion, and completions that announce what they do."""
    for told in filter(None, (about.instruction, about.opposite)):
        if _copies(draft.prompt, told):
            yield Fault("the prompt speaks of the behavior")
        for side, text in _sides(draft):
            if _announces(text, told):
                yield Fault("announces the behavior", side)
            if _copies(text, told):
                yield Fault(COPIES, side)


def speaks_of_pairs(draft: Draft, about: About) -> Iterator[Fault]:
    """Texts that speak of the task instead of doing it."""
    if any(map(_OF_PAIRS.search, draft)):
        yield Fault("speaks of pairs or of their sides")


def options_listed(draft: Draft, about: About) -> Iterator[Fault]:
    """Options of a choice with letters of their own: trimtab lists them."""
    if about.choice and (
        len(_LISTED.findall(draft.prompt)) > 1 or any(_LISTED.match(text) for _, text in _sides(draft))
    ):
        yield Fault("lists options by letter or number, which trimtab does")


CHECKS: tuple[Callable[[Draft, About], Iterator[Fault]], ...] = (
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
    return len(run) >= LEAST_RUN and len(_meant(instruction) & set(run)) >= LEAST_CONTENT


def _announces(text: str, instruction: str) -> bool:
    meant = _meant(instruction)
    speaking = [sentence for sentence in sentences(text) if _SPEAKS.search(sentence)]
    return any(meant & set(stems(said)) for said in (*speaking, *_LABEL.findall(text)))


def _meant(instruction: str) -> frozenset[str]:
    """The stems of an instruction that say what is special about the behavior."""
    return content_stems(instruction) - _ANSWERING
