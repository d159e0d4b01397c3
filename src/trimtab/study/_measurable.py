"""What can be measured of behaviors without pairs to score: put into words, or refused before anything is run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab._util.wording import listed
from trimtab.data import Behavior
from trimtab.errors import SettingError
from trimtab.judges.classifier import ClassifierSettings
from trimtab.steering import SCALES
from trimtab.study._unscored import UnscoredBehavior
from trimtab.study.measures.base import NO_PAIRS, Measure
from trimtab.study.measures.dose.measure import DOSE
from trimtab.study.measures.running import wanted_measures
from trimtab.study.measures.scores.measure import SCORES
from trimtab.study.settings.behavior_setting import BehaviorSetting
from trimtab.study.settings.study_file import Study

Behaviors = Sequence[tuple[BehaviorSetting, Behavior]]


def require_measurable(study: Study, behaviors: Behaviors) -> None:
    """Refuse settings that behaviors without pairs rule out, and behaviors of which nothing would be measured.

    Raises:
        SettingError: with the behavior and the key.
    """
    for setting, behavior in behaviors:
        if isinstance(behavior, UnscoredBehavior):
            _require_usable(study, setting, behavior)
    for measure, settings in _asked_for(study):
        reasons = [
            (setting.label, measure.unfit(behavior))
            for setting, behavior in behaviors
            if any(settings.covers(model.label, setting.label, behavior.is_choice) for model in study.models)
        ]
        refused = [(label, reason) for label, reason in reasons if reason]
        if refused and len(refused) == len(reasons):
            label, reason = refused[0]
            others = "" if len(refused) == 1 else f" and of {len(refused) - 1} other behaviors"
            raise SettingError(
                f"{measure.name}: nothing can be measured of {label}{others}: there are {reason}; leave the key out"
            )
        for setting, behavior in behaviors:
            covered = any(settings.covers(model.label, setting.label, behavior.is_choice) for model in study.models)
            if covered and not measure.unfit(behavior):
                measure.require(settings, behavior, setting.label)


def measured_in_words(study: Study, setting: BehaviorSetting, behavior: Behavior) -> str:
    """By what a behavior without pairs is measured, and what the study asks for that is left out; "" with pairs."""
    if not isinstance(behavior, UnscoredBehavior):
        return ""
    fit, unfit = _ways(study, setting, behavior)
    whys = [f"{label} ({reason})" if reason != NO_PAIRS else label for label, reason in unfit.items()]
    left_out = f"; left out: {listed(whys)}" if whys else ""
    return f"no completions to score; measured by {listed(fit)}{left_out}"


def _require_usable(study: Study, setting: BehaviorSetting, behavior: UnscoredBehavior) -> None:
    where = f"{setting.label}: {setting.source!r} has no pairs of completions to score"
    if setting.scoring != "auto":
        raise SettingError(f"{where}; leave out `scoring: {setting.scoring}`")
    if setting.contrast:
        raise SettingError(
            f"{where} with a vector of the contrast {setting.contrast!r}; give that as the `source`, or pairs of "
            "completions in place of this one"
        )
    for measure, settings in _asked_for(study):
        if setting.label in settings.behaviors and (reason := measure.unfit(behavior)):
            raise SettingError(f"{measure.name}: {setting.label} has {reason}; leave it out there")
    if study.replies is not None and behavior.prompts:
        judges = [judge.kind for judge in study.replies.judges if judge.covers(setting.label)]
        covered = any(study.replies.covers(model.label, setting.label, False) for model in study.models)
        if covered and judges and set(judges) == {ClassifierSettings.kind}:
            raise SettingError(
                f"replies: {setting.label} has no completions that the text classifier could learn from; name another "
                "judge, such as a language model or a pattern, or leave it out with `behaviors`"
            )
    if not _ways(study, setting, behavior)[0]:
        raise SettingError(
            f"{where}, and nothing else is asked for, so nothing would be measured; leave out `projection: false`, or "
            "add `dose: true` or `replies`"
        )


def _asked_for(study: Study) -> list[tuple[Measure[Any], Any]]:
    """The measures with a key in the study file."""
    every = wanted_measures(study, Behavior("any", ()))
    return [(measure, settings) for measure, settings in every if settings is not None]


def _ways(study: Study, setting: BehaviorSetting, behavior: Behavior) -> tuple[list[str], dict[str, str]]:
    """The labels of the measures that a behavior has in any of the models, and what it lacks for others, by label."""
    fit: list[str] = []
    unfit: dict[str, str] = {}
    for measure, settings in wanted_measures(study, behavior):
        if measure is DOSE and not _doses(study):
            continue
        if measure is SCORES and not study.sweep:
            continue
        about = (setting.label, behavior.is_choice)
        if settings is not None and not any(settings.covers(model.label, *about) for model in study.models):
            continue
        if reason := measure.unfit(behavior):
            unfit[measure.label] = reason
        else:
            fit.append(measure.label)
    return fit, unfit


def _doses(study: Study) -> bool:
    """Whether any doses are measured."""
    scales = [study.scale, *([study.replies.scale] if study.replies and study.replies.scale else [])]
    return study.sweep and (study.dose or any(SCALES.get(scale).in_nats for scale in scales))
