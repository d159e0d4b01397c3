"""Files that a study names, found again when a run is gone on with from another folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.data.builtin import LOADABLE
from trimtab.data.sources import HUB
from trimtab.models import BUNDLED

_NAMING_FILES = ("measure", "transfer")
"""Keys of checks that name behaviors, some of which are files."""


def located(name: str, folder: Path) -> str:
    """What a study calls a model or a behavior, as it is reached from the current folder.

    Args:
        name: a built-in name, a reference to the hub, or a path.
        folder: where the study's relative paths begin; what is not there is left as it is called.
    """
    if name in LOADABLE or name == BUNDLED or name.startswith(HUB) or not _is_file(folder / name):
        return name
    return str(folder / name)


def from_here(check: Any) -> Any:
    """Settings of a check with the files that they name relative to the current folder named from the root."""
    if not isinstance(check, Mapping):
        return check
    return {
        key: [_absolute(name) for name in value] if key in _NAMING_FILES and isinstance(value, list | tuple) else value
        for key, value in check.items()
    }


def _absolute(name: str) -> str:
    there = name not in LOADABLE and _is_file(Path(name))
    return str(Path(name).absolute()) if there else name


def _is_file(path: Path) -> bool:
    """Whether something is there, also under a name without its ending."""
    return path.exists() or Path(f"{path}.jsonl").is_file()
