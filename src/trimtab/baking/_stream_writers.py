"""Every matrix that writes into the residual stream: found by trying, and shown to be all of them.

A module is a writer if a constant added to its output arrives behind its layer times a factor, while all other modules
return what they returned before: of the attention's matrices the output alone moves anything then, and what the MLP
would make of it is held. The found ones are all if the stream that enters a layer and their outputs add up to what
leaves it. A norm behind a matrix, or experts that hold their weights together, do not pass that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from trimtab.baking._frozen_modules import Call, copied, frozen, recorded, with_own_parameters
from trimtab.baking._last_writes import may_write, probe_constant, probe_ids
from trimtab.errors import ModelError
from trimtab.models import Backbone, hidden_of
from trimtab.models.eager import inference

_SAME = 1e-3
"""What may be lost of a constant, or be missing in a sum: rounding, and no more."""


@dataclass(frozen=True)
class StreamWriter:
    """A matrix whose output is added to the residual stream."""

    name: str
    """In the model, as its state dict has it."""
    axis: int
    """Which dimension of its weight is the stream's: 0 in a linear module, 1 in an embedding or GPT-2's matrices."""


@dataclass(frozen=True)
class _Stretch:
    """A part of the model between two places of the residual stream."""

    where: str
    modules: Sequence[nn.Module]
    run: Callable[[Tensor | None], Tensor]
    """The stream behind it; given a constant, it is added to the stream that enters."""
    entering: Tensor | None
    """The stream that enters; before the first layer there is none."""


def stream_writers(backbone: Backbone) -> list[StreamWriter]:
    """All matrices that write into the residual stream: embeddings, and the outputs of attention and MLP.

    Args:
        backbone: A model in float32.

    Raises:
        ModelError: Where something else writes too, so that no weights can leave a direction out of the stream.
    """
    names = {module: name for name, module in backbone.model.named_modules()}
    found: dict[str, StreamWriter] = {}
    with inference(backbone.model):
        for stretch in _stretches(backbone):
            for module, axis in _writers_of(stretch, backbone):
                found[names[module]] = StreamWriter(names[module], axis)
    return list(found.values())


def _stretches(backbone: Backbone) -> list[_Stretch]:
    """What stands before the first layer, and each layer, with what it is called with."""
    model, layers = backbone.model, backbone.anatomy.layers
    ids = probe_ids(backbone)
    calls: dict[nn.Module, tuple[Any, Any]] = {}

    def keep(module: nn.Module, args: Any, kwargs: Any) -> None:
        calls[module] = copied(args), copied(kwargs)

    def run_all() -> None:
        handles = [layer.register_forward_pre_hook(keep, with_kwargs=True) for layer in layers]
        try:
            model(input_ids=ids, use_cache=False)
        finally:
            for handle in handles:
                handle.remove()

    def first_input(shift: Tensor | None) -> Tensor:
        run_all()
        return _stream(calls[layers[0]], shape)

    shape = (*ids.shape, backbone.facts.width)
    run_all()
    inside = {module for layer in layers for module in layer.modules()}
    before = [module for module in model.modules() if module not in inside]
    found = [_Stretch("before the first layer", before, first_input, None)]
    for index, layer in enumerate(layers):
        called = calls[layer]

        def behind(shift: Tensor | None, layer: nn.Module = layer, called: Any = called) -> Tensor:
            stream = _stream(called, shape)
            moved = stream.clone() if shift is None else stream + shift
            args, kwargs = tree_map(lambda leaf: moved if leaf is stream else leaf, called)
            return hidden_of(layer(*args, **kwargs)).clone()

        found.append(_Stretch(f"in layer {index}", list(layer.modules()), behind, _stream(called, shape)))
    return found


def _stream(called: Any, shape: tuple[int, ...]) -> Tensor:
    """The states among what a layer is called with: the first tensor of their shape."""
    fits = (leaf for leaf in tree_leaves(called) if torch.is_tensor(leaf) and leaf.shape == shape)
    found: Tensor | None = next((leaf for leaf in fits if leaf.is_floating_point()), None)
    if found is None:
        raise ModelError("a decoder layer is called with no states of the residual stream's width")
    return found


def _writers_of(stretch: _Stretch, backbone: Backbone) -> list[tuple[nn.Module, int]]:
    with recorded(with_own_parameters(stretch.modules)) as calls:
        behind = stretch.run(None)
    constant = probe_constant(behind)
    found, rest = [], behind
    if stretch.entering is not None:
        with frozen(calls, None, constant):
            passed = _factor(stretch.run(constant) - behind, constant) or 0.0
        rest = rest - passed * stretch.entering
    for module, seen in calls.items():
        if len(seen) != 1 or not may_write(module, behind.shape[-1]):
            continue
        axis = _output_axis(module, seen[0], behind.shape[-1])
        if axis is None or seen[0].output.numel() not in (behind.numel(), behind[0].numel()):
            continue
        with frozen(calls, module, constant):
            factor = _factor(stretch.run(None) - behind, constant)
        if factor is not None:
            found.append((module, axis))
            written = seen[0].output
            rest = rest - factor * written.reshape(-1, *behind.shape[1:]).to(rest)  # positions have one row
    missing = float((rest.norm(dim=-1) / behind.norm(dim=-1)).max())
    if not missing <= _SAME:
        raise ModelError(
            f"{backbone.name}: a direction cannot be removed exactly by weights: {stretch.where} something else than "
            f"a matrix writes into the residual stream (up to {missing:.2g} of a state's length), as where a norm "
            "stands behind a matrix (Gemma 2 and 3, OLMo 2), or in mixtures of experts. Steer it instead, with the "
            "scale project_out"
        )
    return found


def _factor(moved: Tensor, constant: Tensor) -> float | None:
    """How much of a constant arrives at every token alike; None: nothing does, or it is changed on the way."""
    moved = moved.reshape(-1, len(constant))
    factor = float((moved @ constant).mean() / (constant @ constant))
    lost = float((moved - factor * constant).norm(dim=-1).max() / constant.norm())
    return factor if abs(factor) > _SAME and lost <= _SAME * abs(factor) else None


def _output_axis(module: nn.Module, call: Call, width: int) -> int | None:
    """The dimension of the weight that is its output's, by what it does to its input; None: neither is."""
    weight, bias, given, output = module.weight, getattr(module, "bias", None), call.args, call.output
    assert isinstance(weight, Tensor)
    if not torch.is_tensor(output) or output.shape[-1] != width:
        return None
    if isinstance(module, nn.Embedding):
        return 1
    if not given or not torch.is_tensor(given[0]) or not given[0].is_floating_point():
        return None
    for axis, matrix in enumerate((weight.T, weight)):
        if weight.shape[axis] == width and given[0].shape[-1] == matrix.shape[0]:
            made = given[0] @ matrix
            made = made if bias is None else made + bias
            if torch.allclose(made, output, rtol=1e-4, atol=1e-4 * float(output.abs().max())):
                return axis
    return None
