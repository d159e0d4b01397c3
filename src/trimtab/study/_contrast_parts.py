"""What the contrasts of a study are: what is measured of each behavior, and what its vector is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trimtab.data import AnyContrast, AskedTexts, Behavior, contrast
from trimtab.errors import DataError
from trimtab.study._file_locations import located
from trimtab.study._unscored import UnscoredBehavior, examples_of
from trimtab.study.given import Given, Parts
from trimtab.study.settings.behavior_setting import BehaviorSetting
from trimtab.study.settings.study_file import Study
from trimtab.vectors import AGGREGATIONS
from trimtab.vectors.training import TrainedAggregation


def read_behavior(study: Study, setting: BehaviorSetting, *, offline: bool = False) -> Behavior:
    """The pairs of a behavior, or its contrast where that has none to score.

    Args:
        study: the study.
        setting: which behavior.
        offline: take files of the hub from its cache only.

    Raises:
        DataError: when there is no such source, with every problem of its files, and where they hold no contrast.
    """
    source = located(setting.source, study.folder)
    found = contrast(
        source, limit=setting.limit, seed=study.seed, offline=offline, skip_bad=setting.skip_bad, columns=setting.map
    )
    found = replace(found, name=setting.name or found.name, description=setting.description or found.description)
    return found if isinstance(found, Behavior) else UnscoredBehavior.of(found)


def parts_of(study: Study, setting: BehaviorSetting, behavior: Behavior) -> Parts:
    """The parts of a behavior's pairs; with a contrast of its own the vector needs none, and all are held out.

    Where nothing is held out for, as in a diagnosis alone, a behavior without pairs is not split.

    Raises:
        DataError: when a part would hold too few pairs.
    """
    split = study.split
    if isinstance(behavior, UnscoredBehavior) and not study.sweep and study.projection is None:
        nothing = Behavior(behavior.name, ())
        return behavior, nothing, nothing
    if not setting.contrast:
        return behavior.split((split.train, split.select, split.test), study.seed)
    select, test = behavior.split_held_out((split.select, split.test), study.seed)
    return replace(behavior, pairs=(), part="train"), select, test


def contrast_of(study: Study, setting: BehaviorSetting, behavior: Behavior) -> AnyContrast | None:
    """What the vector is made of, where that is not a part of what is measured.

    Raises:
        DataError: when it cannot be read, or asks what the scored pairs ask: they would not be held out.
    """
    if not setting.contrast:
        return None
    source = located(setting.contrast, study.folder)
    found = contrast(
        source,
        limit=setting.contrast_limit,
        seed=study.seed,
        skip_bad=setting.skip_bad,
        columns=setting.contrast_map,
    )
    asked = AskedTexts.of(found)
    if both := [pair.reference for pair in behavior if asked.hold(pair.prompt)]:
        raise DataError(
            f"{setting.label}: {len(both)} of the scored prompts are in its contrast {setting.contrast!r} too, first "
            f"that of {both[0]}; prompts that report must not make the vector: leave them out of one of the two"
        )
    return replace(found, name=behavior.name, description=found.description or behavior.description)


def contrasts_of(
    study: Study, behaviors: Sequence[tuple[BehaviorSetting, Behavior]], given: Given
) -> dict[str, AnyContrast]:
    """What vectors are made of that are not made of a part of the pairs, by label.

    Raises:
        DataError: when one cannot be read, or asks what the scored pairs ask.
        SettingError: for a trained method, where a vector would be made of something else than pairs of completions.
    """
    found = {
        setting.label: given.contrasts.get(setting.label) or contrast_of(study, setting, behavior)
        for setting, behavior in behaviors
    }
    method = AGGREGATIONS.get(study.method)
    if isinstance(method, TrainedAggregation):
        for setting, behavior in behaviors:
            source = vector_source(behavior, found[setting.label])
            if not isinstance(source, Behavior):
                raise method.needs_completions(source.shape)
    return {label: one for label, one in found.items() if one is not None}


def vector_source(train: Behavior, made_of: AnyContrast | None) -> AnyContrast:
    """What a vector is extracted from: the training part, or a contrast of its own."""
    return examples_of(train) if made_of is None else made_of
