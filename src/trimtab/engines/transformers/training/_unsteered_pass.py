"""The unsteered pass of some rows, with everything that a staircase needs to begin in the middle of it.

Vectors change from step to step, and the unsteered model does not. So its states behind the trained layers, and what
the decoder gives its layers, are taken once, and each step runs the steered rows alone, from the lowest trained layer
on. Of a text's beginning that is not pushed, only keys and values are there, and no step runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engines.transformers._forward import run
from trimtab.engines.transformers._layer_arguments import LayerArguments
from trimtab.engines.transformers.packing.batches import Batch
from trimtab.engines.transformers.sharing.shared_cache import Beginning
from trimtab.models import Backbone, hidden_of
from trimtab.steering import one_pass


@dataclass(frozen=True, eq=False)
class UnsteeredPass:
    """What one pass left behind."""

    batch: Batch
    states: dict[int, Tensor]
    """Behind each trained layer, [rows, width, d_model]."""
    last: Tensor
    """Of the wanted tokens behind the last layer, [reads, d_model]."""
    given: dict[int, tuple[tuple[Any, ...], dict[str, Any]]]
    """What each layer behind the lowest trained one was called with, without its hidden states."""
    beginning: Beginning | None = None
    """Keys and values of the tokens before the batch's, which no vector reaches: they are read in every step."""

    @property
    def bytes(self) -> int:
        """What it takes in memory, about."""
        before = (*self.beginning.keys, *self.beginning.values) if self.beginning else ()
        return sum(held.numel() * held.element_size() for held in (*self.states.values(), self.last, *before))

    def call(self, backbone: Backbone, arguments: LayerArguments, layer: int, hidden: Tensor) -> Tensor:
        """Run a layer on rows that are copies of the batch's rows, pushed before: [height, width, d_model]."""
        rest, named = self.given[layer]
        if "hidden_states" in named:
            args, kwargs = rest, named | {"hidden_states": hidden}
        else:
            args, kwargs = (hidden, *rest), named
        height, width = hidden.shape[0], hidden.shape[1]
        args, kwargs = arguments.widened(layer, args, kwargs, rows=self.batch.rows, height=height, width=width)
        found: Tensor = hidden_of(backbone.anatomy.layers[layer](*args, **kwargs))
        return found


def unsteered_pass(
    backbone: Backbone, batch: Batch, layers: Sequence[int], beginning: Beginning | None = None
) -> UnsteeredPass:
    """Run some rows without a push, behind what has been run of them before, and keep what trained layers need."""
    states: dict[int, Tensor] = {}
    given: dict[int, tuple[tuple[Any, ...], dict[str, Any]]] = {}
    last: list[Tensor] = []
    n_layers = backbone.facts.layers

    def note(layer: int) -> Any:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            named = dict(kwargs)
            if args:
                given[layer] = tuple(args[1:]), named
            else:
                given[layer] = (), named | {"hidden_states": None}

        return hook

    def keep(layer: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            hidden = hidden_of(output)
            if layer in layers:
                states[layer] = hidden.detach()
            if layer == n_layers - 1:
                last.append(hidden[batch.read_rows.to(hidden.device), batch.read_columns.to(hidden.device)].detach())

        return hook

    lowest = min(layers)
    with torch.no_grad(), one_pass(backbone.model) as hooks:
        for layer in range(lowest, n_layers):
            module = backbone.anatomy.layers[layer]
            if layer > lowest:
                hooks.before(module, note(layer))
            if layer in layers or layer == n_layers - 1:
                hooks.after(module, keep(layer))
        run(backbone, batch, beginning)
    return UnsteeredPass(batch, states, last[0], given, beginning)
