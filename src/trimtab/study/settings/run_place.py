"""Where a study is run, and how it differs from a run that is there already.

A study file that leaves a key out means its default, so the same file may be another study in another version.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from trimtab.errors import RunError, TrimtabWarning
from trimtab.store.run_folder import RunFolder, free_folder
from trimtab.study.settings.identity import shaping_part
from trimtab.study.settings.study_file import Study


def run_place(study: Study, out: str | Path | None, identity: str) -> Path:
    """The folder to run in: the one that was named, or the first `runs/NAME`, `runs/NAME-2` … that is free or this run.

    Args:
        study: What is run.
        out: The folder that was named, if any.
        identity: Of the run.

    Raises:
        RunError: When the folder that was named holds a run with other settings; it names them.
    """
    if out:
        path = Path(out)
        if RunFolder(path).identity() not in ("", identity) and (others := _differences(study, path)):
            raise RunError(
                f"{path}: holds a run with other settings ({others}), and results are never mixed; name another folder "
                "with -o, or delete this one"
            )
        return path
    wanted = Path("runs") / study.name
    path = free_folder(wanted, identity)
    if path != wanted and (others := _differences(study, wanted)):
        warnings.warn(f"{wanted} holds a run with other settings ({others}); this one is {path}", TrimtabWarning, 2)
    return path


def _differences(study: Study, path: Path) -> str:
    """The settings that make a study another run than the one in a folder, with both values where they are short."""
    there = RunFolder(path).manifest().settings
    here = study.model_dump(mode="json")
    names = [name for name in shaping_part(study) if name in there and there[name] != here[name]]
    return "; ".join(_both(name, there[name], here[name]) for name in names)


def _both(name: str, there: Any, here: Any) -> str:
    texts = [_in_words(value) for value in (there, here)]
    return name if None in texts else f"{name}: {texts[0]} there, {texts[1]} here"


def _in_words(value: Any) -> str | None:
    """A value as a person writes it; None where it is more than one line of a study file."""
    if isinstance(value, list) and all(isinstance(one, int | float) for one in value):
        return ", ".join(f"{one:g}" for one in value)
    return None if isinstance(value, list | dict) else str(value)
