"""Writing texts row by row: rows that end make room for others, and every row has its own intervention."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trimtab.engines.requests import Request, Writing, extend
from trimtab.engines.transformers._forward import read_last_layer
from trimtab.engines.transformers.packing.budget import Budget
from trimtab.engines.transformers.sharing.kv_slots import STEP, RowPushes, SlotCache
from trimtab.engines.transformers.sharing.shared_cache import Beginning
from trimtab.engines.transformers.sharing.shared_prefixes import Opening, openings, openings_in_rows, row_parts
from trimtab.engines.transformers.streaming.together import start, together, weights_of
from trimtab.engines.transformers.writing._prefix_store import PrefixStore
from trimtab.engines.transformers.writing._row_checks import RowChecks
from trimtab.engines.transformers.writing._watching import run_watched
from trimtab.errors import TrimtabError
from trimtab.models import Facts
from trimtab.steering.phases import NextToken, markers_for

if TYPE_CHECKING:
    from trimtab.engines.transformers.engine import TransformersEngine


PREFIX_SHARE = 4
"""Beginnings of earlier texts take 1 / `PREFIX_SHARE` of what keys and values may take, beside those being written."""


@dataclass(eq=False)
class Row:
    """A text that is written, or waits for it."""

    key: int
    """The caller's."""
    writing: Writing

    @property
    def request(self) -> Request:
        """What is asked for."""
        return self.writing.request


