"""Safetensors files read tensor by tensor with plain reads: a file that shrinks is an error, and nothing is mapped.

A mapped file counts as the process's memory while it is mapped, and a mapping of a file that another process cuts off
ends this process without a word.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trimtab.errors import ModelError
from trimtab.inputs.bounded_files import FileKind, Unusable, open_bounded
from trimtab.inputs.json_text import parse_json
from trimtab.models.streaming._read_buffers import ReadBuffers

_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "I64": torch.int64, "I32": torch.int32,
    "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_FILE = FileKind("file of weights", 2**50, ModelError)
_ADVICE = "A streamed model is read from its files all the time: put the file back, or get it again, and start again"
_MAX_HEADER_BYTES = 100 * 2**20
"""The format's own bound."""


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor is in a file."""

    file: TensorFile
    name: str
    shape: torch.Size
    dtype: torch.dtype
    start: int
    """Its first byte in the file."""
    bytes: int

    def read(self, descriptor: int, buffers: ReadBuffers | None = None) -> Tensor:
        """The tensor from the open file, in memory of its own or in a buffer.

        Raises:
            ModelError: When the file ends before the tensor does, or cannot be read.
        """
        raw = torch.empty(self.bytes, dtype=torch.uint8) if buffers is None else buffers.take(self.bytes)
        view, done = memoryview(raw.numpy().data), 0
        while done < self.bytes:
            read = os.preadv(descriptor, [view[done:]], self.start + done)
            if not read:
                raise self.file.fault(f"ends within {self.name}")
            done += read
        return raw.view(self.dtype).view(self.shape)


class TensorFile:
    """A safetensors file, as it was when it was first looked at."""

    def __init__(self, path: Path):
        """Read the file's header.

        Raises:
            ModelError: When it cannot be read, or is not a safetensors file.
        """
        self.path = path
        with self._open() as descriptor:
            self._state = _state(descriptor)
            self.tensors = self._parse(descriptor)

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The file's descriptor, for `StoredTensor.read`; what was read counts only when the context ends.

        Raises:
            ModelError: When the file is gone, cannot be read, or changed since it was first looked at.
        """
        with self._open() as descriptor:
            self._require_unchanged(descriptor)
            yield descriptor
            self._require_unchanged(descriptor)

    def fault(self, problem: str) -> ModelError:
        """What to raise about this file."""
        return ModelError(f"{self.path}: the file of weights {problem}. {_ADVICE}")

    def _require_unchanged(self, descriptor: int) -> None:
        if _state(descriptor) != self._state:
            raise self.fault("was changed since the model was loaded, so layers of two models would be mixed")

    @contextmanager
    def _open(self) -> Iterator[int]:
        try:
            with open_bounded(self.path, _FILE) as file:
                yield file.fileno()
        except Unusable as reason:
            raise self.fault(f"cannot be read: {reason}") from None
        except OSError as error:
            raise self.fault(f"cannot be read: {error.strerror or error}; check the disk that it is on") from None

    def _parse(self, descriptor: int) -> dict[str, StoredTensor]:
        """Every tensor's place, from the header: 8 bytes of its length, and JSON."""
        size = os.fstat(descriptor).st_size
        length = int.from_bytes(os.pread(descriptor, 8, 0), "little")
        if not 2 <= length <= min(_MAX_HEADER_BYTES, size - 8):
            raise self.fault("is not a whole safetensors file: its header is longer than the file")
        try:
            header = parse_json(os.pread(descriptor, length, 8).decode())
            header.pop("__metadata__", None)
            tensors = {name: self._stored(name, entry, 8 + length) for name, entry in header.items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self.fault(f"is not a safetensors file: {error}") from None
        for tensor in tensors.values():
            if tensor.start + tensor.bytes > size:
                raise self.fault(f"is cut off: it has {size:,} bytes and {tensor.name} goes past its end")
        return tensors

    def _stored(self, name: str, entry: dict[str, Any], begin: int) -> StoredTensor:
        start, end = entry["data_offsets"]
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"{name} has the number format {entry['dtype']}, which is not read here")
        dtype, shape = _DTYPES[entry["dtype"]], torch.Size(entry["shape"])
        if start < 0 or end - start != shape.numel() * dtype.itemsize:
            raise ValueError(f"{name} has {end - start:,} bytes, not those of {list(shape)}")
        return StoredTensor(self, name, shape, dtype, begin + start, end - start)


def _state(descriptor: int) -> tuple[int, int, int]:
    """What changes when a file does: which one it is, its size and the time of its last change."""
    found = os.fstat(descriptor)
    return found.st_ino, found.st_size, found.st_mtime_ns
