"""One forward pass over a batch of queries, read at the end or at every layer, with or without a staircase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engines.batches import Batch
from trimtab.engines.masks import attention_mask
from trimtab.engines.shared_cache import Beginning, SharedCache
from trimtab.engines.staircase import Staircase
from trimtab.models import Backbone, cache_name, hidden_of
from trimtab.steering import Intervention


def run(
    backbone: Backbone, batch: Batch, beginning: Beginning | None, *, record: bool = False, cache: Any = None
) -> Beginning | None:
    """Run the decoder over a batch; hooks see what they came for. Returns what was recorded, if asked.

    Args:
        backbone: the model.
        batch: the rows.
        beginning: what has been run before, for all rows or cells.
        record: whether to keep keys and values.
        cache: a cache of the caller's own instead.
    """
    config = backbone.model.config.get_text_config()
    device = backbone.device
    inputs: dict[str, Any] = {"input_ids": batch.ids.to(device), "position_ids": batch.positions.to(device)}
    if batch.visibility is not None:
        inputs["attention_mask"] = attention_mask(config, batch.visibility, backbone.dtype, device)
    elif batch.padding is not None and not bool(batch.padding.all()):
        inputs["attention_mask"] = batch.padding.to(device)
    shared = None
    if cache is None and (record or (beginning is not None and beginning.length)):
        cache = shared = SharedCache(beginning, base_rows=batch.rows, record=record)
    decoder = backbone.anatomy.decoder
    decoder(**inputs, **{cache_name(decoder): cache}, use_cache=cache is not None)
    return shared.recorded if shared is not None else None


def climb(
    backbone: Backbone,
    batch: Batch,
    cells: Sequence[Intervention],
    beginning: Beginning | None,
    *,
    record: bool = False,
) -> tuple[Tensor, Beginning | None]:
    """Run the staircase over a batch.

    Returns:
        States of the wanted tokens behind the last layer, [1 + cells, reads, d_model], unsteered first, then the cells
        in the order given; and the recorded keys and values.
    """
    device = backbone.device
    stairs = Staircase(
        cells,
        n_layers=backbone.facts.layers,
        rows=batch.rows,
        steered=batch.steered.to(device),
        reads=(batch.read_rows.to(device), batch.read_columns.to(device)),
    )
    with stairs.on(backbone.anatomy.layers):
        recorded = run(backbone, batch, beginning, record=record)
    if recorded is not None:
        recorded.per_cell = True
    back = torch.empty(1 + len(cells), dtype=torch.long)
    back[[0, *(1 + cell for cell in stairs.joined)]] = torch.arange(1 + len(cells))
    return stairs.states[back.to(device)], recorded


def read_layers(
    backbone: Backbone, batch: Batch, beginning: Beginning | None, layers: Sequence[int] | None = None
) -> Tensor:
    """States of the wanted tokens behind some layers, lowest first, [reads, layers, d_model] float32 on the CPU.

    Args:
        backbone: the model.
        batch: the rows.
        beginning: what has been run before.
        layers: which; None: all.
    """
    every = backbone.anatomy.layers
    with _tapped(every if layers is None else [every[layer] for layer in sorted(layers)], batch) as states:
        run(backbone, batch, beginning)
    return torch.stack(states, dim=1)


def read_last_layer(backbone: Backbone, batch: Batch, steering: Any = None, cache: Any = None) -> Tensor:
    """States of the wanted tokens behind the last layer, [reads, d_model], under an optional steering context."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        hidden = hidden_of(output)
        kept.append(hidden[batch.read_rows.to(hidden.device), batch.read_columns.to(hidden.device)])

    with steering or nullcontext():
        # Registered inside the context, so that it sees what steering at the last layer did.
        handle = backbone.anatomy.layers[-1].register_forward_hook(keep)
        try:
            run(backbone, batch, None, cache=cache)
        finally:
            handle.remove()
    return kept[0]


@contextmanager
def _tapped(layers: Sequence[nn.Module], batch: Batch) -> Iterator[list[Tensor]]:
    states: list[Tensor] = []

    def tap(module: nn.Module, args: Any, output: Any) -> None:
        hidden = hidden_of(output)
        states.append(hidden[batch.read_rows.to(hidden.device), batch.read_columns.to(hidden.device)].float().cpu())

    handles = [layer.register_forward_hook(tap) for layer in layers]
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()
