"""Reading what a study names: the pairs of each behavior, and the contrasts that vectors are made of."""

from __future__ import annotations

from dataclasses import replace

from trimtab.data import AnyContrast, Behavior, contrast, dataset
from trimtab.study._contrast_parts import contrast_of
from trimtab.study._file_locations import located
from trimtab.study.given import Given
from trimtab.study.settings.study_file import BehaviorSetting, Study

Named = list[tuple[BehaviorSetting, Behavior]]


def read_behavior(
    study: Study, setting: BehaviorSetting, *, offline: bool = False
) -> tuple[Behavior, AnyContrast | None]:
    """The pairs of a behavior; where nothing is swept, its source may hold another contrast.

    Returns:
        The pairs, none where the source holds no pairs of completions, and then the contrast that it holds.

    Raises:
        DataError: when there is no such source, with every problem of its files, and where it holds no pairs to score.
    """
    source, label = located(setting.source, study.folder), setting.name
    read = dataset if study.sweep or setting.contrast else contrast
    found = read(
        source, limit=setting.limit, seed=study.seed, offline=offline, skip_bad=setting.skip_bad, columns=setting.map
    )
    if label:
        found = replace(found, name=label)
    if isinstance(found, Behavior):
        return found, None
    return Behavior(found.name, (), found.description, left_out=found.left_out), found


def read_behaviors(study: Study, given: Given) -> tuple[Named, Given]:
    """The pairs of every behavior of a study, and what is given, with the contrasts that its sources hold."""
    behaviors: Named = []
    for setting in study.behaviors:
        behavior = given.whole(setting.label)
        if behavior is None:
            behavior, made_of = read_behavior(study, setting)
            given = given if made_of is None else given.with_contrast(setting.label, behavior, made_of)
        behaviors.append((setting, behavior))
    return behaviors, given


def contrasts_of(study: Study, behaviors: Named, given: Given) -> dict[str, AnyContrast]:
    """What vectors are made of that are not made of a part of the pairs, by label.

    Raises:
        DataError: when one cannot be read, or asks what the scored pairs ask.
    """
    found = {
        setting.label: given.contrasts.get(setting.label) or contrast_of(study, setting, behavior)
        for setting, behavior in behaviors
    }
    return {label: one for label, one in found.items() if one is not None}
