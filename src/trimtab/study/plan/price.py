"""The price of a study: what services would charge for what it measures."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from trimtab.data import Behavior
from trimtab.study.given import Given
from trimtab.study.measures.running import measures_of
from trimtab.study.plan._estimates import reach_model
from trimtab.study.plan._subjects import planned_subjects
from trimtab.study.settings.behavior_setting import BehaviorSetting
from trimtab.study.settings.study_file import Study


def price(
    study: Study, behaviors: Sequence[tuple[BehaviorSetting, Behavior]], names: Collection[str], given: Given
) -> str:
    """What services would charge at most, a line each; empty where nothing costs anything.

    Args:
        study: The study.
        behaviors: Settings and pairs of its behaviors.
        names: The measures that are counted.
        given: Models and parts of behaviors that are there already.

    Raises:
        ModelError: When a model cannot be reached and the study gives too few facts to plan without.
    """
    lines = []
    for model in study.models:
        loaded = given.models.get(model.label)
        n_layers = (reach_model(model, study.folder) if loaded is None else loaded).facts.layers
        for subject in planned_subjects(study, model, n_layers, behaviors, given.parts):
            for measure, settings in measures_of(subject):
                costs = measure.costs(settings, subject) if measure.name in names else []
                lines += [f"{subject.name} in {subject.model}: {line}" for line in costs]
    return "\n".join(lines)
