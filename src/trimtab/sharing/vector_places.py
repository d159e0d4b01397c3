"""Where vectors stand: a run, a folder that was shared, or a folder of either and of vector files, by name."""

from __future__ import annotations

from pathlib import Path

from trimtab.store.run_folder import MANIFEST
from trimtab.study.recommending.recommended_file import RECOMMENDED
from trimtab.vectors.formats.published.shared_folders import STEERING

SUFFIX = ".safetensors"


def is_run(place: Path) -> bool:
    """Whether it is a run folder, or the `recommended.yaml` of one."""
    return place.name == RECOMMENDED or (place / RECOMMENDED).is_file() or (place / MANIFEST).is_file()


def is_shared(place: Path) -> bool:
    """Whether it is a folder that `trimtab hub push` wrote."""
    return (place / STEERING).is_file()


def named_places(folder: Path) -> dict[str, Path]:
    """The vector files and shared folders in a folder, by their names; hidden ones are left alone."""
    return {
        entry.stem if entry.suffix == SUFFIX else entry.name: entry
        for entry in sorted(folder.iterdir())
        if not entry.name.startswith(".") and (entry.suffix == SUFFIX or is_shared(entry))
    }
