"""What vLLM's own configuration says to the plugin: `additional_config={"trimtab": {...}}`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from trimtab.engines.vllm.wire.spec import KEY
from trimtab.errors import SettingError

TRACED = ("_push_table.py", "_residual_taps.py", "_steering.py")
"""Files beside this one whose code is traced into the model, or decides what is."""


@dataclass(frozen=True)
class PluginSettings:
    """The plugin's settings in vLLM's configuration."""

    rows: int | None = None
    """Different pushes that can be at work at once; by default as many as requests can run at once."""
    vectors: str | None = None
    """Folder of vector files that requests may name."""
    reads: bool = False
    """Whether requests may ask for states, which wait in the workers until the client in the same process fetches them.
    Set by trimtab: over HTTP nobody could."""
    code: str = ""
    """Hash of the plugin's code, set by trimtab: a graph that was compiled with other hooks is not reused."""

    def folder(self) -> Path | None:
        """The folder of vectors; only the machine that takes requests in has to have it.

        Raises:
            SettingError: when there is no such folder here.
        """
        if self.vectors is not None and not Path(self.vectors).is_dir():
            raise SettingError(f"additional_config[{KEY!r}]: there is no folder {self.vectors!r} of vectors")
        return Path(self.vectors) if self.vectors is not None else None


def plugin_settings(additional_config: object) -> PluginSettings | None:
    """The plugin's part of vLLM's `additional_config`; None where it is not asked for.

    Raises:
        SettingError: for a setting that does not exist or has an impossible value.
    """
    if not isinstance(additional_config, Mapping) or KEY not in additional_config:
        return None
    given = additional_config[KEY]
    names = [f.name for f in fields(PluginSettings)]
    if not isinstance(given, Mapping) or (unknown := [name for name in given if name not in names]):
        wrong = f"unknown setting {unknown[0]!r}" if isinstance(given, Mapping) else f"{given!r} is not an object"
        raise SettingError(f"additional_config[{KEY!r}]: {wrong}; the settings are rows, vectors")
    rows = given.get("rows")
    if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 1):
        raise SettingError(f"additional_config[{KEY!r}]: rows is a number from 1 on, not {rows!r}")
    vectors = given.get("vectors")
    if vectors is not None and not (isinstance(vectors, str) and vectors):
        raise SettingError(f"additional_config[{KEY!r}]: vectors names a folder, and {vectors!r} is no name")
    return PluginSettings(rows, vectors, given.get("reads") is True, str(given.get("code", "")))


def asked_for(rows: int | None = None) -> dict[str, Any]:
    """`additional_config` for an engine in this process that steers and reads."""
    given = {} if rows is None else {"rows": rows}
    return {KEY: {**given, "reads": True, "code": code_hash()}}


def code_hash() -> str:
    """Hash of the files that are traced into the model."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for name in TRACED:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]
