"""What vector files are made of, read within limits and without running anything that is in them."""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from trimtab.errors import VectorError
from trimtab.inputs.bounded_files import MIB, FileKind, Unusable, open_bounded, read_bytes
from trimtab.inputs.json_text import read_json
from trimtab.models.gguf.header import read_gguf_header
from trimtab.vectors._foreign_files import foreign_file
from trimtab.vectors.formats._stand_ins import STAND_INS
from trimtab.vectors.formats.base import VectorFile
from trimtab.vectors.tensor_file import MAX_FILE_BYTES, read_header

VECTOR_FILE = FileKind("vector file", MAX_FILE_BYTES, VectorError)
_TABLE = FileKind("file of tensors", 64 * 1024 * MIB, VectorError)
"""Safetensors of a sparse autoencoder, of which one row is read."""
_JSON = FileKind("JSON file", 64 * MIB, VectorError)
_MAX_PICKLE_BYTES = 16 * MIB
_MAX_ZIP_ENTRIES = 10_000
_MAX_FOLDER_FILES = 10_000
_F32, _F16, _BF16 = 0, 1, 30
"""Number formats of GGUF."""
_LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
_TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".pkl")


def open_vector_file(path: Path) -> VectorFile:
    """What a file is made of, by its first bytes, with its content; of a folder the names in it.

    Raises:
        VectorError: when it is damaged, too large, or of no kind that vectors come in.
    """
    # Weights of an autoencoder are too large to be read whole, and nothing without the file beside them.
    if os.path.isdir(path) or path.name == "sae_weights.safetensors":
        return _folder(path if os.path.isdir(path) else path.parent)
    start = _start(path)
    if start.startswith(b"GGUF"):
        return _gguf(path)
    if start.startswith(b"\x93NUMPY"):
        return VectorFile(path, "numpy", _numpy(path), sha256=sha256_of(path))
    if start.startswith((b"PK\x03\x04", _LEGACY_TORCH)):
        return VectorFile(path, "torch", load_torch(path), sha256=sha256_of(path))
    # Safetensors begin with a length in 8 bytes, of which a text has no zeros.
    if start.lstrip()[:1] == b"{" and b"\0" not in start[:8]:
        return VectorFile(path, "json", read_json(path, _JSON), sha256=sha256_of(path))
    if start[8:9] == b"{":
        return open_safetensors(path)
    if start.startswith(b"\x80") or (path.suffix in _TORCH_SUFFIXES and start):
        raise VectorError(f"{path}: {_PICKLE}")
    reason = foreign_file(path, start) or "neither GGUF, PyTorch, NumPy, safetensors nor a JSON object"
    raise VectorError(f"{path}: no file that vectors come in: {reason}")


def sha256_of(path: Path) -> str:
    """Of a file, read piece by piece."""
    digest = hashlib.sha256()
    try:
        with open_bounded(path, _TABLE) as file:
            while piece := file.read(MIB):
                digest.update(piece)
    except Unusable as reason:
        raise _TABLE.fault(path, str(reason)) from None
    return digest.hexdigest()


def number_tensor(value: Any) -> Tensor | None:
    """A tensor or list of floating-point numbers as float32 of its own; None for anything else, and for none.

    A view may claim more elements than memory has: one that does is None, too.
    """
    if (isinstance(value, Tensor) and type(value) is Tensor) or isinstance(value, torch.nn.Parameter):
        usual = value.layout == torch.strided and value.is_floating_point() and not value.is_meta
        if usual and 0 < value.numel() * 4 <= MAX_FILE_BYTES:
            return value.detach().to(torch.float32).clone(memory_format=torch.contiguous_format)
        return None
    if isinstance(value, list) and value and all(isinstance(x, int | float) and not isinstance(x, bool) for x in value):
        try:
            return torch.tensor([float(x) for x in value], dtype=torch.float32)
        except OverflowError:
            return None
    return None


def load_torch(path: Path) -> Any:
    """What `torch.save` wrote, if it is made of tensors and plain values; nothing in it is run.

    Raises:
        VectorError: when it is damaged, too large, or holds objects of other kinds.
    """
    zipped = _start(path).startswith(b"PK\x03\x04")
    if zipped:
        _require_plain_archive(path)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(STAND_INS)):
            warnings.simplefilter("ignore")
            # Mapped, a tensor that claims more than the file holds is refused; read, it would be taken from beyond it.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True if zipped else None)
    except Exception as error:  # torch raises whatever it likes for what a damaged or hostile file says
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        if "Unsupported global" in str(error) or "weights_only" in str(error).lower() or "unsupported" in str(error):
            raise VectorError(f"{path}: {_PICKLE} ({_first_global(str(error))})") from None
        raise VectorError(f"{path}: no readable PyTorch file ({reason})") from None


_PICKLE = (
    "holds Python objects, not only tensors, and loading those can run any program, so trimtab does not. Where you "
    "trust it, in the environment that wrote it:\n"
    "  import torch; v = torch.load(FILE, weights_only=False)  # or pickle.load\n"
    "  assert getattr(v, 'layer_type', 'decoder_block') == 'decoder_block'\n"
    "  torch.save({int(n): torch.as_tensor(x) for n, x in getattr(v, 'layer_activations', v).items()}, 'plain.pt')\n"
    "and import plain.pt"
)


