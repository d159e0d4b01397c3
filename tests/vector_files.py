"""Files of vectors as other tools write them, by their documented layout, and what trimtab must read from each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFWriter
from safetensors.torch import save_file
from torch import Tensor

LAYERS, WIDTH = 4, 48
"""Of the tiny models."""


def truth(seed: int = 0) -> Tensor:
    """One direction for each layer, [LAYERS, WIDTH]."""
    return torch.randn(LAYERS, WIDTH, generator=torch.Generator().manual_seed(seed))


def control_vector(path: Path, rows: Mapping[int, Tensor], hint: str = "llama", **texts: str) -> Path:
    """A GGUF file with `direction.N` as llama.cpp takes it; further keys with `__` for a dot."""
    writer = GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", hint)
    writer.add_uint32("controlvector.layer_count", len(rows))
    for name, text in texts.items():
        writer.add_string(name.replace("__", "."), text)
    for number, row in rows.items():
        writer.add_tensor(f"direction.{number}", row.numpy().astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@dataclass(frozen=True)
class Layout:
    """How a tool writes its directions, and what becomes of them."""

    write: Callable[[Path], Path]
    """Writes a file, or a folder, into a folder; returns what is read."""
    rows: Mapping[int, Tensor]
    """Layer of trimtab → direction that must be read."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of `SteeringVector.read`."""
    says: str = ""
    """What the layer map or a note must name."""
    whole: bool = False
    """Whether the file says how many layers there are."""
    behavior: str = ""


def _saved(name: str, content: Any, **beside: Any) -> Callable[[Path], Path]:
    """A file of `torch.save`, with JSON files beside it."""

    def write(folder: Path) -> Path:
        torch.save(content, folder / name)
        for other, value in beside.items():
            (folder / f"{other}.json").write_text(json.dumps(value), encoding="utf-8")
        return folder / name

    return write


def _tensors(name: str, tensors: dict[str, Tensor], **texts: str) -> Callable[[Path], Path]:
    """A safetensors file."""

    def write(folder: Path) -> Path:
        save_file(tensors, folder / name, metadata=texts)
        return folder / name

    return write


def _numpy(folder: Path) -> Path:
    np.save(folder / "v.npy", T.numpy().astype(np.float16))
    return folder / "v.npy"


def _caa_folder(folder: Path) -> Path:
    place = folder / "caa"
    place.mkdir()
    for layer in (1, 3):
        torch.save(T[layer], place / f"vec_layer_{layer}_Llama-2-7b-chat-hf.pt")
    return place


T = truth()
EVERY = dict(enumerate(T))
_HIDDEN_STATES = torch.cat([torch.full((1, WIDTH), 9.0), T[:-1], torch.full((1, WIDTH), 7.0)])
"""Embeddings, the output of each block, the last one behind the final norm."""

LAYOUTS: dict[str, Layout] = {
    "repeng": Layout(
        lambda folder: control_vector(folder / "v.gguf", {n: T[n] for n in (1, 2, 3)}),
        {1: T[1], 2: T[2]},
        {"made_by": "repeng"},
        "final norm",
    ),
    "saklas": Layout(
        lambda folder: control_vector(folder / "v.gguf", {n: T[n] for n in (1, 2, 3)}),
        {n: T[n] for n in (1, 2, 3)},
        {"made_by": "saklas"},
        "direction.N is the output of block N",
    ),
    "llama.cpp": Layout(
        lambda folder: control_vector(folder / "v.gguf", {n + 1: T[n] for n in (0, 1, 2)}),
        {n: T[n] for n in (0, 1, 2)},
        {"made_by": "llama.cpp"},
        "block N−1",
    ),
    "jukofyork": Layout(
        lambda folder: control_vector(
            folder / "v.gguf", {1: T[0], **{n + 1: T[n] - T[n - 1] for n in (1, 2)}}
        ),
        {n: T[n] for n in (0, 1, 2)},
        {"made_by": "jukofyork"},
        "sum",
    ),
    "trimtab-gguf": Layout(
        lambda folder: control_vector(
            folder / "v.gguf", {n: T[n] for n in (1, 3)}, trimtab__site="resid_post", trimtab__behavior="kind"
        ),
        {n: T[n] for n in (1, 3)},
        says="output of block N",
        behavior="kind",
    ),
    "persona_vectors": Layout(
        _saved("evil_response_avg_diff.pt", _HIDDEN_STATES),
        {n: T[n] for n in (0, 1, 2)},
        says="row 0 is left out: the embeddings",
        whole=True,
        behavior="evil",
    ),
    "caa": Layout(_saved("vec_layer_2_Llama-2-7b-hf.pt", T[2]), {2: T[2]}, says="file's name"),
    "caa, a folder": Layout(_caa_folder, {n: T[n] for n in (1, 3)}, says="file's name", behavior="caa"),
    "bipo": Layout(_saved("vec_ep20_layer1.pt", torch.nn.Parameter(T[1])), {1: T[1]}, says="file's name"),
    "tensor": Layout(_saved("v.pt", T.bfloat16()), dict(enumerate(T.bfloat16().float())), {"made_by": "tensor"},
                     "row N is the output of block N", whole=True),
    "tensor, one direction": Layout(_saved("v.pt", T[2]), {2: T[2]}, {"layer": 2}, "as it was given"),
    "tensor, a list of numbers": Layout(_saved("v.pt", T[2].tolist()), {2: T[2]}, {"layer": 2}, "as it was given"),
    "tensor, numpy": Layout(_numpy, dict(enumerate(T.half().float())), {"made_by": "tensor"}, whole=True),
    "tensor, safetensors": Layout(_tensors("v.safetensors", {"refusal": T}), EVERY, {"made_by": "tensor"}, whole=True),
    "layers": Layout(_saved("v.pt", {1: T[1], 3: T[3].double()}), {1: T[1], 3: T[3]}, says="layer N of the file"),
    "layers, safetensors": Layout(
        _tensors("v.safetensors", {"layers.0": T[0], "layers.2": T[2]}), {0: T[0], 2: T[2]}, says="layer N of the file"
    ),
}  # fmt: skip
"""A format's name, or that and which of its layouts, → how it is written."""
