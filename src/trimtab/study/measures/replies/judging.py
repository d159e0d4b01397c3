"""The judges of a study: made from its settings, their cost known before anything is spent."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

from trimtab.data import Behavior
from trimtab.errors import JudgeDeclined, SettingError
from trimtab.evaluation import prompt_text
from trimtab.judges import Exchange, Judge, JudgeSettings
from trimtab.llm import CHARACTERS_PER_TOKEN
from trimtab.store.run_folder import RunFolder
from trimtab.study._unscored import prompts_of
from trimtab.study.measures.replies.settings import Replies

_REPLY = ("model", "behavior", "split", "prompt_id", "layers", "strength")
"""Columns that name a reply."""


@dataclass(frozen=True)
class Panel:
    """The judges of a behavior."""

    judges: tuple[Judge, ...]
    """In the order of the settings, without those that declined."""
    entries: tuple[dict[str, Any], ...] = field(default=())
    """Entries of the manifest with their former definitions, one for each judge, those that declined included."""

    @property
    def declined(self) -> list[str]:
        """Why judges declined."""
        return [entry["declined"] for entry in self.entries if entry["declined"]]


def panel_for(settings: Replies, label: str, behavior: Behavior) -> Panel:
    """Make the judges of one behavior, and check that each can be used.

    Args:
        settings: The judges.
        label: The behavior's name in the study.
        behavior: All of its pairs, for a judge to learn from or to see as examples.

    Raises:
        SettingError: When a judge's settings are wrong, its extra is not installed, or its code breaks the rules.
    """
    judges: list[Judge] = []
    entries = []
    for chosen in settings.judges:
        if not chosen.covers(label):
            continue
        accuracy, declined = None, ""
        try:
            judge = chosen.build(behavior)
            judge.check()
            _require_fit(judge, chosen)
            accuracy = judge.accuracy
            judges.append(judge)
        except JudgeDeclined as reason:
            declined = str(reason)
        entries.append(
            {
                "definition": chosen.fingerprint(behavior),
                "former_definition": chosen.former_fingerprint(behavior),
                "behavior": behavior.name,
                "name": chosen.label,
                "kind": chosen.kind,
                "accuracy": accuracy,
                "declined": declined,
            }
        )
    return Panel(tuple(judges), tuple(entries))


def _require_fit(judge: Judge, chosen: JudgeSettings) -> None:
    """Refuse a judge from elsewhere whose verdicts would be taken for another's, or whose cost nobody would see."""
    if getattr(judge, "name", "") != chosen.label:
        raise SettingError(f"the judge {chosen.label}: `build` must pass on `self.label` as the judge's name")
    if not chosen.paid and judge.cost([Exchange("?", "!", "!")]) is not None:
        raise SettingError(f"the judge {chosen.label} has a cost: set `paid = True` in its settings")


def judged_whole(folder: RunFolder, settings: Replies) -> bool:
    """Whether a finished run holds every judgement that these settings need; failed ones are made again."""
    manifest = folder.manifest()
    before = manifest.settings.get("replies")
    if manifest.status != "finished" or before != settings.model_dump(mode="json"):
        return False
    judgements = folder.parts("judgements")
    if judgements is None:
        return True
    # A judgement made again stands below the one that failed; "" comes first.
    of_reply = judgements.groupby([*_REPLY, "judge"], observed=True)["failure"].min()
    return bool((of_reply == "").all())


def highest_cost(settings: Replies, label: str, behavior: Behavior, replies: int) -> list[str]:
    """Upper bound of the cost of judging, a line for each judge that is paid; its cache may make it cheaper.

    Args:
        settings: The judges.
        label: The behavior's name in the study.
        behavior: What is replied to, for the length of prompts, and its pairs as examples.
        replies: How many are judged at most.

    Raises:
        SettingError: When a judge's settings are wrong.
    """
    prompts = [prompt_text(pair) for pair in prompts_of(behavior)]
    longest = "x" * (CHARACTERS_PER_TOKEN * settings.max_new_tokens)
    exchanges = [Exchange(prompts[i % len(prompts)], f"{i} {longest}", longest) for i in range(replies)]
    lines = []
    for chosen in settings.judges:
        if chosen.paid and chosen.covers(label):
            with contextlib.suppress(JudgeDeclined):  # it judges nothing, so it costs nothing
                if (cost := chosen.build(behavior).cost(exchanges)) is not None:
                    lines.append(str(cost))
    return lines
