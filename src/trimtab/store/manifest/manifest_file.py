"""The file of a manifest: JSON within limits, read into a validated manifest and written from one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from trimtab._util.atomic_files import open_inside, reason, write_whole
from trimtab.errors import RunError, shortened
from trimtab.inputs.json_text import parse_json
from trimtab.store.manifest._upgrade import upgraded
from trimtab.store.manifest.manifest import SCHEMA_VERSION, Records

MAX_BYTES = 64 << 20
_MAX_SHOWN = 5
_REMEDY = "restore the file that the run wrote, or start the run again in another folder"

M = TypeVar("M", bound=Records)


def read_manifest(file: Path, folder: Path, kind: type[M]) -> M:
    """Read a manifest.

    Args:
        file: The file.
        folder: The run's; below it nothing may be a link.
        kind: The manifest of a run or of a share.

    Raises:
        FileNotFoundError: When there is none.
        RunError: When it cannot be read, is not a manifest, or was written by a later version.
    """
    content = _json(file, folder)
    try:
        return kind.model_validate(_current(content, file))
    except ValidationError as error:
        problems = [f"{file}: {_explained(e)}" for e in error.errors()]
        raise RunError("\n".join([*shortened(problems, _MAX_SHOWN), _REMEDY])) from None


def write_manifest(manifest: Records, file: Path, folder: Path) -> None:
    """Write a manifest, whole or not at all.

    Args:
        manifest: The manifest.
        file: The file.
        folder: The run's; below it nothing may be a link.

    Raises:
        RunError: When it cannot be written.
    """
    content = {"schema_version": SCHEMA_VERSION} | manifest.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_whole(file, text, inside=folder, what="the manifest")


def _current(content: Any, file: Path) -> Any:
    """The content in the present schema."""
    version = content.get("schema_version", 1) if isinstance(content, dict) else SCHEMA_VERSION
    if type(version) is int and version > SCHEMA_VERSION:
        raise RunError(
            f"{file}: has schema version {version}, and this version of trimtab reads up to {SCHEMA_VERSION}; "
            "update trimtab (pip install --upgrade trimtab)"
        )
    if version != 1:
        return content
    try:
        return upgraded(content)
    except ValueError as error:
        raise RunError(f"{file}: {error}; {_REMEDY}") from None


def _json(file: Path, folder: Path) -> Any:
    try:
        with open_inside(file, folder) as opened:
            raw = opened.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise RunError(f"{file}: is larger than {MAX_BYTES >> 20} MiB, the limit for a manifest")
        return parse_json(raw.decode(), allow_nan=True)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(f"{file}: cannot be read: {reason(error)}") from None
    except ValueError as error:
        raise RunError(f"{file}: cannot be read as JSON ({error}); {_REMEDY}") from None


def _explained(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{place} is missing"
    message = error["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
