"""Writing texts row by row: rows that end make room for others, and every row has its own intervention."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trimtab.engines.requests import Request, Writing, choose
from trimtab.engines.transformers._forward import read_last_layer
from trimtab.engines.transformers.packing.budget import Budget
from trimtab.engines.transformers.sharing.kv_slots import STEP, RowPushes, SlotCache
from trimtab.engines.transformers.sharing.shared_prefixes import Opening, openings, row_parts
from trimtab.models import Backbone, Facts
from trimtab.steering import PushCheck
from trimtab.steering.phases import NextToken, markers_for

if TYPE_CHECKING:
    from trimtab.engines.transformers.engine import TransformersEngine


@torch.no_grad()
def write(engine: TransformersEngine, requests: Sequence[Request]) -> Iterator[tuple[int, Writing]]:
    """Write texts and yield (request, what is written of it) after each token, until all are finished.

    For models whose state is keys and values only; others are written by `padded_writing.write`.
    """
    backbone = engine.backbone
    tokens = places(max(r.most_tokens for r in requests))
    rows = rows_that_fit(backbone.facts, backbone.dtype, engine.budget, tokens, len(requests))
    markers = markers_for([request.intervention for request in requests], backbone)
    waiting = deque(openings(requests, rows, engine.budget, markers))
    check = PushCheck()
    cache, pushes = SlotCache(rows, tokens), RowPushes(backbone.device, check)
    active: list[tuple[int, Writing]] = []
    next_tokens = {i: NextToken(r.intervention, r.prompt, markers) for i, r in enumerate(requests)}
    pushed: list[tuple[int, bool]] = []
    heads: dict[object, object] = {}
    while waiting or active:
        while waiting and len(active) + len(waiting[0].wanted) <= rows:
            for index, writing in _open(engine, waiting.popleft(), requests, cache, heads, check):
                yield index, writing
                if writing.finish is None:
                    active.append((index, writing))
        if not active:
            continue
        now = [(index, next_tokens[index].add(writing.tokens[-1])) for index, writing in active]
        if now != pushed:
            pushes.set([requests[index].intervention if steered else None for index, steered in now])
            pushed = now
        logits = _step(backbone, cache, pushes, [writing.tokens[-1] for _, writing in active])
        chosen = choose([writing for _, writing in active], logits)
        ended = [row for row, (_, writing) in enumerate(active) if writing.add(chosen[row])]
        yield from active
        for row in reversed(ended):
            cache.remove(row)
            active[row] = active[-1]
            active.pop()
    check.warn_of_rest()
    check.warn_of_missed([request.intervention for request in requests])


def _open(
    engine: TransformersEngine,
    opening: Opening,
    requests: Sequence[Request],
    cache: SlotCache,
    heads: dict[object, object],
    check: PushCheck,
) -> Iterator[tuple[int, Writing]]:
    """Run prompts; the rows that continue after their first token are put into the cache."""
    states, recorded, packed = engine.run_prefix_layers(opening, heads, check)
    wanted = torch.stack([states[1 + cell, prompt] for _, prompt, cell in opening.wanted])
    logits = engine.backbone.logits(wanted)
    writings = [engine.writing(requests[index]) for index, _, _ in opening.wanted]
    chosen = choose(writings, logits)
    for (index, prompt, cell), writing, token in zip(opening.wanted, writings, chosen, strict=True):
        if not writing.add(token):
            cache.append(row_parts(opening, packed, recorded, prompt, cell))
        yield index, writing


def _step(backbone: Backbone, cache: SlotCache, pushes: RowPushes, tokens: Sequence[int]) -> Tensor:
    """One token of every row: logits [rows, vocabulary]."""
    batch, steering = cache.next_batch(tokens), pushes.on(backbone.model, backbone.anatomy.layers)
    states = read_last_layer(backbone, batch, steering, cache)
    pushes.check.settle(states.dtype)
    cache.advance()
    return backbone.logits(states)


def places(tokens: int) -> int:
    """Cache places of a row that grows to this many tokens, rounded up to whole steps."""
    return -(-tokens // STEP) * STEP


def rows_that_fit(facts: Facts, dtype: torch.dtype, budget: Budget, tokens: int, wanted: int) -> int:
    """How many rows of this many tokens the memory has keys and values for, at least one."""
    each = 2 * facts.layers * facts.kv_heads * facts.head_size * tokens * dtype.itemsize
    return max(1, min(budget.rows, wanted, budget.cache_bytes // max(1, each)))
