"""Safetensors files of our own: tensors with a checksum and a header, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from trimtab._util.atomic_files import write_whole
from trimtab.errors import VectorError, shortened
from trimtab.inputs.bounded_files import MIB, FileKind, Unusable, open_bounded
from trimtab.inputs.json_text import parse_json
from trimtab.vectors._foreign_files import foreign_file, foreign_tensors

Made = TypeVar("Made")

NO_OTHER_FIELDS = ConfigDict(extra="forbid")
"""Of dataclasses that are read from a header: a field that is not known could mean anything."""
MAX_FILE_BYTES = 512 * MIB
"""Several times what a vector has at 200 layers × 65,536."""
MAX_HEADER_BYTES = 16 * MIB
_DAMAGED = "if it was a {kind} file of trimtab, it is damaged: copy it once more from where it came"


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
        VectorError: when it cannot be written there.
    """
    path = Path(path)
    # Copied: safetensors refuses tensors that share memory, as rows of one tensor do.
    held = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    texts = {name: json.dumps(value) for name, value in header.items()}
    content = save(held, metadata={"format": layout, "checksum": _checksum(held), **texts})
    write_whole(path, content, what=f"the {kind} file", error=VectorError)
    return path


def read_tensors(
    path: str | Path, kind: str, layout: str, ranks: Mapping[str, int], optional: Collection[str] = ()
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file that `write_tensors` wrote: its tensors, and its header as text.

    Args:
        path: of the file.
        kind: what it is, for messages.
        layout: name and number of the format.
        ranks: dimensions of each tensor by name; all are float32.
        optional: tensors that may be missing.

    Raises:
        VectorError: when the file is missing, truncated, changed since, or something else.
    """
    path = Path(path)
    file_kind = FileKind(f"{kind} file", MAX_FILE_BYTES, VectorError)
    if foreign := _foreign(path, file_kind):
        raise VectorError(f"{path}: not a {kind} file of trimtab: {foreign}")
    header, described = read_header(path, file_kind)
    if header.get("format") != layout:
        made = header.get("format", "")
        seems = f"its format is {made}" if made.startswith("trimtab-") else foreign_tensors(list(described))
        raise VectorError(f"{path}: not a {kind} file of trimtab: {seems}")
    if not set(ranks) - set(optional) <= set(described) <= set(ranks):
        raise VectorError(f"{path}: the {kind} file lacks tensors or has others; it was changed or damaged")
    for name, (dtype, shape) in described.items():
        rank = ranks[name]
        if dtype != "F32" or len(shape) != rank:
            raise VectorError(f"{path}: {name} is {dtype} {shape}, not F32 with {rank} dimension{'s' * (rank > 1)}")
    try:
        with safe_open(path, framework="pt") as file:
            # Copied: what is mapped would change, or end the process, when somebody writes into the file.
            tensors = {name: file.get_tensor(name).clone() for name in described}
    except (SafetensorError, OSError) as error:
        raise VectorError(f"{path}: not a readable safetensors file ({error}); {_DAMAGED.format(kind=kind)}") from None
    if header.get("checksum") != _checksum(tensors):
        raise VectorError(f"{path}: the tensors do not match their checksum; the file was changed or damaged")
    return tensors, header


def _foreign(path: Path, kind: FileKind) -> str:
    """What another program's file seems to be; "" if it may be one of ours."""
    try:
        with open_bounded(path, kind) as file:
            return foreign_file(path, file.read(32))
    except Unusable as reason:
        raise kind.fault(path, str(reason)) from None
    except OSError as error:
        raise kind.fault(path, f"cannot be read ({error.strerror or error})") from None


def parsed(path: str | Path, text: str, kind: type[Made]) -> Made:
    """What a part of the header says: a JSON object as a value of some dataclass, every field of its type.

    Raises:
        VectorError: when it cannot be read, with every field that is wrong.
    """
    try:
        parse_json(text, allow_nan=True)
        return TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'all of it'}: {e['msg']}" for e in error.errors()]
        reason = "; ".join(shortened(faults, 5))
    except ValueError as error:
        reason = str(error)
    raise VectorError(f"{path}: the file's provenance cannot be read ({reason})")


def require_float32(name: str, tensor: Any) -> None:
    """Refuse what is no tensor of float32, such as a list, or integers.

    Raises:
        VectorError: with the name and what it is.
    """
    if not isinstance(tensor, Tensor) or tensor.dtype != torch.float32:
        is_ = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        raise VectorError(f"{name} is {is_}, not a float32 tensor; tensor.float() makes one of other numbers")


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Put the file's name in front of what is wrong with the tensors in it."""
    try:
        yield
    except VectorError as error:
        raise VectorError(f"{path}: {error}") from None


def read_header(path: Path, kind: FileKind) -> tuple[dict[str, str], dict[str, tuple[str, list[int]]]]:
    """Texts of a safetensors file's header, and dtype and shape of every tensor, within limits the library lacks.

    Raises:
        TrimtabError: that of the kind.
    """
    try:
        with open_bounded(path, kind) as file:
            length = int.from_bytes(file.read(8), "little")
            if length > MAX_HEADER_BYTES:
                raise Unusable(f"not a readable safetensors file (a header of {length:,} bytes)")
            content = parse_json(file.read(length).decode())
    except Unusable as reason:
        raise kind.fault(path, str(reason)) from None
    except (OSError, ValueError) as error:
        raise kind.fault(path, f"not a readable safetensors file ({error})") from None
    header = content.pop("__metadata__", {}) if isinstance(content, dict) else None
    try:
        texts = TypeAdapter(dict[str, str]).validate_python(header, strict=True)
        described = {name: (str(entry["dtype"]), list(entry["shape"])) for name, entry in content.items()}
    except (ValidationError, KeyError, TypeError):
        raise kind.fault(path, "not a readable safetensors file (its header is damaged)") from None
    return texts, described


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous().cpu()
        digest.update(f"{name}{list(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
