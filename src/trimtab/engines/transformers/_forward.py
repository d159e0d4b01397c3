"""One forward pass over a batch of queries, read at the end or at every layer, with or without a staircase."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engines.transformers._layer_arguments import LayerArguments, Learning
from trimtab.engines.transformers._staircase import Staircase
from trimtab.engines.transformers.packing.batches import Batch
from trimtab.engines.transformers.packing.masks import attention_mask
from trimtab.engines.transformers.sharing.shared_cache import Beginning, SharedCache
from trimtab.engines.transformers.streaming.together import start, start_recording
from trimtab.models import Backbone, cache_name, hidden_of, with_hidden
from trimtab.models.eager import frozen, inference
from trimtab.steering import Intervention, PushCheck, engine_hooks_only, one_pass, push_each


def run(
    backbone: Backbone,
    batch: Batch,
    beginning: Beginning | None,
    *,
    into: Beginning | None = None,
    cache: Any = None,
    use_cache: bool = False,
    gradients: bool = False,
) -> None:
    """Run the decoder over a batch; hooks see what they came for.

    Args:
        backbone: the model.
        batch: the rows.
        beginning: what has been run before, for all rows or cells.
        into: takes in the keys and values, those of the beginning too.
        cache: a cache of the caller's own instead.
        use_cache: whether the model is to make a cache, where none is given.
        gradients: whether to compute gradients by what hooks bring in; never by the weights.
    """
    config = backbone.model.config.get_text_config()
    device = backbone.device
    inputs: dict[str, Any] = {"input_ids": batch.ids.to(device), "position_ids": batch.positions.to(device)}
    if batch.visibility is not None:
        inputs["attention_mask"] = attention_mask(config, batch.visibility, backbone.dtype, device)
    elif batch.padding is not None and not bool(batch.padding.all()):
        inputs["attention_mask"] = batch.padding.to(device)
    if cache is None and (into is not None or (beginning is not None and beginning.length)):
        cache = SharedCache(beginning, base_rows=batch.rows, into=into)
    decoder = backbone.anatomy.decoder
    with (frozen if gradients else inference)(backbone.model), engine_hooks_only():
        decoder(**inputs, **{cache_name(decoder): cache}, use_cache=use_cache or cache is not None)


def record(backbone: Backbone, batch: Batch, beginning: Beginning | None = None) -> Beginning:
    """The keys and values of a batch, behind those of what has been run before, for the passes that continue it."""
    made = _empty(batch, beginning)
    return start_recording(partial(run, backbone, batch, beginning, into=made), made)


def record_layers(
    backbone: Backbone,
    batch: Batch,
    cells: Sequence[Intervention],
    arguments: LayerArguments | Learning,
    check: PushCheck | None,
) -> Beginning:
    """The keys and values of a batch in every cell."""
    made = _empty(batch, None)
    return start_recording(partial(run_layers, backbone, batch, cells, None, arguments, into=made, check=check), made)


def _empty(batch: Batch, beginning: Beginning | None) -> Beginning:
    return Beginning(tokens=int(batch.ids.shape[1]) + (beginning.length if beginning is not None else 0))


def run_with_own_cache(backbone: Backbone, batch: Batch, steering: Any = None) -> tuple[Tensor, Any]:
    """Run plain rows and let the model make a cache of its kind.

    Returns:
        States of the wanted tokens behind the last layer, [reads, d_model], and the cache; None where it has none.
    """
    decoder = backbone.anatomy.decoder
    made: list[Any] = []

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        made.append(getattr(output, cache_name(decoder), None))

    with one_pass(backbone.model) as hooks:
        hooks.after(decoder, keep)
        states = read_last_layer(backbone, batch, steering, use_cache=True)
    return states, made[0]


def next_tokens(batch: Batch, tokens: Tensor) -> Batch:
    """The pass over one more token of each of some plain rows, read at that token."""
    assert batch.padding is not None
    count = len(tokens)
    return Batch(
        ids=tokens[:, None],
        positions=batch.positions[:, -1:] + 1,
        steered=torch.zeros(count, 1, dtype=torch.bool),
        visibility=None,
        padding=torch.cat([batch.padding, torch.ones_like(batch.padding[:, :1])], dim=1),
        read_rows=torch.arange(count),
        read_columns=torch.zeros(count, dtype=torch.long),
    )


def run_layers(
    backbone: Backbone,
    batch: Batch,
    cells: Sequence[Intervention],
    beginning: Beginning | None,
    arguments: LayerArguments | Learning,
    *,
    into: Beginning | None = None,
    check: PushCheck | None = None,
) -> Tensor:
    """Run the staircase over a batch.

    Args:
        backbone: the model.
        batch: the rows.
        cells: what will be pushed.
        beginning: what has been run before.
        arguments: what is known of what the layers are given, for a batch that grows.
        into: takes in the keys and values, a row for each cell.
        check: watches that pushes change states, over several passes if it is given.

    Returns:
        States of the wanted tokens behind the last layer, [1 + cells, reads, d_model], unsteered first, then the cells
        in the order given.
    """
    device = backbone.device
    stairs = Staircase(
        cells,
        n_layers=backbone.facts.layers,
        rows=batch.rows,
        steered=batch.steered.to(device),
        reads=(batch.read_rows.to(device), batch.read_columns.to(device)),
        arguments=arguments,
        check=check or PushCheck(),
    )
    if into is not None:
        into.per_cell = True
    with stairs.on(backbone.model, backbone.anatomy.layers):
        run(backbone, batch, beginning, into=into)
    back = torch.empty(1 + len(cells), dtype=torch.long)
    back[[0, *(1 + cell for cell in stairs.joined)]] = torch.arange(1 + len(cells))
    return stairs.states[back.to(stairs.states.device)]


def run_cells(
    backbone: Backbone,
    batch: Batch,
    cells: Sequence[Intervention],
    beginning: Beginning | None = None,
    check: PushCheck | None = None,
) -> Tensor:
    """The states that `run_layers` gives, by one pass for each cell: slower, but assumes nothing of the layers."""
    passes = [start(partial(read_last_layer, backbone, batch, beginning=beginning))]
    for cell in cells:
        steering = pushed(backbone, [cell], batch.steered, check)
        passes.append(start(partial(read_last_layer, backbone, batch, steering, beginning=beginning)))
    return torch.stack([one.result() for one in passes])


@contextmanager
def pushed(
    backbone: Backbone, cells: Sequence[Intervention | None], steered: Tensor, check: PushCheck | None = None
) -> Iterator[None]:
    """Push tokens in the one pass of a context.

    Args:
        backbone: the model.
        cells: one for each row, or a single one for all rows.
        steered: the tokens that are pushed [rows, width].
        check: watches that pushes change states, over several passes if it is given.
    """
    watch = check or PushCheck()
    watch.begin()

    def push_at(layer: int) -> Any:
        rows = [
            (slice(row, row + 1) if len(cells) > 1 else slice(None), cell)
            for row, cell in enumerate(cells)
            if cell is not None and layer in cell.layers
        ]

        def hook(module: nn.Module, args: Any, output: Any) -> Any:
            hidden = hidden_of(output).clone()
            marks = steered.to(hidden.device)
            for some, cell in rows:
                look = watch.look(cell, layer)
                hidden[some] = push_each(hidden[some], cell.aims(layer), marks[some], look=look)
            return with_hidden(output, hidden)

        return hook

    layers = {layer for cell in cells if cell is not None for layer in cell.layers}
    with one_pass(backbone.model) as hooks:
        for layer in sorted(layers):
            hooks.after(backbone.anatomy.layers[layer], push_at(layer))
        yield
    watch.settle(backbone.dtype)


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
    with _tapped(backbone, every if layers is None else [every[layer] for layer in sorted(layers)], batch) as states:
        run(backbone, batch, beginning)
    return torch.stack(states, dim=1)


def read_last_layer(
    backbone: Backbone,
    batch: Batch,
    steering: Any = None,
    cache: Any = None,
    *,
    beginning: Beginning | None = None,
    use_cache: bool = False,
) -> Tensor:
    """States of the wanted tokens behind the last layer, [reads, d_model], under an optional steering context."""
    with steering or nullcontext(), _last_layer_read(backbone, batch) as states:
        run(backbone, batch, beginning, cache=cache, use_cache=use_cache)
    return states[0]


def read_and_record(
    backbone: Backbone, batch: Batch, steering: AbstractContextManager[None], beginning: Beginning | None
) -> tuple[Tensor, Beginning]:
    """As `read_last_layer`, and the keys and values of all tokens, those of the beginning too."""
    recorded = _empty(batch, beginning)
    with steering, _last_layer_read(backbone, batch) as states:
        run(backbone, batch, beginning, into=recorded)
    return states[0], recorded


@contextmanager
def _last_layer_read(backbone: Backbone, batch: Batch) -> Iterator[list[Tensor]]:
    """Read the wanted tokens in one pass; entered inside the steering context, to see what it did at the last layer."""
    captured: list[Tensor] = []

    def keep(module: nn.Module, args: Any, output: Any) -> None:
        hidden = hidden_of(output)
        captured.append(hidden[batch.read_rows.to(hidden.device), batch.read_columns.to(hidden.device)])

    with one_pass(backbone.model) as hooks:
        hooks.after(backbone.anatomy.layers[-1], keep)
        yield captured


@contextmanager
def watched(
    backbone: Backbone,
    batch: Batch,
    layers: Collection[int],
    steering: AbstractContextManager[None],
    found: dict[int, Tensor],
) -> Iterator[None]:
    """Steer the one pass of a context, and read the states of its wanted tokens behind some layers as they are steered.

    They are in `found` after the pass, by layer, [reads, d_model] float32 on the CPU.
    """
    every = sorted(layers)
    with steering, _tapped(backbone, [backbone.anatomy.layers[layer] for layer in every], batch) as states:
        yield
    found.update(zip(every, states, strict=True))


@contextmanager
def _tapped(backbone: Backbone, layers: Sequence[nn.Module], batch: Batch) -> Iterator[list[Tensor]]:
    states: list[Tensor] = []

    def tap(module: nn.Module, args: Any, output: Any) -> None:
        hidden = hidden_of(output)
        states.append(hidden[batch.read_rows.to(hidden.device), batch.read_columns.to(hidden.device)].float().cpu())

    with one_pass(backbone.model) as hooks:
        for layer in layers:
            hooks.after(layer, tap)
        yield states
