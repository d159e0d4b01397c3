"""Writing texts with models whose state is more than keys and values: plain left-padded batches, or one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trimtab.engines.requests import Request, Writing, choose
from trimtab.engines.transformers._forward import next_tokens, pushed, read_last_layer, run_with_own_cache
from trimtab.engines.transformers.packing.batches import Batch, Query, pad
from trimtab.engines.transformers.packing.schedule import filled, unmarked
from trimtab.steering import PushCheck, is_steered, parse_positions
from trimtab.steering.phases import markers_for, steered_tokens

if TYPE_CHECKING:
    from trimtab.engines.transformers.engine import TransformersEngine


@torch.no_grad()
def write(
    engine: TransformersEngine, requests: Sequence[Request], *, together: bool, cached: bool
) -> Iterator[tuple[int, Writing]]:
    """Write texts batch by batch and yield (request, what is written of it) after each token.

    Args:
        engine: what runs the model.
        requests: what will be written.
        together: whether several texts share a batch. A row that ends waits for the others of its batch: a recurrent
            state cannot be handed to another row.
        cached: whether the model's cache is used; else texts run again for every token.
    """
    write_batch = _with_cache if cached else _again
    check = PushCheck()
    lengths = [r.most_tokens for r in requests]
    batches = filled(lengths, engine.budget.tokens) if together else [(i,) for i in range(len(requests))]
    for chosen in (part for batch in batches for part in _within_context(engine, requests, batch)):
        some = [requests[i] for i in chosen]
        for place, writing in write_batch(engine, some, check):
            yield chosen[place], writing
    check.warn_of_rest()
    check.warn_of_missed([request.intervention for request in requests])


def _within_context(
    engine: TransformersEngine, requests: Sequence[Request], batch: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """A batch, or its texts one by one: a finished row stays in its batch, and positions may end before."""
    limit = engine.backbone.context.tokens
    widest = max(len(requests[i].prompt) for i in batch) + max(requests[i].max_new_tokens for i in batch)
    return [batch] if not limit or widest <= limit else [(i,) for i in batch]


def _with_cache(
    engine: TransformersEngine, requests: Sequence[Request], check: PushCheck
) -> Iterator[tuple[int, Writing]]:
    backbone = engine.backbone
    batch = pad([_query(r.prompt, len(r.prompt)) for r in requests], unmarked, engine.pad_token)
    writings = [engine.writing(r) for r in requests]
    cache = None
    while True:
        # Only while the model runs: what the caller does between two tokens is none of our business.
        steering = _steering(engine, writings, batch, check)
        if cache is None:
            states, cache = run_with_own_cache(backbone, batch, steering)
        else:
            states = read_last_layer(backbone, batch, steering, cache)
        yield from _added(engine, writings, states)
        if all(w.finish is not None for w in writings):
            return
        tokens = torch.tensor([w.tokens[-1] if w.tokens else engine.pad_token for w in writings])
        batch = next_tokens(batch, tokens)


def _again(engine: TransformersEngine, requests: Sequence[Request], check: PushCheck) -> Iterator[tuple[int, Writing]]:
    """Each token from a pass over the whole texts."""
    writings = [engine.writing(r) for r in requests]
    while unfinished := [place for place, writing in enumerate(writings) if writing.finish is None]:
        some = [requests[place] for place in unfinished]
        texts = [(*requests[place].prompt, *writings[place].tokens) for place in unfinished]
        queries = [_query(text, len(r.prompt)) for text, r in zip(texts, some, strict=True)]
        batch = pad(queries, unmarked, engine.pad_token)
        with engine.isolated(max(len(text) for text in texts)):
            states = read_last_layer(
                engine.backbone, batch, _steering(engine, [writings[i] for i in unfinished], batch, check)
            )
        for place, writing in _added(engine, [writings[place] for place in unfinished], states):
            yield unfinished[place], writing


def _added(engine: TransformersEngine, writings: Sequence[Writing], states: Tensor) -> Iterator[tuple[int, Writing]]:
    """Add the next token of each text that is not finished."""
    logits = engine.backbone.logits(states)
    for place, (writing, token) in enumerate(zip(writings, choose(writings, logits), strict=True)):
        if writing.finish is None:
            writing.add(token)
            yield place, writing


def _steering(
    engine: TransformersEngine, writings: Sequence[Writing], batch: Batch, check: PushCheck
) -> AbstractContextManager[None]:
    """Pushes by the places that the tokens of a pass have in their texts: not every cache tells how long it is."""
    cells = [writing.request.intervention for writing in writings]
    markers = markers_for(cells, engine.backbone)
    marks = torch.zeros_like(batch.ids, dtype=torch.bool)
    for row, (writing, cell) in enumerate(zip(writings, cells, strict=True)):
        if cell is None:
            continue
        prompt = writing.request.prompt
        if parse_positions(cell.positions).reads_tokens:
            # A text that has ended waits for the others of its batch: whatever is pushed there, nobody reads it.
            text = (*prompt, *writing.tokens)
            found = steered_tokens(cell.positions, text, len(prompt), cell.first_token, markers)[-marks.shape[1] :]
            marks[row, marks.shape[1] - len(found) :] = found
        else:
            length = torch.tensor(len(prompt))
            marks[row] = is_steered(cell.positions, batch.positions[row], length, cell.first_token)
    if batch.padding is not None:
        marks &= batch.padding[:, -marks.shape[1] :].bool()
    return pushed(engine.backbone, cells, marks, check)


def _query(text: Sequence[int], prompt_length: int) -> Query:
    return Query((tuple(text),), ((0, len(text) - 1),), prompt_length)
