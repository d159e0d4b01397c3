"""A finished run, gone on with: its study with a check more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.errors import RunError
from trimtab.runs.checking import CHECKS
from trimtab.runs.folder import RunFolder
from trimtab.runs.settings import Study, make_study
from trimtab.runs.sources import from_here
from trimtab.vectors import SteeringVector


def reopened(path: Path, checks: Mapping[str, Any]) -> tuple[Study, SteeringVector | None]:
    """The study of a run folder with these checks, and the vectors that it was given, if it was.

    `run_study` with both, into the same folder, then does what is not there yet. Files that the study named relative to
    the folder it was started in are found there; those that the checks name are found from the current one.

    Args:
        path: the run folder.
        checks: settings of `diagnosis`, `side_effects` or `robustness`, as a study file has them.

    Raises:
        RunError: when it is no run folder, or its numbers were measured by another program.
        SettingError: for what is wrong with the checks.
    """
    folder = RunFolder(path)
    manifest = folder.manifest()
    if "identity" not in manifest or not manifest.get("vectors"):
        raise RunError(
            f"{path}: holds no vectors of this program, as an imported run does not; there is nothing to check"
        )
    # What was checked before stays as it is: a file that has moved since must not keep other checks from being made.
    wanted = {name: from_here(settings) for name, settings in checks.items()}
    content = {**manifest["settings"], **dict.fromkeys(CHECKS), **wanted, "folder": manifest.get("folder", "")}
    study = make_study(content, f"{path}: checks")
    if not manifest.get("vectors_given"):
        return study, None
    made = manifest["vectors"][0]
    return study, SteeringVector.load(folder.vector_file(made["model"], made["behavior"]))
