"""Files of vectors as other tools write them, by their documented layout, and what trimtab must read from each."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from gguf import GGUFWriter
from safetensors.torch import save_file
from torch import Tensor

from trimtab.sharing import share_vector
from trimtab.vectors import SteeringVector

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


def steering_vectors(folder: Path, site: str = "decoder_block") -> Path:
    """What `torch.save` writes of a `SteeringVector` of steering-vectors: a class of a module that is not here."""
    package, module = ModuleType("steering_vectors"), ModuleType("steering_vectors.steering_vector")
    kind: Any = dataclass(
        type("SteeringVector", (), {"__annotations__": {"layer_activations": dict, "layer_type": str}})
    )
    kind.__module__ = module.__name__
    module.SteeringVector = kind  # type: ignore[attr-defined]
    sys.modules |= {package.__name__: package, module.__name__: module}
    try:
        torch.save(kind({1: T[1], 3: T[3]}, site), folder / "v.pt")
    finally:
        del sys.modules[package.__name__], sys.modules[module.__name__]
    return folder / "v.pt"


def _json(name: str, content: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
        return folder / name

    return write


def neuronpedia(hook: str, block: int) -> dict[str, Any]:
    return {
        "modelId": "gemma-2-2b", "layerNumber": block, "hookType": hook, "vector": T[1].tolist(),
        "vectorDefaultSteerStrength": 10, "vectorLabel": "cats",
    }  # fmt: skip


def sae(folder: Path, hook: str = "blocks.2.hook_resid_post") -> Path:
    """A folder of SAELens with as many features as there are layers; feature 1."""
    place = folder / "sae"
    place.mkdir()
    save_file({"W_dec": T, "W_enc": T.T.contiguous(), "b_dec": T[0].clone()}, place / "sae_weights.safetensors")
    facts = {"d_sae": LAYERS, "metadata": {"hook_name": hook, "model_name": "gpt2-small"}}
    (place / "cfg.json").write_text(json.dumps(facts), encoding="utf-8")
    return Path(f"{place}#1")


def _sae_file(folder: Path) -> Path:
    return Path(str(sae(folder)).replace("#", "/sae_weights.safetensors#"))


def shared_folder(folder: Path) -> Path:
    """A folder of `trimtab hub push`, of a vector whose model is not known."""
    vector = SteeringVector.from_directions(EVERY, name="kind")
    whole = replace(vector, provenance=replace(vector.provenance, origin=None))
    return share_vector(whole, folder / "shared", layer=2, strength=0.5, scale="raw").folder


def _axbench(folder: Path) -> Path:
    torch.save(T, folder / "DiffMean_weight.pt")
    return folder / "DiffMean_weight.pt#2"


def lm_eval(**changes: Any) -> dict[str, Any]:
    push = {"steering_vector": T[2][None] / 2, "steering_coefficient": 2.0, "action": "add", "bias": None}
    return {"layers.2": {**push, "head_index": None, **changes}}


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
    "trimtab-hub": Layout(shared_folder, EVERY, says="layer N of the file", whole=True, behavior="kind"),
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
    "steering-vectors": Layout(steering_vectors, {1: T[1], 3: T[3]}, says="layer N of the file"),
    "assistant-axis": Layout(
        _saved("assistant_axis.pt", {"axis": T, "metadata": {"model": "x"}}), EVERY, says="row N of axis", whole=True
    ),
    "refusal_direction": Layout(
        _saved("direction.pt", T[1].double(), direction_metadata={"pos": -1, "layer": 2}),
        {1: T[1].double().float()}, says="input of block 2",
    ),
    "refusal_direction, a folder": Layout(
        lambda folder: _saved("direction.pt", T[1], direction_metadata={"pos": -1, "layer": 2})(folder).parent,
        {1: T[1]}, says="input of block 2",
    ),
    "neuronpedia": Layout(
        _json("v.json", neuronpedia("hook_resid_post", 1)), {1: T[1]}, says="its output", behavior="cats"
    ),
    "neuronpedia, resid_pre": Layout(
        _json("v.json", neuronpedia("hook_resid_pre", 2)), {1: T[1]}, says="its input", behavior="cats"
    ),
    "activation-steering": Layout(
        _json("v.svec", {"model_type": "llama", "directions": {"0": T[0].tolist(), "2": T[2].tolist()},
                         "explained_variances": {"0": 0.5, "2": 0.6}}),
        {0: T[0], 2: T[2]}, says="layer N of the file",
    ),
    "lm-eval": Layout(_saved("steer.pt", lm_eval()), {2: T[2]}, says="layers.N is the output of block N"),
    "axbench": Layout(_axbench, {3: T[2]}, {"layer": 3}, "row 2"),
    "saelens": Layout(sae, {2: T[1]}, says="row 1 of W_dec", behavior="feature 1"),
    "saelens, the file": Layout(_sae_file, {2: T[1]}, says="row 1 of W_dec", behavior="feature 1"),
    "steering-lite": Layout(
        _tensors("v.safetensors", {"layer1.v": T[1], "layer3.v": T[3]}, cfg='{"method": "mean_diff"}'),
        {1: T[1], 3: T[3]}, says="mean_diff",
    ),
}  # fmt: skip
"""A format's name, or that and which of its layouts, → how it is written."""
