"""The setting of a run, for every verb that takes `--run`."""

from __future__ import annotations

import warnings
from pathlib import Path

from trimtab.cli.setting.strength_warning import warn_of_strengths
from trimtab.errors import TrimtabWarning
from trimtab.study.recommending.recommended_file import RECOMMENDED
from trimtab.study.setting_to_use import SettingToUse, setting_to_use


def setting_of_run(run: Path, model: str = "", behavior: str = "") -> SettingToUse:
    """The setting that a run recommends, with a warning where its file was changed by hand.

    Args:
        run: The run folder, or its `recommended.yaml`.
        model: Its name in the run; empty: the only one.
        behavior: Its name; empty: the only one.

    Raises:
        RunError: As `setting_to_use`.
        SettingError: As `setting_to_use`.
    """
    use = setting_to_use(run, model, behavior)
    if use.edited:
        file = run if run.is_file() else run / RECOMMENDED
        about = f"the setting of {use.behavior} in {use.model.label} was changed by hand"
        warnings.warn(f"{file}: {about}: {use.edited}", TrimtabWarning, stacklevel=2)
        warn_of_strengths(use.steering.scale, [use.strength])
    return use