def _first_global(text: str) -> str:
    _, found, rest = text.partition("GLOBAL ")
    return f"it names {rest.split()[0]}" if found and rest.split() else text.splitlines()[0][:120]


def _start(path: Path) -> bytes:
    try:
        with open_bounded(path, _TABLE) as file:
            return file.read(64)
    except Unusable as reason:
        raise VECTOR_FILE.fault(path, str(reason)) from None
    except OSError as error:
        raise VECTOR_FILE.fault(path, f"cannot be read ({error.strerror or error})") from None


def _require_plain_archive(path: Path) -> None:
    """Refuse archives that are no files of `torch.save`, which compresses nothing, or that would unpack to more."""
    try:
        with open_bounded(path, VECTOR_FILE) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except Unusable as reason:
        raise VECTOR_FILE.fault(path, str(reason)) from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise VECTOR_FILE.fault(path, f"no readable PyTorch file ({error})") from None
    if any(entry.filename.endswith(".npy") for entry in entries):
        raise VECTOR_FILE.fault(path, "an archive of NumPy arrays (.npz); save the array alone with numpy.save")
    pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
    if len(pickles) != 1 or len(entries) > _MAX_ZIP_ENTRIES:
        raise VECTOR_FILE.fault(path, "a zip archive that torch.save did not write; unpack it first")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise VECTOR_FILE.fault(path, "a compressed archive, which torch.save does not write; it is not unpacked")
    if pickles[0].file_size > _MAX_PICKLE_BYTES or sum(entry.file_size for entry in entries) > MAX_FILE_BYTES:
        raise VECTOR_FILE.fault(path, "claims to hold more than a vector file may")


def _numpy(path: Path) -> Tensor:
    try:
        # Mapped, an array that claims more than the file holds is refused before memory is taken for it.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.nbytes > MAX_FILE_BYTES:
            raise ValueError("more than a vector file may hold")
        if not np.issubdtype(array.dtype, np.floating):
            raise ValueError(f"an array of {array.dtype}, not of floating-point numbers")
        return torch.from_numpy(np.array(array, dtype=np.float32))
    except Exception as error:  # numpy parses the header as Python literals, and raises what that raises
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise VectorError(f"{path}: no array that can be read ({reason})") from None


def _gguf(path: Path) -> VectorFile:
    header = read_gguf_header(path, VECTOR_FILE)
    if (kind := header.entries.get("general.architecture")) != "controlvector":
        raise VectorError(f"{path}: a GGUF file of a model ({kind!s:.40}), not a control vector")
    content, found = read_bytes(path, VECTOR_FILE), {}
    for name, dims in header.tensors.items():
        kind, start = header.places[name]
        if kind != _F32 or len(dims) != 1:
            raise VectorError(f"{path}: {name[:80]} is no vector of F32 (number format {kind}, shape {list(dims)})")
        found[name] = torch.frombuffer(bytearray(content[start : start + 4 * math.prod(dims)]), dtype=torch.float32)
    return VectorFile(path, "gguf", found, header.entries, hashlib.sha256(content).hexdigest())


def open_safetensors(path: Path) -> VectorFile:
    """A safetensors file with its tensors.

    Raises:
        VectorError: when it is damaged, too large, or none.
    """
    texts, described = read_header(path, VECTOR_FILE)
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: number_tensor(file.get_tensor(name)) for name in described}
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise VectorError(f"{path}: no readable safetensors file ({str(error)[:200]})") from None
    return VectorFile(path, "safetensors", found, texts, sha256_of(path))


def safetensors_row(path: Path, name: str, row: int) -> tuple[Tensor, tuple[int, ...]]:
    """One row of a matrix in a safetensors file of any size, and the matrix's shape.

    Raises:
        VectorError: when there is no such matrix.
        IndexError: when there is no such row.
    """
    _, described = read_header(path, _TABLE)
    if name not in described or len(described[name][1]) != 2:
        raise VectorError(f"{path}: has no matrix {name}; its tensors: {', '.join(sorted(described)[:8])}")
    shape = tuple(described[name][1])
    if not 0 <= row < shape[0]:
        raise IndexError(shape[0])
    try:
        with safe_open(path, framework="pt") as file:
            found = number_tensor(file.get_slice(name)[row : row + 1][0])
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise VectorError(f"{path}: no readable safetensors file ({str(error)[:200]})") from None
    if found is None:
        raise VectorError(f"{path}: {name} is not of floating-point numbers")
    return found, shape


def json_beside(path: Path) -> Any:
    """A JSON file that belongs to another one.

    Raises:
        VectorError: when it cannot be read.
    """
    return read_json(path, _JSON)


def _folder(path: Path) -> VectorFile:
    try:
        files: Mapping[str, Path] = {one.name: one for one in sorted(path.iterdir()) if one.is_file()}
    except OSError as error:
        raise VectorError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not files or len(files) > _MAX_FOLDER_FILES:
        raise VectorError(f"{path}: a folder {'without files' if not files else 'of too many files to look at'}")
    return VectorFile(path, "folder", files)


def as_json(value: Any) -> str:
    """A value for a message, short."""
    return json.dumps(value, default=str)[:120]
