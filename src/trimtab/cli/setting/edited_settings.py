"""Settings that were changed by hand, for measures that are added to a run: these measure what the run chose itself."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path

from trimtab.errors import TrimtabWarning
from trimtab.inputs.bounded_files import expand_user
from trimtab.steering import layers_label
from trimtab.study import Study, reopened
from trimtab.study.recommending.recommendations import pairs_of
from trimtab.study.recommending.recommended_file import RECOMMENDED, RecommendedSetting, read_recommended

AT_SETTINGS = ("side_effects", "robustness")
"""Measures of the settings that a run chose."""


def warn_of_edits(run: Path, check: str) -> None:
    """Say of each setting that was changed by hand that a measure is not of it, and how it is measured.

    Args:
        run: The run folder.
        check: The measure.

    Raises:
        SettingError: When `recommended.yaml` is broken, with the line.
    """
    file = run / RECOMMENDED
    edited = [one for one in read_recommended(file).settings if one.edited] if file.is_file() else []
    if not edited:
        return
    study, _ = reopened(run, {})
    for one in edited:
        how = _measuring(one, study, run) or _otherwise(one)
        warnings.warn(
            f"{file}: the setting of {one.behavior} in {one.model} was changed by hand ({one.edited}); "
            f"{check.replace('_', ' ')} of the run are of what it chose itself. To measure the other: {how}",
            TrimtabWarning,
            stacklevel=2,
        )


def _otherwise(setting: RecommendedSetting) -> str:
    """How to measure what options of a command cannot say, in words."""
    if setting.share_strength or setting.vector_layer is not None:
        return "a study file that sweeps this setting, with share_strength and vector_layer as it has them"
    return "in Python, the check with **trimtab.setting_to_use(run).check_options"


def _measuring(setting: RecommendedSetting, study: Study, run: Path) -> str:
    """A sweep of this setting alone, to which the same measure can be added; empty where options cannot say it."""
    found = pairs_of(setting, study)
    if found is None or found[0].map or setting.share_strength or setting.vector_layer is not None:
        return ""
    behavior, source = found
    size = abs(setting.strength)
    limit = [] if behavior.limit is None else ["--limit", str(behavior.limit)]
    words = [
        "sweep", "--model", setting.load.id, "--behavior", source, *limit,
        "--seed", str(study.seed), "--vectors", str(run / setting.vector), "--layers", layers_label(setting.layers),
        f"--strengths={-size:g},{size:g}", "--scale", setting.scale, "--positions", setting.positions,
        *["--first-token"] * setting.first_token, *_condition(setting, run),
        "--out", str(run.with_name(f"{run.name}-edited")),
    ]  # fmt: skip
    return shlex.join(["trimtab", *words])


def _condition(setting: RecommendedSetting, run: Path) -> list[str]:
    """The options of its condition on the prompt."""
    when = setting.when
    if when is None:
        return []
    return ["--when", str(run / expand_user(when.monitor)), "--when-above", str(when.above), "--when-reads", when.reads]
