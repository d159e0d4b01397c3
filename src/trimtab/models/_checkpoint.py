"""What a model is, read from its files alone: for engines that hold the weights elsewhere."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from trimtab.models._folder_files import read_weight_map
from trimtab.models.fingerprint import fingerprint_of, sampled, step_of, weights_of

_FUSED = re.compile(r"(?P<experts>.*\.experts)\.(?P<kind>gate_up_proj|down_proj)")


def checkpoint_fingerprint(folder: Path, model: Any) -> str:
    """The fingerprint that loading the files with transformers would give, without loading them.

    Args:
        folder: holds `model.safetensors`, or its parts and their index.
        model: the transformers model, for its configuration and the names and shapes of its weights; it may be on the
            meta device.

    Returns:
        "" where the files' tensors are not the model's: quantized weights, or experts laid out in a way not known here.
    """
    with ExitStack() as stack:
        files = _tensors(folder, stack)
        parts = []
        for name, parameter in weights_of(model):
            part = _sample(name, parameter, files)
            if part is None:
                return ""
            parts.append(part)
    return fingerprint_of(model.config, parts)


def _tensors(folder: Path, stack: ExitStack) -> dict[str, Any]:
    """Every tensor's name and the open file that has it; their pages are read when they are touched."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        where = read_weight_map(index)
        opened = {
            part: stack.enter_context(safe_open(folder / part, framework="pt")) for part in sorted(set(where.values()))
        }
        return {name: opened[part] for name, part in where.items()}
    single = folder / "model.safetensors"
    if not single.is_file():
        return {}
    file = stack.enter_context(safe_open(single, framework="pt"))
    return dict.fromkeys(file.keys(), file)


def _sample(name: str, parameter: Tensor, files: dict[str, Any]) -> Tensor | None:
    """The sampled values of a parameter; None where the files do not have it as it is."""
    if name in files:
        tensor: Tensor = files[name].get_tensor(name)
        fits = tensor.shape == parameter.shape and tensor.is_floating_point() and tensor.element_size() > 1
        return sampled(tensor) if fits else None
    fused = _FUSED.fullmatch(name)
    if fused is None or parameter.dim() != 3:
        return None
    return _sample_experts(fused["experts"], fused["kind"], parameter, files)


def _sample_experts(experts: str, kind: str, parameter: Tensor, files: dict[str, Any]) -> Tensor | None:
    """Values of a parameter that holds all experts, [experts, out, in], where the files have one tensor an expert."""
    halves = ("gate_proj", "up_proj") if kind == "gate_up_proj" else ("down_proj",)
    names = [[f"{experts}.{e}.{half}.weight" for half in halves] for e in range(parameter.shape[0])]
    if any(name not in files for own in names for name in own):
        return None
    places = torch.arange(0, parameter.numel(), step_of(parameter))
    size = parameter[0].numel() // len(halves)
    values = []
    for number, name in enumerate(name for own in names for name in own):
        mine = places[(places >= number * size) & (places < (number + 1) * size)] - number * size
        if len(mine):
            values.append(files[name].get_tensor(name).flatten()[mine])  # mapped: only these pages are read
    return torch.cat(values)
