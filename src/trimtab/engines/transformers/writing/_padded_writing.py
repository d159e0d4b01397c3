"""Writing texts with models whose state is more than keys and values: plain left-padded batches, or one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trimtab.engines.requests import Writing, extend
from trimtab.engines.transformers._forward import next_tokens, pushed, read_last_layer, run_with_own_cache
from trimtab.engines.transformers.packing.batches import Batch, Query, pad
from trimtab.engines.transformers.packing.schedule import filled, unmarked
from trimtab.engines.transformers.streaming.together import start, together, weights_of
from trimtab.engines.transformers.writing._row_checks import RowChecks
from trimtab.engines.transformers.writing._watching import run_watched
from trimtab.engines.transformers.writing.slot_writing import Row
from trimtab.steering import is_steered, parse_positions
from trimtab.steering.phases import markers_for, steered_tokens

if TYPE_CHECKING:
    from trimtab.engines.transformers.engine import TransformersEngine


class BatchWriter:
    """Writes texts batch by batch.

    A row that ends waits for the others of its batch: a recurrent state cannot be handed to another row.
    """

    def __init__(self, engine: TransformersEngine, check: RowChecks):
        self.engine, self.check = engine, check
        self._waiting: deque[tuple[list[Row], bool]] = deque()
        """Batches, and whether they use the model's cache."""
        self._running: list[tuple[list[Row], Iterator[None]]] = []
        """Batches that are written, and their passes: one at a time, or all where weights are streamed."""

    @property
    def rows(self) -> list[Row]:
        """Those that are written, and those that wait."""
        every = [row for rows, _ in (*self._running, *self._waiting) for row in rows]
        return [row for row in every if not row.writing.ended]

    def add(self, rows: Sequence[Row], *, together: bool, cached: bool) -> None:
        """Take in texts.

        Args:
            rows: what will be written.
            together: whether several texts share a batch.
            cached: whether the model's cache is used; else texts run again for every token.
        """
        lengths = [row.request.most_tokens for row in rows]
        batches = filled(lengths, self.engine.budget.tokens) if together else [(i,) for i in range(len(rows))]
        for batch in batches:
            self._waiting += [(some, cached) for some in self._within_context([rows[i] for i in batch])]

    def step(self) -> list[Row]:
        """Run one pass of a batch, or of all in one stream over the weights; returns the rows that moved."""
        self._leave()
        streamed = weights_of(self.engine.backbone) is not None
        while self._waiting and (streamed or not self._running):
            rows, cached = self._waiting.popleft()
            if alive := [row for row in rows if not row.writing.ended]:
                write = _with_cache if cached else _again
                passes = write(self.engine, [row.writing for row in alive], self.check)
                self._running.append((alive, passes))
        moving = [row for rows, _ in self._running for row in rows if not row.writing.ended]
        with together(self.engine.backbone):
            moved = [start(partial(next, passes)) for _, passes in self._running]
        for one in moved:
            one.result()
        self._leave()
        return moving

    def _leave(self) -> None:
        """Drop batches whose texts have all ended, and their caches."""
        self._running = [one for one in self._running if not all(row.writing.ended for row in one[0])]

    def _within_context(self, batch: list[Row]) -> list[list[Row]]:
        """A batch, or its texts one by one: a finished row stays in its batch, and positions may end before."""
        limit = self.engine.backbone.context.tokens
        widest = max(len(row.request.prompt) for row in batch) + max(row.request.max_new_tokens for row in batch)
        return [batch] if not limit or widest <= limit else [[row] for row in batch]


def _with_cache(engine: TransformersEngine, writings: Sequence[Writing], check: RowChecks) -> Iterator[None]:
    """Add a token to each text that has not ended, pass by pass."""
    backbone = engine.backbone
    batch = pad([_query(w.request.prompt, len(w.request.prompt)) for w in writings], unmarked, engine.pad_token)
    cache = None
    while True:
        # Only while the model runs: what the caller does between two tokens is none of our business.
        steering = _steering(engine, writings, batch, check)
        if cache is None:
            states, cache = run_with_own_cache(backbone, batch, steering)
        else:
            run = partial(read_last_layer, backbone, batch, cache=cache)
            states = run_watched(backbone, batch, writings, steering, run)
        _extend(engine, writings, states, check)
        yield
        tokens = torch.tensor([w.tokens[-1] if w.tokens else engine.pad_token for w in writings])
        batch = next_tokens(batch, tokens)


def _again(engine: TransformersEngine, writings: Sequence[Writing], check: RowChecks) -> Iterator[None]:
    """Each token from a pass over the whole texts."""
    while True:
        some = [writing for writing in writings if not writing.ended]
        queries = [_query((*w.request.prompt, *w.tokens), len(w.request.prompt)) for w in some]
        batch = pad(queries, unmarked, engine.pad_token)
        with engine.isolated(max(query.longest for query in queries)):
            steering = _steering(engine, some, batch, check)
            states = run_watched(
                engine.backbone, batch, some, steering, partial(read_last_layer, engine.backbone, batch)
            )
        _extend(engine, some, states, check)
        yield


def _extend(engine: TransformersEngine, writings: Sequence[Writing], states: Tensor, check: RowChecks) -> None:
    check.mark_rows(writings)
    extend(writings, engine.backbone.logits(states))


def _steering(
    engine: TransformersEngine, writings: Sequence[Writing], batch: Batch, check: RowChecks
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
