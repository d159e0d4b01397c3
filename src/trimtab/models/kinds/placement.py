"""Where the weights of a model are: on one device, or layer by layer on several, on the CPU and on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

SPREAD = ("balanced", "balanced_low_0", "sequential")
"""Devices that are several: how transformers spreads layers over all GPUs, and what they do not hold over the CPU."""


def input_device(model: Any) -> torch.device:
    """Where token ids go: the device that the embeddings are on when they run."""
    embeddings = model.get_input_embeddings()
    device: torch.device = embeddings.weight.device
    if device.type != "meta":
        return device
    return execution_device(embeddings) or device


def execution_device(module: Any) -> torch.device | None:
    """Where accelerate brings the weights of a module to for each pass; None where it does not."""
    for hook in _hooks_of(module):
        if (execution := getattr(hook, "execution_device", None)) is not None:
            return torch.device(execution)
    return None


def held(model: nn.Module, name: str, tensor: Tensor) -> Tensor:
    """The values of a weight: the tensor itself, or where accelerate keeps those that are brought in for each pass.

    Of one that several processes have in parts, all of it: each of them has to ask.
    """
    if (gather := getattr(tensor, "full_tensor", None)) is not None:
        whole: Tensor = gather()
        return whole
    if tensor.device.type != "meta":
        return tensor
    owner, _, own = name.rpartition(".")
    for hook in _hooks_of(model.get_submodule(owner)):
        if (weights := getattr(hook, "weights_map", None)) is not None:
            found: Tensor = weights[own]
            return found
    return tensor


def is_divided(model: nn.Module) -> bool:
    """Whether this process has parts of weights, of which others have the rest."""
    return any(hasattr(parameter, "full_tensor") for parameter in model.parameters())


def place_in_words(model: nn.Module, devices: tuple[torch.device, ...]) -> str:
    """Where a model computes, and whether its weights are brought there for each pass or are in other processes too."""
    named = ", ".join(map(str, dict.fromkeys(devices)))
    if any(parameter.device.type == "meta" for parameter in model.parameters()):
        return f"{named} (offloaded)"
    return f"{named} (divided)" if is_divided(model) else named


def _hooks_of(module: nn.Module) -> Iterator[Any]:
    """The hooks of accelerate on a module, each of a sequence of them."""
    hook = getattr(module, "_hf_hook", None)
    if hook is not None:
        yield from getattr(hook, "hooks", (hook,))
