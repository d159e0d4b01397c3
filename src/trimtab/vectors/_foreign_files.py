"""Vector files of other programs: recognized by their first bytes and their name, never unpickled."""

from __future__ import annotations

from pathlib import Path

_IMPORTED = "`trimtab vectors import` makes a file of trimtab of those that hold vectors"
_NOT_READ = "trimtab does not read those"
_PICKLED = f"a pickle file, as those of PyTorch begin, too; {_IMPORTED} and need no code to be run"

_MAGIC = (
    (b"GGUF", f"a GGUF file, as llama.cpp's control vectors and models are; {_IMPORTED}"),
    (b"PK\x03\x04", f"a zip archive, as PyTorch (.pt, .pth, .bin) and NumPy (.npz) files are; {_IMPORTED}"),
    (b"\x93NUMPY", f"a NumPy array (.npy); {_IMPORTED}"),
    (b"\x80\x02", _PICKLED),
    (b"\x80\x03", _PICKLED),
    (b"\x80\x04", _PICKLED),
    (b"\x80\x05", _PICKLED),
    (b"\x89HDF", f"an HDF5 file; {_NOT_READ}"),
    (b"PAR1", f"a Parquet table; {_NOT_READ}"),
    (b"\x1f\x8b", "a compressed file; unpack it first"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`"),
    (b"<!DOCTYPE", "a web page, not a download of the file itself"),
    (b"<html", "a web page, not a download of the file itself"),
)
_BY_NAME = {
    ".json": f"a JSON file; {_IMPORTED}",
    ".jsonl": "a JSONL file, as pairs are; `trimtab extract` makes a vector from pairs",
    ".csv": f"a table; {_NOT_READ}",
    ".yaml": "a YAML file, as studies are, and no vector",
    ".yml": "a YAML file, as studies are, and no vector",
}


def foreign_file(path: Path, start: bytes) -> str:
    """What another program's file seems to be, and what can be done; "" if it may be a safetensors file.

    Args:
        path: of the file.
        start: its first 32 bytes.
    """
    # Safetensors begin with the length of their header and its opening brace; a length may look like any other start.
    if start[8:9] == b"{" and start[:4] != b"GGUF":
        return ""
    for magic, description in _MAGIC:
        if start.startswith(magic):
            return f"this is {description}"
    if not start:
        return "the file is empty, and so not a readable safetensors file"
    if description := _BY_NAME.get(path.suffix.lower(), ""):
        return f"this seems to be {description}"
    return ""


def foreign_tensors(names: list[str]) -> str:
    """What another program's safetensors file seems to be, by the names of its tensors."""
    listed = ", ".join(sorted(names)[:5]) + (", …" if len(names) > 5 else "") or "none"
    seems = f"a safetensors file of another program (its tensors: {listed}); {_IMPORTED}"
    if any(name.endswith((".weight", ".bias")) for name in names):
        seems = f"a model's weights, or an adapter's, as safetensors (its tensors: {listed}), and no vector"
    return f"this is {seems}"