class SlotWriter:
    """Writes any number of texts side by side; they join and leave between any two passes.

    For models whose state is keys and values only; others are written by `_padded_writing.BatchWriter`.

    Args:
        engine: what runs the model.
        check: of the pushes.
        lasting: whether callers come and go for long. Then prompts and tokens take turns, so that many prompts that
            come at once do not hold up the texts of others, and in float32 prompts that begin as earlier texts did do
            not run that beginning again; in 16 bits its rounding would be another. Else all prompts that fit run
            before the next token of any row, which is fastest.
    """

    def __init__(self, engine: TransformersEngine, check: RowChecks, *, lasting: bool):
        self.engine, self.check, self.lasting = engine, check, lasting
        store = PrefixStore(engine.backbone, engine.budget.cache_bytes // PREFIX_SHARE)
        self._prefixes = store if lasting and engine.backbone.dtype.itemsize >= torch.float32.itemsize else None
        self._has_opened = False
        """Whether the last pass was one over prompts."""
        self.cache, self.pushes = SlotCache(0, 0), RowPushes(engine.backbone.device, check)
        self._planned: deque[tuple[Opening, list[Row]]] = deque()
        """Prompts that will be run, and whose they are, in the order of `Opening.wanted`."""
        self._active: list[Row] = []
        """Row i stands in slot i of the cache."""
        self._next_tokens: dict[int, NextToken] = {}
        """By key, of the active rows."""
        self._pushed: list[tuple[int, bool]] = []
        self._heads: dict[object, object] = {}

    @property
    def rows(self) -> list[Row]:
        """Those that are written, and those that wait."""
        return [*self._active, *(row for _, rows in self._planned for row in rows)]

    def has_room(self, most_tokens: Sequence[int]) -> bool:
        """Whether texts that may reach these lengths can join at once."""
        lengths = [*(row.request.most_tokens for row in self.rows), *most_tokens]
        return len(lengths) <= self._rows_that_fit(max(lengths), len(lengths))

    def add(self, rows: Sequence[Row]) -> None:
        """Take in texts; prompts that begin alike are run together."""
        requests = [row.request for row in rows]
        most = self._rows_that_fit(max(r.most_tokens for r in requests), len(requests))
        markers = markers_for([request.intervention for request in requests], self.engine.backbone)
        known = self._known_beginnings(requests)
        rest = sorted(set(range(len(requests))).difference(*known))
        found = openings([requests[i] for i in rest], most, self.engine.budget, markers)
        planned = [(opening, [rows[rest[index]] for index, _, _ in opening.wanted]) for opening in found]
        for group in known:
            for opening in openings_in_rows(requests, list(group), most, self.engine.budget, list(group.values())):
                planned.append((opening, [rows[index] for index, _, _ in opening.wanted]))
        self._planned += planned

    def _known_beginnings(self, requests: Sequence[Request]) -> list[dict[int, Beginning]]:
        """What earlier texts have of the beginnings of some requests, by index; those of one length together."""
        if self._prefixes is None:
            return []
        groups: dict[int, dict[int, Beginning]] = {}
        for index, beginning in enumerate(self._prefixes.beginnings_of(requests)):
            if beginning is not None:
                groups.setdefault(beginning.length, {})[index] = beginning
        return list(groups.values())

    def step(self) -> list[Row]:
        """Run one pass: over prompts that wait and fit, or one token of every row. Returns the rows that moved."""
        self._leave()
        while self._planned and all(row.writing.ended for row in self._planned[0][1]):
            self._planned.popleft()
        if weights_of(self.engine.backbone) is not None:
            return self._step_together()
        turn = not self.lasting or not self._has_opened or not self._active
        self._has_opened = bool(self._planned) and turn and self._fits(self._planned[0][1])
        if self._has_opened:
            return self._open(*self._planned.popleft(), self._heads)
        return self._advance() if self._active else []

    def _step_together(self) -> list[Row]:
        """One stream over the weights: one token of every row, and beside them all prompts that wait and fit."""
        with together(self.engine.backbone):
            passes = [start(self._advance)] if self._active else []
            new: list[Row] = []
            # Heads are read by the passes of this stream only.
            heads: dict[object, object] = {}
            while self._planned and self._fits([*new, *self._planned[0][1]]):
                opening, rows = self._planned.popleft()
                new += rows
                passes.append(start(partial(self._open, opening, rows, heads)))
        return [row for one in passes for row in one.result()]

    def _fits(self, new: Sequence[Row]) -> bool:
        if not self._active and len(new) <= len(self._planned[0][1]):
            return True
        count = len(self._active) + len(new)
        return count <= self._rows_that_fit(max(row.request.most_tokens for row in self.rows), count)

    def _open(self, opening: Opening, rows: Sequence[Row], heads: dict[object, object]) -> list[Row]:
        """Run prompts; the rows that continue after their first token are put into the cache."""
        try:
            states, recorded, packed = self.engine.run_prefix_layers(opening, heads, self.check)
        except TrimtabError as error:
            heads.clear()
            if len(rows) > 1:  # it may be of one of them only: each by itself
                for row in reversed(rows):
                    waiting, self._planned = self._planned, deque()
                    self.add([row])
                    self._planned.extend(waiting)
                return []
            rows[0].writing.error = error
            return list(rows)
        wanted = torch.stack([states[1 + cell, prompt] for _, prompt, cell in opening.wanted])
        alive = [not row.writing.ended for row in rows]
        self.check.mark_rows([row.writing for row in rows])
        extend([row.writing for row in rows], self.engine.backbone.logits(wanted))
        self._make_room(rows)
        for (_, prompt, cell), row in zip(opening.wanted, rows, strict=True):
            if not row.writing.ended:
                self.cache.append(row_parts(opening, packed, recorded, prompt, cell))
                self._active.append(row)
                request = row.request
                markers = markers_for([request.intervention], self.engine.backbone)
                self._next_tokens[row.key] = NextToken(request.intervention, request.prompt, markers)
        return [row for row, lives in zip(rows, alive, strict=True) if lives]

    def _advance(self) -> list[Row]:
        """One token of every row."""
        rows = list(self._active)
        now = [(row.key, self._next_tokens[row.key].add(row.writing.tokens[-1])) for row in rows]
        if now != self._pushed:
            self.pushes.set([row.request.intervention if on else None for row, (_, on) in zip(rows, now, strict=True)])
            self._pushed = now
        writings = [row.writing for row in rows]
        logits = self._run([writing.tokens[-1] for writing in writings], writings)
        self.check.mark_rows(writings)
        extend(writings, logits)
        self._leave()
        return rows

    def _run(self, tokens: Sequence[int], writings: Sequence[Writing]) -> Tensor:
        """One token of every row: logits [rows, vocabulary]."""
        backbone, batch = self.engine.backbone, self.cache.next_batch(tokens)
        steering = self.pushes.on(backbone.model, backbone.anatomy.layers)
        run = partial(read_last_layer, backbone, batch, cache=self.cache)
        states = run_watched(backbone, batch, writings, steering, run)
        self.check.settle(states.dtype)
        self.cache.advance()
        return backbone.logits(states)

    def _leave(self) -> None:
        """Close the rows that have ended."""
        for place in reversed(range(len(self._active))):
            row = self._active[place]
            if row.writing.ended:
                if self._prefixes is not None:
                    parts = self.cache.parts(place)
                    text = (*row.request.prompt, *row.writing.tokens)[: self.cache.lengths[place]]
                    self._prefixes.add(row.request, text, parts)
                self.cache.remove(place)
                self._active[place] = self._active[-1]
                self._active.pop()
                del self._next_tokens[row.key]
        if not self._active and not self._planned:
            self.cache.reserve(0, 0)
            self._heads.clear()
            self._pushed = []
            self.pushes.set([])

    def _make_room(self, new: Sequence[Row]) -> None:
        """See that the cache has places for rows that join, and no more places than memory allows."""
        every = self.rows
        tokens = places(max(row.request.most_tokens for row in [*every, *new]))
        needed = len(self._active) + len(new)
        most = self._rows_that_fit(tokens, needed + len(every))
        if self.cache.rows < needed or self.cache.tokens < tokens or self.cache.rows > most:
            # As many as will join soon, and at least twice as many: rows that come one by one do not move the others
            # each time.
            wanted = max(needed, min(max(needed + len(every) - len(self._active), 2 * self.cache.rows), most))
            self.cache.reserve(wanted, tokens)

    def _rows_that_fit(self, tokens: int, wanted: int) -> int:
        backbone = self.engine.backbone
        return rows_that_fit(backbone.facts, backbone.dtype, self.engine.budget, places(tokens), wanted)


def places(tokens: int) -> int:
    """Cache places of a row that grows to this many tokens, rounded up to whole steps."""
    return -(-tokens // STEP) * STEP


def rows_that_fit(facts: Facts, dtype: torch.dtype, budget: Budget, tokens: int, wanted: int) -> int:
    """How many rows of this many tokens the memory has keys and values for, at least one."""
    each = 2 * facts.layers * facts.kv_heads * facts.head_size * tokens * dtype.itemsize
    return max(1, min(budget.rows, wanted, budget.cache_bytes // max(1, each)))
