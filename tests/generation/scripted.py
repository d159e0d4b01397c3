"""Writers for tests: they say what they are told to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence

from trimtab.data import BUILT_INS, Pair
from trimtab.generation.request import Draft
from trimtab.generation.writers import SamplingSettings
from trimtab.llm import Completion

CHECK = "Does the reply answer the message?"


class Scripted:
    """Answers each batch with what `react` makes of it, and each check with yes unless `judge` says otherwise."""

    name = "scripted/writer"

    def __init__(
        self, react: Callable[[int, int], str | Completion], judge: Callable[[str], str] = lambda question: "Yes."
    ):
        self._react = react
        self._judge = judge
        self.questions: list[str] = []
        self.checks: list[str] = []
        self.manners: list[SamplingSettings] = []

    def write(self, questions: Sequence[str], manner: SamplingSettings) -> list[Completion]:
        self.manners.append(manner)
        return [self._answer(question) for question in questions]

    def _answer(self, question: str) -> Completion:
        if question.startswith(CHECK):
            self.checks.append(question)
            return Completion(self._judge(question))
        self.questions.append(question)
        answer = self._react(len(self.questions) - 1, wanted_in(question))
        return answer if isinstance(answer, Completion) else Completion(answer)


def handing_out(drafts: Iterable[Draft], judge: Callable[[str], str] = lambda question: "Yes.") -> Scripted:
    """A writer that gives these, as many at once as it is asked for."""
    left = iter(drafts)
    return Scripted(lambda batch, count: said([d for _, d in zip(range(count), left, strict=False)]), judge)


def wanted_in(question: str) -> int:
    """How many pairs a question asks for."""
    found = re.search(r"^Write (\d+)\.", question, re.MULTILINE)
    assert found
    return int(found[1])


def said(drafts: Sequence[Draft]) -> str:
    return json.dumps([draft._asdict() for draft in drafts])


def built_in(name: str) -> list[Draft]:
    """Pairs that were written by hand, as a writer would give them."""
    return [as_draft(pair) for pair in BUILT_INS[name].load()]


def as_draft(pair: Pair) -> Draft:
    assert isinstance(pair.prompt, str)
    return Draft(pair.prompt, pair.positive, pair.negative)
