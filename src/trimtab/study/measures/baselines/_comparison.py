"""What baselines compare for one behavior in one model: the prompts, the texts, the vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from trimtab.analysis.baselines.arm_names import FEW_SHOT, FINE_TUNED, PLAIN
from trimtab.data import Behavior, Form, Pair
from trimtab.evaluation import form_of
from trimtab.evaluation.baselines.prompt_arms import demonstrations, wordings
from trimtab.study._unscored import UnscoredBehavior, prompts_of
from trimtab.study.measures.base import Subject
from trimtab.study.measures.baselines.settings import Baselines
from trimtab.vectors import AGGREGATIONS

GIVEN = "given vector"
"""The name of a study's vector that it was given, so that its method says little."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """The arms of a behavior, before anything is run."""

    subject: Subject
    settings: Baselines
    train: Behavior
    select: Behavior
    test: Behavior
    texts: Mapping[str, Sequence[str]]
    """Wordings of the system prompt, by side."""
    shots: tuple[Pair, ...]
    """Demonstrations; none for no few-shot prompt."""

    @property
    def is_scored(self) -> bool:
        """Whether there are pairs of completions to score."""
        return not isinstance(self.subject.behavior, UnscoredBehavior)

    @property
    def is_fine_tuned(self) -> bool:
        """Whether there is an arm of fine-tuning, which needs completions to train on."""
        return self.settings.lora and self.is_scored

    @property
    def test_prompts(self) -> Sequence[Pair]:
        """The prompts that report, whether or not they have completions."""
        return prompts_of(self.test)

    @property
    def form(self) -> Form:
        """How pairs are asked."""
        return form_of(self.subject.scoring)

    @property
    def method(self) -> str:
        """How the study makes its vectors."""
        return self.subject.study.method

    @property
    def other_methods(self) -> list[str]:
        """The methods besides the study's own."""
        return [method for method in self.settings.methods if method != self.method]

    def is_control(self, method: str) -> bool:
        """Whether a method draws its direction at random, so that it is no rival."""
        return AGGREGATIONS.get(method).draws

    @property
    def parts(self) -> list[tuple[str, Behavior]]:
        """The prompts that choose, and those that report."""
        return [("select", self.select), ("test", self.test)]

    def shaping(self, about: str) -> tuple[object, ...]:
        """What the tables about some arms depend on: the prompts, and the texts where they are read, or give a dose."""
        found: list[object] = [self.train.hash, self.select.hash, self.test.hash]
        if about not in (PLAIN, FINE_TUNED):
            found.append([pair.to_json() for pair in self.shots])
        if about not in (PLAIN, FINE_TUNED, FEW_SHOT):
            found.append({side: list(texts) for side, texts in self.texts.items()})
        return tuple(found)


def comparison(settings: Baselines, subject: Subject) -> Comparison:
    """Put together what is compared.

    Raises:
        SettingError: For a behavior without a description or texts, or more demonstrations than there are pairs.
    """
    train, select, test = subject.parts
    texts = wordings(subject.behavior.description, settings.asked_for, settings.asked_against, subject.setting.label)
    limit = settings.prompts
    if isinstance(subject.behavior, UnscoredBehavior):
        return Comparison(subject, settings, train, select, test, texts, ())
    # Where the vector is made of something else, the pairs that chose its setting become earlier turns.
    shown = train if len(train) else replace(select, name=train.name)
    shots = demonstrations(shown, settings.shots, form_of(subject.scoring), subject.study.seed)
    return Comparison(
        subject, settings, train, replace(select, pairs=select.pairs[:limit]), replace(test, pairs=test.pairs[:limit]),
        texts, shots if settings.shots else (),
    )  # fmt: skip


def require_texts(settings: Baselines, behavior: Behavior, label: str) -> None:
    """Refuse a behavior that no system prompt can be made for.

    Raises:
        SettingError: With what to add.
    """
    wordings(behavior.description, settings.asked_for, settings.asked_against, label)


def joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The tables below each other, without empty ones."""
    filled = [table for table in tables if len(table)]
    whole: pd.DataFrame = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()
    return whole
