"""The module whose constant arrives unchanged behind a layer: found by trying, whatever the family calls it.

A push `h + c` behind a layer, at every token, is the same as a bias of whatever the layer adds to the residual stream
last, if nothing stands between: a norm behind the MLP (Gemma 2 and 3, OLMo 2) does, a multiplier (Granite) does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.errors import ModelError
from trimtab.models import Backbone, hidden_of
from trimtab.models.eager import inference

_TOKENS, _ROWS = 12, 2
_SAME = 1e-3
"""What of a constant may be lost on the way: rounding, and no more."""
_SIZE = 0.1
"""Length of the constant that is tried, as a share of the residual stream's."""


@dataclass(frozen=True)
class LastWrite:
    """A module that adds to the residual stream with nothing behind it in its layer."""

    layer: int
    name: str
    """In the model, as its state dict has it."""
    factor: float
    """What arrives behind the layer of a constant 1 that the module adds."""
    has_bias: bool


def last_writes(backbone: Backbone, layer: int) -> list[LastWrite]:
    """All modules of a layer whose constant is a push behind it: the down projection; in parallel blocks others too.

    Args:
        backbone: A model in float32.
        layer: Which decoder layer.

    Raises:
        ModelError: Where there is none, with the reason.
    """
    model, block = backbone.model, backbone.anatomy.layers[layer]
    names = {module: name for name, module in model.named_modules()}
    ids = probe_ids(backbone)
    plain = _behind(backbone, layer, ids)
    constant = probe_constant(plain)

    def adds(module: nn.Module, args: Any, output: Any) -> Any:
        fits = torch.is_tensor(output) and output.shape[-1] == len(constant)
        return output + constant.to(output) if fits else None

    found = []
    for module in block.modules():
        if not may_write(module, plain.shape[-1]):
            continue
        handle = module.register_forward_hook(adds)
        try:
            moved = (_behind(backbone, layer, ids) - plain).reshape(-1, plain.shape[-1])
        finally:
            handle.remove()
        factor = float((moved @ constant).mean() / (constant @ constant))
        lost = float((moved - factor * constant).norm(dim=-1).max() / constant.norm())
        if abs(factor) > _SAME and lost <= _SAME * abs(factor):
            has_bias = isinstance(getattr(module, "bias", None), Tensor)
            found.append(LastWrite(layer, names[module], factor, has_bias))
    if not found:
        raise ModelError(
            f"{backbone.name}: behind layer {layer} nothing can be baked exactly: no matrix of that layer writes "
            "straight into the residual stream, as where a norm or a router stands behind the MLP"
        )
    return found


def may_write(module: nn.Module, width: int) -> bool:
    """Whether a module is a matrix that has a dimension in common with the residual stream."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.dim() == 2 and width in weight.shape and not list(module.children())


def probe_ids(backbone: Backbone) -> Tensor:
    """Token ids [rows, tokens] to try a model on."""
    source = torch.Generator().manual_seed(0)
    return torch.randint(backbone.anatomy.vocabulary // 2, (_ROWS, _TOKENS), generator=source).to(backbone.device)


def probe_constant(states: Tensor) -> Tensor:
    """A constant [d_model] in a random direction, of a tenth of the states' length."""
    source = torch.Generator().manual_seed(1)
    size = _SIZE * float(states.norm(dim=-1).mean()) / states.shape[-1] ** 0.5
    constant: Tensor = torch.randn(states.shape[-1], generator=source) * size
    return constant.to(states)


def _behind(backbone: Backbone, layer: int, ids: Tensor) -> Tensor:
    """States behind a layer [rows, tokens, d_model]."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        seen.append(hidden_of(output).detach().clone())

    handle = backbone.anatomy.layers[layer].register_forward_hook(keep)
    try:
        with inference(backbone.model):
            backbone.model(input_ids=ids, use_cache=False)
    finally:
        handle.remove()
    return seen[-1]
