"""A vector file of another program is told what it seems to be, and is never unpickled."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from trimtab.errors import VectorError
from trimtab.monitors import Monitor
from trimtab.vectors import SteeringVector


class Bomb:
    """What a hostile pickle is: it leaves a file behind where it is loaded."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def made(name: str, path: Path, mark: Path) -> None:
    """A file as another program writes it."""
    tensor = torch.ones(4, 8)
    if name == "pickled vector.pt":
        torch.save({"direction": tensor, "bomb": Bomb(mark)}, path)
    elif name == "old vector.pt":
        torch.save(tensor, path, _use_new_zipfile_serialization=False)
    elif name == "vector.pkl":
        path.write_bytes(pickle.dumps(Bomb(mark)))
    elif name == "vector.npy":
        np.save(path, tensor.numpy())
    elif name == "vector.npz":
        np.savez(path, direction=tensor.numpy())
    elif name == "adapter.safetensors":
        save_file({"layers.0.lora_A.weight": tensor}, path)
    elif name == "other.safetensors":
        save_file({"refusal": tensor}, path)
    else:
        path.write_bytes(CONTENT[name])


CONTENT = {
    "vector.gguf": b"GGUF\x03\0\0\0" + bytes(24),
    "vector.json": b'{"direction": [1, 2]}',
    "pairs.jsonl": b'{"prompt": "Q"}\n',
    "vector.csv": b"layer,value\n1,2\n",
    "study.yaml": b"behaviors: [cheerful]\n",
    "pointer.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
    "page.safetensors": b"<!DOCTYPE html><html></html>",
    "empty.safetensors": b"",
}
SEEMS = {
    "pickled vector.pt": "PyTorch", "old vector.pt": "pickle", "vector.pkl": "pickle", "vector.npy": "NumPy",
    "vector.npz": "NumPy", "vector.gguf": "GGUF", "vector.json": "JSON", "pairs.jsonl": "trimtab extract",
    "vector.csv": "table", "study.yaml": "YAML", "pointer.safetensors": "git lfs pull", "page.safetensors": "web page",
    "empty.safetensors": "empty", "adapter.safetensors": "adapter", "other.safetensors": "refusal",
}  # fmt: skip


@pytest.mark.parametrize("load", [SteeringVector.load, Monitor.load], ids=["vector", "monitor"])
@pytest.mark.parametrize(("name", "seems"), SEEMS.items(), ids=SEEMS)
def test_file_of_another_program_is_told_what_it_seems_to_be(
    tmp_path: Path, name: str, seems: str, load: object
) -> None:
    path, mark = tmp_path / name, tmp_path / "was unpickled"
    made(name, path, mark)
    with pytest.raises(VectorError) as caught:
        load(path)  # type: ignore[operator]
    told = str(caught.value)
    assert told.startswith(str(path))
    assert seems in told
    assert "make the" not in told
    assert "again" not in told
    assert not mark.exists()
