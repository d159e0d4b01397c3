"""The staircase of a training step: at each trained layer the rows of that layer's vector join, all run together.

Nothing is written in place, so that one backward pass gives every vector its own gradient: a row depends on the vector
of the layer at which it joined, and on no other.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trimtab.engines.transformers._forward import run
from trimtab.engines.transformers._layer_arguments import LayerArguments
from trimtab.engines.transformers.training._unsteered_pass import UnsteeredPass
from trimtab.models import Backbone, hidden_of, with_hidden
from trimtab.steering import one_pass
from trimtab.vectors.training import Push


def steer_in_one_pass(
    backbone: Backbone,
    unsteered: UnsteeredPass,
    arguments: LayerArguments,
    layers: Sequence[int],
    vectors: Tensor,
    pushes: Sequence[Push],
) -> Tensor:
    """Run the steered rows of some layers in one staircase that begins at the lowest of them.

    Args:
        backbone: the model.
        unsteered: the unsteered pass of the rows.
        arguments: what is known of what the layers are given.
        layers: lowest first.
        vectors: one for each layer, [layers, d_model].
        pushes: the pushes along each vector.

    Returns:
        States of the wanted tokens behind the last layer, [layers × pushes, reads, d_model].
    """
    batch, vector_at = unsteered.batch, dict(zip(layers, vectors, strict=True))
    hidden = torch.empty(0)
    for layer in range(layers[0], backbone.facts.layers):
        if layer > layers[0]:
            hidden = unsteered.call(backbone, arguments, layer, hidden)
        if layer in vector_at:
            start = unsteered.states[layer]
            new = [pushed(start, batch.steered, vector_at[layer], push) for push in pushes]
            hidden = torch.cat([hidden, *new] if layer > layers[0] else new)
    cells = hidden.reshape(-1, batch.rows, *hidden.shape[1:])
    return cells[:, batch.read_rows.to(hidden.device), batch.read_columns.to(hidden.device)]


def steer_by_passes(
    backbone: Backbone, unsteered: UnsteeredPass, layers: Sequence[int], vectors: Tensor, pushes: Sequence[Push]
) -> Tensor:
    """The states of `steer_in_one_pass`, by a pass for each push: slower, but assumes nothing of the layers."""
    batch = unsteered.batch
    found = []
    for layer, vector in zip(layers, vectors, strict=True):
        for push in pushes:
            found.append(_one_pass(backbone, unsteered, layer, vector, push))
    assert batch.rows
    return torch.stack(found)


def _one_pass(backbone: Backbone, unsteered: UnsteeredPass, layer: int, vector: Tensor, push: Push) -> Tensor:
    batch, captured = unsteered.batch, list[Tensor]()
    modules = backbone.anatomy.layers

    def act(module: nn.Module, args: object, output: object) -> object:
        return with_hidden(output, pushed(hidden_of(output), batch.steered, vector, push))

    def keep(module: nn.Module, args: object, output: object) -> None:
        hidden = hidden_of(output)
        captured.append(hidden[batch.read_rows.to(hidden.device), batch.read_columns.to(hidden.device)])

    with one_pass(backbone.model) as hooks:
        hooks.after(modules[layer], act)
        hooks.after(modules[-1], keep)  # behind the push, where both are at the last layer
        run(backbone, batch, unsteered.beginning, gradients=torch.is_grad_enabled())
    return captured[0]


def pushed(states: Tensor, steered: Tensor, vector: Tensor, push: Push) -> Tensor:
    """Rows pushed at their steered tokens, computed in float32: [rows, width, d_model]."""
    moved = push(states.float(), vector.to(states.device)).to(states.dtype)
    return torch.where(steered.to(states.device)[..., None], moved, states)
