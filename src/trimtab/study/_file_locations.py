"""Paths in a study, resolved when a run is resumed from another folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.data.builtin import LOADABLE
from trimtab.data.sources import HUB, relocated
from trimtab.models import BUNDLED

_NAMING_FILES = ("measure", "transfer", "tasks")
"""Keys of checks whose values may be files."""


def located(name: str, folder: Path) -> str:
    """Resolve the name of a model or a behavior against the folder of its study.

    Args:
        name: A built-in name, a reference to the hub, or a path.
        folder: The folder that the study's paths are relative to. A name that is not a file there is returned as it is.
            Of two files, "positive.txt vs negative.txt", each is looked for; of "table.parquet#3" the table.
    """
    return relocated(name, lambda path: _located_file(path, folder))


def _located_file(name: str, folder: Path) -> str:
    if name in LOADABLE or name == BUNDLED or name.startswith(HUB) or not _is_file(folder / name):
        return name
    return str(folder / name)


def from_here(check: Any) -> Any:
    """Return settings of a check with paths relative to the current folder made absolute."""
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
    """Whether there is such a file, with or without its suffix in the name."""
    whole, _, _ = str(path).partition("#")  # behind it stands a part of the file
    whole = re.sub(r"\.py@\w+$", ".py", whole)
    return path.exists() or Path(f"{path}.jsonl").is_file() or Path(whole).exists()
