"""Resuming a finished run: its study with one more check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.errors import RunError
from trimtab.store.run_folder import RunFolder
from trimtab.study._file_locations import from_here
from trimtab.study.measures.registry import MEASURES
from trimtab.study.settings.study_file import Study, make_study, without_unused_measures
from trimtab.vectors import SteeringVector


def reopened(path: Path, checks: Mapping[str, Any]) -> tuple[Study, SteeringVector | None]:
    """Return the study of a run folder with these checks, and the vectors that it was given, if any.

    `run_study` with both, into the same folder, then computes what is missing. Paths of the study are relative to the
    folder that it was started in, paths of the checks to the current one.

    Args:
        path: The run folder.
        checks: Settings of `diagnosis`, `side_effects` or `robustness`, as a study file has them.

    Raises:
        RunError: When it is not a run folder, or its results were imported.
        SettingError: For wrong settings of the checks.
    """
    MEASURES.load_tables()
    folder = RunFolder(path)
    manifest = folder.manifest()
    if not manifest.vectors:
        raise RunError(f"{path}: has no vectors, as an imported run has none; there is nothing to check")
    # Checks made before are left as they are: a file that has moved since must not prevent other checks.
    wanted = {name: from_here(settings) for name, settings in checks.items()}
    content = {
        **without_unused_measures(manifest.settings),
        **_none_added(manifest.settings),
        **wanted,
        "folder": manifest.folder,
    }
    if content.get("when") and folder.monitor_file.is_file():
        # The run's own copy: the file that it was begun with may have moved, or changed since.
        content["when"] = {**content["when"], "monitor": str(folder.monitor_file.absolute())}
    if content.get("answers") and "reader" not in content["answers"]:
        content["answers"] = {**content["answers"], "reader": 1}  # begun before the key existed
    study = make_study(content, f"{path}: checks")
    if not manifest.vectors_given:
        return study, None
    given = manifest.vectors[0]
    return study, SteeringVector.load(folder.vector_file(given.model, given.behavior))


def _none_added(settings: Mapping[str, Any]) -> dict[str, None]:
    """Settings without the measures whose tables are stored whole; one that is ruled out stays so."""
    present = [name for name in MEASURES.names() if settings.get(name) is not None and settings[name] is not False]
    return {name: None for name in present if not MEASURES.get(name).grows}
