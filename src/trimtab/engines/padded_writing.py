"""Writing texts with models whose state is more than keys and values: plain left-padded batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import DynamicCache

from trimtab.engines.batches import Batch, Query, pad
from trimtab.engines.forward import read_last_layer
from trimtab.engines.requests import Request, Writing, choose
from trimtab.engines.schedule import filled, unmarked
from trimtab.steering import steered

if TYPE_CHECKING:
    from trimtab.engines.transformers_engine import TransformersEngine


@torch.no_grad()
def write(engine: TransformersEngine, requests: Sequence[Request]) -> Iterator[tuple[int, Writing]]:
    """Write texts batch by batch and yield (request, what is written of it) after each token.

    A row that ends waits for the others of its batch: a recurrent state cannot be handed to another row.
    """
    for chosen in filled([r.most_tokens for r in requests], engine.budget.tokens):
        yield from _batch(engine, chosen, requests)


def _batch(
    engine: TransformersEngine, chosen: Sequence[int], requests: Sequence[Request]
) -> Iterator[tuple[int, Writing]]:
    backbone, some = engine.backbone, [requests[i] for i in chosen]
    batch = pad([_query(r) for r in some], unmarked, engine.pad_token)
    writings = [engine.writing(r) for r in some]
    cache = DynamicCache(config=backbone.model.config.get_text_config())
    lengths = [len(r.prompt) for r in some]
    while True:
        # Only while the model runs: what the caller does between two tokens is none of our business.
        steering = steered(backbone, [r.intervention for r in some], lengths)
        logits = backbone.logits(read_last_layer(backbone, batch, steering, cache))
        for index, writing, token in zip(chosen, writings, choose(writings, logits), strict=True):
            if writing.finish is None:
                writing.add(token)
                yield index, writing
        if all(w.finish is not None for w in writings):
            return
        batch = _next(batch, torch.tensor([w.tokens[-1] if w.tokens else engine.pad_token for w in writings]))


def _query(request: Request) -> Query:
    return Query((request.prompt,), ((0, len(request.prompt) - 1),), len(request.prompt))


def _next(batch: Batch, tokens: Tensor) -> Batch:
    """The pass over one more token of each row."""
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
