"""Where a checkpoint has room for a bias: in the module itself, or behind a switch of its configuration."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.baking._last_writes import LastWrite
from trimtab.errors import ModelError


def with_biases(model: Any, chosen: Mapping[int, Tensor], writes: Mapping[int, Sequence[LastWrite]]) -> nn.Module:
    """The model on the meta device, of a configuration that has all biases that are needed.

    Args:
        model: A transformers model.
        chosen: Layer → what is added behind it.
        writes: Layer → modules that could add it.

    Raises:
        ModelError: Where the class of the model has no such bias.
    """
    tried = [model.config, *_switched_on(model.config)]
    for config in tried:
        found = empty_model(type(model), config)
        if all(any(_bias(found, write.name) is not None for write in writes[layer]) for layer in chosen):
            return found
    first = next(iter(writes.values()))[0]
    raise ModelError(
        f"{type(model).__name__} has no place for a bias of {first.name}: stock transformers would leave it out. Steer "
        "it instead: with trimtab, vLLM, or llama.cpp"
    )


def biased_state(
    model: Any, room: nn.Module, chosen: Mapping[int, Tensor], writes: Mapping[int, Sequence[LastWrite]]
) -> dict[str, Tensor]:
    """Every tensor of the checkpoint: those of the model, with what is added; biases that are new are zero.

    Args:
        model: The model.
        room: From `with_biases`.
        chosen: Layer → what is added behind it [d_model].
        writes: Layer → modules that could add it.
    """
    state = dict(model.state_dict())
    for name, empty in room.state_dict().items():
        if name not in state:
            if not name.endswith(".bias"):
                raise ModelError(
                    f"{type(model).__name__} with biases has {name} too, and it is not known what it holds"
                )
            state[name] = torch.zeros(empty.shape)
    for layer, push in chosen.items():
        write = next(write for write in writes[layer] if _bias(room, write.name) is not None)
        key = f"{write.name}.bias"
        state[key] = state[key].float().cpu() + push.float().cpu() / write.factor
    return state


def _switched_on(config: Any) -> list[Any]:
    """The configuration with each of its switches about biases on, one at a time: `mlp_bias` in Llama's family."""
    found = []
    for name in sorted(vars(config), key=lambda name: ("mlp" not in name, name)):
        if "bias" in name and getattr(config, name) is False:
            changed = copy.deepcopy(config)
            setattr(changed, name, True)
            found.append(changed)
    return found


def empty_model(kind: type[Any], config: Any) -> nn.Module:
    """A model of a configuration, on the meta device."""
    with torch.device("meta"):
        found: nn.Module = kind(copy.deepcopy(config))
    return found


def _bias(model: nn.Module, name: str) -> Tensor | None:
    found = getattr(model.get_submodule(name), "bias", None)
    return found if isinstance(found, Tensor) else None
