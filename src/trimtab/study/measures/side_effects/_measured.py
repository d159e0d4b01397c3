"""The behaviors that side effects are measured on."""

from __future__ import annotations

import warnings

from trimtab.analysis import EASY
from trimtab.data import Behavior, dataset, sample
from trimtab.data.hash_order import content_key
from trimtab.engines import Scoring
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation import resolve_scoring
from trimtab.study._file_locations import located
from trimtab.study.measures.base import ScoredPairs, Subject
from trimtab.study.measures.side_effects.settings import SideEffects
from trimtab.study.settings.study_file import Study

BUILT_IN = ("cheerful", "permissive", "concise", "sycophancy", "corrigible", "power-seeking")
"""Measured where a study has too few other behaviors of its own."""
MIN_OTHERS = 4
"""Other behaviors that are measured by default at least."""


def measured_behaviors(settings: SideEffects, subject: Subject) -> list[ScoredPairs]:
    """The prompts that are scored, the subject's own first, as far as the model can be asked them.

    Raises:
        SettingError: When a behavior has the name of the easy questions.
    """
    of_study = {behavior.name: (behavior, scoring) for behavior, scoring in subject.others}
    names = _wanted(settings, subject, of_study)
    own = (subject.parts[2], subject.scoring)
    found, pairs = {own[0].name: own}, {content_key(pair) for pair in subject.behavior}
    for name in names:
        if settings.measure is None and name not in of_study and len(found) > MIN_OTHERS:
            break
        behavior, scoring = of_study[name] if name in of_study else _loaded(name, subject.study)
        # What shares pairs with the behavior is no other behavior.
        if behavior.name not in found and not any(content_key(pair) in pairs for pair in behavior):
            found[behavior.name] = (behavior, scoring)
    if EASY in found:
        raise SettingError(f"a behavior is called {EASY!r}, as the easy questions are; rename it")
    sampled = [
        (sample(behavior, settings.prompts, subject.study.seed), scoring) for behavior, scoring in found.values()
    ]
    return [one for one in sampled if one[0].name == subject.name or _can_be_asked(subject, *one)]


def _wanted(settings: SideEffects, subject: Subject, of_study: dict[str, ScoredPairs]) -> list[str]:
    if settings.measure is None:
        return [*of_study, *(name for name in BUILT_IN if name not in of_study)]
    # A behavior of the study that the model cannot be asked is not looked for as a file.
    for other in sorted(set(settings.measure) & set(subject.refused)):
        _warn_left_out(subject.name, other, "this model cannot be asked it")
    return [name for name in settings.measure if name not in subject.refused]


def _can_be_asked(subject: Subject, behavior: Behavior, scoring: Scoring) -> bool:
    obstacle = subject.obstacle(behavior, scoring)
    if obstacle:
        _warn_left_out(subject.name, behavior.name, obstacle)
    return not obstacle


def _loaded(name: str, study: Study) -> ScoredPairs:
    behavior = dataset(located(name, study.folder))
    return behavior, resolve_scoring(behavior, "auto")


def _warn_left_out(name: str, other: str, why: str) -> None:
    warnings.warn(f"side effects of {name}: {other} is not measured, {why}", TrimtabWarning, stacklevel=4)
