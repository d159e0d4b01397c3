"""Safetensors files of our own: tensors with a checksum and a header, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from trimtab.errors import VectorError

Made = TypeVar("Made")


def write_tensors(
    path: str | Path, kind: str, layout: str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]
) -> Path:
    """Write tensors and a header.

    Args:
        path: of the file; folders are made.
        kind: what it is, for messages.
        layout: name and number of the format.
        tensors: by name.
        header: by name, each anything that JSON holds.

    Raises:
        VectorError: when the folder is missing or not writable.
    """
    path = Path(path)
    held = {name: tensor.contiguous() for name, tensor in tensors.items()}
    texts = {name: json.dumps(value) for name, value in header.items()}
    content = save(held, metadata={"format": layout, "checksum": _checksum(held), **texts})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise VectorError(f"{path}: cannot write the {kind} file: {error.strerror or error}") from error
    return path


def read_tensors(
    path: str | Path, kind: str, layout: str, names: Collection[str]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file that `write_tensors` wrote: its tensors, and its header as text.

    Raises:
        VectorError: when the file is missing, truncated, changed since, or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise VectorError(f"{path}: no such {kind} file")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            # Copied: what is mapped would change, or end the process, when somebody writes into the file.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise VectorError(f"{path}: not a readable safetensors file ({error}); make the {kind} again") from None
    if header.get("format") != layout or set(tensors) != set(names):
        raise VectorError(f"{path}: a safetensors file, but not a {kind} file written by trimtab")
    if header.get("checksum") != _checksum(tensors):
        raise VectorError(f"{path}: the tensors do not match their checksum; the file was changed or damaged")
    return tensors, header


def parsed(path: str | Path, text: str, build: Callable[[dict[str, Any]], Made]) -> Made:
    """What a part of the header says: a JSON object, its lists as tuples, made into a value by `build`.

    Raises:
        VectorError: when it cannot be read.
    """
    try:
        return build({key: _tuples(value) for key, value in json.loads(text).items()})
    except (ValueError, TypeError, AttributeError) as error:
        raise VectorError(f"{path}: the file's provenance cannot be read ({error})") from None


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    return tuple(_tuples(inner) for inner in value) if isinstance(value, list) else value


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous().cpu()
        digest.update(f"{name}{list(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
