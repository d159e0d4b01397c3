"""The files of a model's folder, before transformers opens them by their names."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path

from trimtab.errors import ModelError
from trimtab.inputs.bounded_files import MIB, FileKind, require_file
from trimtab.inputs.json_text import read_json

_WEIGHTS = FileKind("file of weights", 2**50, ModelError)
_SETTINGS = FileKind("file of a model's settings", 512 * MIB, ModelError)
"""Tokenizers of 262,144 tokens have 33 MB."""
_CONFIG = FileKind("model configuration", 8 * MIB, ModelError)
_INDEX = FileKind("index of weights", 64 * MIB, ModelError)
_READ = {
    "*.safetensors": _WEIGHTS,
    "*.bin": _WEIGHTS,
    "*.json": _SETTINGS,
    "*.jinja": _SETTINGS,
    "*.txt": _SETTINGS,
    "*.model": _SETTINGS,
}
MAX_LAYERS = 10_000
"""In a configuration; transformers builds as many before it looks at the weights."""


def check_folder(folder: Path) -> None:
    """Refuse a folder in which something that would be read is a pipe, a device, or no configuration.

    Raises:
        ModelError: with the file and what is wrong.
    """
    for name in sorted(os.listdir(folder)):
        kind = next((kind for pattern, kind in _READ.items() if fnmatch.fnmatch(name, pattern)), None)
        if kind is not None and not (folder / name).is_dir():
            require_file(folder / name, kind)
    config = read_json(folder / "config.json", _CONFIG, allow_nan=True)
    if not isinstance(config, dict):
        raise _CONFIG.fault(folder / "config.json", "not the configuration of a model: no JSON object")
    for part in (config, config.get("text_config")):
        layers = part.get("num_hidden_layers") if isinstance(part, dict) else None
        if isinstance(layers, int) and layers > MAX_LAYERS:
            raise _CONFIG.fault(folder / "config.json", f"claims {layers:,} layers, more than {MAX_LAYERS:,}")


def read_weight_map(index: Path) -> dict[str, str]:
    """Which file of the folder holds which tensor.

    Raises:
        ModelError: when the index cannot be read, or names a file outside of the folder.
    """
    content = read_json(index, _INDEX)
    found = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise _INDEX.fault(index, 'an index needs a "weight_map" of names to files')
    if outside := [name for name in found.values() if Path(name).name != name]:
        raise _INDEX.fault(index, f"names {outside[0]!r}, which is not in this folder")
    for name in sorted(set(found.values())):
        require_file(index.with_name(name), _WEIGHTS)
    return found
