"""Take a direction out of the matrices that write into the residual stream: W − α·v̂·v̂ᵀW, and so of their biases.

Weight orthogonalization of Arditi et al. 2024 (arXiv 2406.11717), section 4.1.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from trimtab.baking._bias_fields import empty_model
from trimtab.baking._stream_writers import StreamWriter
from trimtab.errors import ModelError
from trimtab.models import Backbone


def orthogonal_state(
    backbone: Backbone, writers: Sequence[StreamWriter], unit: Tensor, share: float
) -> tuple[nn.Module, dict[str, Tensor]]:
    """The checkpoint without a direction, and an empty model that it fits; an unembedding that was tied is its own.

    Args:
        backbone: What is edited; it stays as it is.
        writers: From `stream_writers`.
        unit: The direction, of length 1 [d_model].
        share: α, the share that is removed of what each writer writes.

    Raises:
        ModelError: Where the class cannot keep the unembedding apart from the embedding.
    """
    model = backbone.model
    state = dict(model.state_dict())
    head = {f"{name}.weight" for name, module in model.named_modules() if module is backbone.anatomy.head}
    apart = False
    for writer in writers:
        module = model.get_submodule(writer.name)
        for kind, axis in (("weight", writer.axis), ("bias", 0)):
            whole = getattr(module, kind, None)
            if not isinstance(whole, Tensor):
                continue
            edited = without(whole, unit, axis, share)
            same = {name for name, tensor in state.items() if _is_same(tensor, whole)}
            apart = apart or bool(same & head)
            state |= dict.fromkeys(same - head, edited)
    config = copy.deepcopy(model.config)
    if apart:
        state |= {name: state[name].clone() for name in head}
        for part in {id(part): part for part in (config, config.get_text_config())}.values():
            part.tie_word_embeddings = False
    room = empty_model(type(model), config)
    if room.state_dict().keys() != state.keys() or (apart and _is_tied(room)):
        raise ModelError(
            f"{type(model).__name__}: its embedding writes into the residual stream and is its unembedding too, and "
            "the class cannot hold two; steer with project_out instead"
        )
    return room, state


def without(weight: Tensor, unit: Tensor, axis: int, share: float) -> Tensor:
    """A weight or a bias, less the share α of its projection on v̂ along one of its dimensions."""
    exact, along = weight.detach().double().movedim(axis, -1), unit.to(weight.device).double()
    left = exact - share * (exact @ along)[..., None] * along
    return left.movedim(-1, axis).to(weight.dtype).contiguous()


@contextmanager
def removed_by_hooks(model: Any, writers: Sequence[StreamWriter], unit: Tensor, share: float) -> Iterator[None]:
    """The same, done to what the writers return while a model runs."""

    def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        along = unit.to(output)
        return output - share * (output @ along)[..., None] * along

    handles = [model.get_submodule(writer.name).register_forward_hook(hook) for writer in writers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_same(tensor: Tensor, other: Tensor) -> bool:
    """Whether two tensors are one: a weight that has several names."""
    return tensor.shape == other.shape and tensor.data_ptr() == other.data_ptr()


def _is_tied(model: Any) -> bool:
    return model.get_input_embeddings().weight is model.get_output_embeddings().weight
