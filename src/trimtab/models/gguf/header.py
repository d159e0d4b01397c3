"""The header of a GGUF file, read within limits before anything is built from what it claims.

The readers of `gguf` and transformers believe it: a claim of a million blocks, or of an array with 2⁶⁰ entries, keeps
them busy until the memory is full.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trimtab.errors import ModelError
from trimtab.inputs.bounded_files import FileKind, Unusable, open_bounded

_GGUF = FileKind("GGUF file", 2**50, ModelError)
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MAX_ENTRIES = 10_000
_MAX_TENSORS = 1_000_000
_MAX_NAME = 2**16
_MAX_TEXT = 2**24
_MAX_ARRAY = 10_000_000
_BLOCK = re.compile(r"blk\.(\d{1,9})\.")
_TIMES_WIDTH = 64
"""Nothing in a layer of a real model is that many times as wide as its residual stream."""


@dataclass
class GgufHeader:
    """What the header says, as far as it shapes a model or a vector."""

    entries: dict[str, Any] = field(default_factory=dict)
    """Numbers and texts; of arrays their length."""
    tensors: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The dimensions of each."""
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Number format (a `GGMLQuantizationType`) of each tensor, and where its data begins in the file."""


def check_gguf(path: Path) -> None:
    """Refuse a GGUF file that is damaged, cut off, or claims more than its tensors hold.

    Raises:
        ModelError: with what is wrong.
    """
    header = read_gguf_header(path, _GGUF)
    try:
        _require_sound(header)
    except Unusable as reason:
        raise _GGUF.fault(path, str(reason)) from None


def read_gguf_header(path: Path, kind: FileKind) -> GgufHeader:
    """The header of a GGUF file whose tensors all end within the file.

    Raises:
        TrimtabError: that of the kind, with what is wrong.
    """
    try:
        with open_bounded(path, kind) as file:
            if file.read(4) != b"GGUF":
                raise Unusable("not a GGUF file (it does not begin with the letters GGUF)")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _Reader(content).header()
    except Unusable as reason:
        raise kind.fault(path, str(reason)) from None
    except (OSError, ValueError, struct.error, IndexError) as error:
        raise kind.fault(path, f"a damaged GGUF file ({error})") from None


def _require_sound(header: GgufHeader) -> None:
    architecture = header.entries.get("general.architecture")
    if not isinstance(architecture, str):
        raise Unusable("a GGUF file that does not say of which architecture its model is")
    blocks = {int(found[1]) for name in header.tensors if (found := _BLOCK.match(name))}
    claimed = header.entries.get(f"{architecture}.block_count")
    if not blocks or not isinstance(claimed, int) or claimed > len(blocks):
        raise Unusable(f"claims {claimed if claimed is not None else 'no number of'} blocks and holds {len(blocks)}")
    width = header.entries.get(f"{architecture}.embedding_length")
    embeddings = header.tensors.get("token_embd.weight", ())
    if not isinstance(width, int) or width not in embeddings:
        raise Unusable(f"claims a width of {width}, but its token embeddings are {list(embeddings)}")
    experts = {dim for name, dims in header.tensors.items() if "_exps" in name for dim in dims}
    for key, value in header.entries.items():
        if not key.startswith(f"{architecture}.") or not isinstance(value, int):
            continue
        suffix = key.removeprefix(f"{architecture}.")
        if suffix == "expert_count" and value and value not in experts:
            raise Unusable(f"claims {value} experts, which its tensors do not have")
        if suffix == "vocab_size" and value > max(*embeddings, header.entries.get("tokenizer.ggml.tokens", 0)):
            raise Unusable(f"claims a vocabulary of {value}, but its token embeddings are {list(embeddings)}")
        if re.search(r"(?<!context)_length$|_count$|_size$|_rank$", suffix) and value > _TIMES_WIDTH * max(
            width, len(blocks), *embeddings
        ):
            raise Unusable(f"claims {key} = {value}, which cannot be at a width of {width}")


class _Reader:
    """Reads one field after the other; every length is compared with what is left of the file first."""

    def __init__(self, content: mmap.mmap):
        self._content, self._size, self._at = content, len(content), 4

    def header(self) -> GgufHeader:
        version = self._number("I")
        if version not in (2, 3):
            raise Unusable(f"of version {version} of GGUF; versions 2 and 3, in little-endian order, can be read")
        n_tensors, n_entries = self._count(_MAX_TENSORS, "tensors"), self._count(_MAX_ENTRIES, "entries")
        found = GgufHeader()
        for _ in range(n_entries):
            key = self._text(_MAX_NAME)
            if key in found.entries:
                raise Unusable(f"has the entry {key[:80]!r} twice")
            found.entries[key] = self._value(self._number("I"), 0)
        spans = [self._tensor(found) for _ in range(n_tensors)]
        alignment = found.entries.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 1 <= alignment <= 2**16:
            raise Unusable(f"has an alignment of {alignment}")
        start = math.ceil(self._at / alignment) * alignment
        for name, (kind, offset, size) in zip(found.tensors, spans, strict=True):
            if start + offset + size > self._size:
                raise Unusable(f"is cut off: the tensor {name[:80]} reaches beyond the end of the file")
            found.places[name] = (kind, start + offset)
        return found

    def _tensor(self, found: GgufHeader) -> tuple[int, int, int]:
        """Note the next tensor; its number format, where its data begins in all data, and how many bytes it has."""
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        name = self._text(_MAX_NAME)
        if name in found.tensors:
            raise Unusable(f"has the tensor {name[:80]!r} twice")
        n_dims = self._number("I")
        if not 1 <= n_dims <= 4:
            raise Unusable(f"has the tensor {name[:80]!r} with {n_dims} dimensions")
        found.tensors[name] = tuple(self._number("Q") for _ in range(n_dims))
        kind, offset = self._number("I"), self._number("Q")
        try:
            per_block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        except (ValueError, KeyError):
            raise Unusable(f"has the tensor {name[:80]!r} in a number format that is not known ({kind})") from None
        return kind, offset, math.prod(found.tensors[name]) // per_block * block_bytes

    def _value(self, kind: int, depth: int) -> Any:
        if kind == _STRING:
            return self._text(_MAX_TEXT)
        if kind != _ARRAY:
            return self._number(_NUMBERS[kind]) if kind in _NUMBERS else self._refuse_kind(kind)
        inner, count = self._number("I"), self._count(_MAX_ARRAY, "values of an array")
        if inner in _NUMBERS:
            self._skip(count * struct.calcsize(_NUMBERS[inner]))
        elif inner == _STRING:
            for _ in range(count):
                self._skip(self._number("Q"))
        elif inner == _ARRAY and depth == 0 and count <= _MAX_ENTRIES:
            for _ in range(count):
                self._value(inner, depth + 1)
        else:
            self._refuse_kind(inner)
        return count

    def _refuse_kind(self, kind: int) -> None:
        raise Unusable(f"holds a value of a kind that GGUF does not have ({kind})")

    def _count(self, most: int, what: str) -> int:
        count: int = self._number("Q")
        if count > min(most, self._size):
            raise Unusable(f"claims {count:,} {what}")
        return count

    def _text(self, most: int) -> str:
        length = self._number("Q")
        if length > most:
            raise Unusable(f"claims a text of {length:,} bytes")
        start: int = self._at
        self._skip(length)
        return self._content[start : self._at].decode("utf-8", "replace")

    def _number(self, code: str) -> Any:
        start = self._at
        self._skip(struct.calcsize(f"<{code}"))
        return struct.unpack_from(f"<{code}", self._content, start)[0]

    def _skip(self, length: int) -> None:
        if length > self._size - self._at:
            raise Unusable("is cut off in its header")
        self._at += length
