"""The judges of a study: made from its settings, counted before they cost anything."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

from trimtab.data import Behavior
from trimtab.errors import JudgeDeclined
from trimtab.evaluation import prompt_text
from trimtab.evaluation.judges import Exchange, Judge, LanguageModelJudge, PatternJudge
from trimtab.evaluation.judges.classifier import fit_classifier
from trimtab.runs.asking import Judging, Replies
from trimtab.runs.estimates import CHARACTERS_PER_TOKEN
from trimtab.runs.folder import RunFolder

_REPLY = ("model", "behavior", "split", "prompt_id", "layers", "strength")
"""Columns that name a reply."""


@dataclass(frozen=True)
class Panel:
    """Who judges a behavior."""

    judges: tuple[Judge, ...]
    """In the order of the settings, without those that declined."""
    entries: tuple[dict[str, Any], ...] = field(default=())
    """What the manifest says of each, those that declined included."""

    @property
    def declined(self) -> list[str]:
        """Why judges declined."""
        return [entry["declined"] for entry in self.entries if entry["declined"]]


def panel_for(settings: Replies, label: str, behavior: Behavior) -> Panel:
    """The judges of one behavior.

    Args:
        settings: who is to judge.
        label: what the study calls the behavior.
        behavior: all of its pairs, for the classifier to learn from and for a language model to see examples.

    Raises:
        SettingError: for a pattern that cannot be read, or a judge whose extra is not installed.
    """
    judges: list[Judge] = []
    entries = []
    for wanted in settings.judges:
        if not wanted.judges(label):
            continue
        declined = ""
        accuracy: float | None = None
        try:
            judge = _judge(wanted, behavior)
            if isinstance(judge, LanguageModelJudge):
                judge.check()
            accuracy = getattr(judge, "accuracy", None)
            judges.append(judge)
        except JudgeDeclined as reason:
            declined = str(reason)
        shown = [
            wanted.kind,
            wanted.model,
            wanted.base_url,
            wanted.pattern,
            behavior.name,
            behavior.description,
            behavior.hash,
        ]
        entries.append(
            {
                "definition": hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16],
                "behavior": behavior.name,
                "name": wanted.label,
                "kind": wanted.kind,
                "accuracy": accuracy,
                "declined": declined,
            }
        )
    return Panel(tuple(judges), tuple(entries))


def judged_whole(folder: RunFolder, settings: Replies) -> bool:
    """Whether a finished run holds every judgement that these settings ask for; failed ones are made again."""
    manifest = folder.manifest()
    before = manifest["settings"].get("replies")
    if manifest["status"] != "finished" or before != settings.model_dump(mode="json"):
        return False
    judgements = folder.parts("judgements")
    if judgements is None:
        return True
    # A judgement made again stands below the one that failed; "" comes first.
    of_reply = judgements.groupby([*_REPLY, "judge"], observed=True)["failure"].min()
    return bool((of_reply == "").all())


def highest_cost(settings: Replies, label: str, behavior: Behavior, replies: int) -> list[str]:
    """What judging would cost at most, a line for each judge that costs anything; what is in the cache is not known.

    Args:
        settings: who is to judge.
        label: what the study calls the behavior.
        behavior: its pairs, for the length of prompts and as examples.
        replies: how many will be judged at most.

    Raises:
        SettingError: for a judge that cannot be meant.
    """
    prompts = [prompt_text(pair) for pair in behavior]
    long = "x" * (CHARACTERS_PER_TOKEN * settings.max_new_tokens)
    asked = [Exchange(prompts[i % len(prompts)], f"{i} {long}", long) for i in range(replies)]
    lines = []
    for wanted in settings.judges:
        if wanted.classifier or not wanted.judges(label):
            continue
        judge = _judge(wanted, behavior)
        if isinstance(judge, LanguageModelJudge):
            lines.append(f"{judge.cost(asked)}; a call that fails is tried up to {wanted.attempts} times")
    return lines


def _judge(wanted: Judging, behavior: Behavior) -> Judge:
    if wanted.classifier:
        return replace(fit_classifier(behavior), name=wanted.label)
    if wanted.pattern:
        return PatternJudge(wanted.pattern, name=wanted.label)
    return LanguageModelJudge(
        wanted.model,
        behavior=behavior.name,
        description=behavior.description,
        examples=behavior.pairs,
        name=wanted.label,
        base_url=wanted.base_url,
        timeout_seconds=wanted.timeout_seconds,
        attempts=wanted.attempts,
        max_connections=wanted.max_connections,
        price=wanted.price,
    )
