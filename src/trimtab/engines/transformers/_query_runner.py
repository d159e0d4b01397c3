"""Runs queries through a model: in packed trees, in padded rows or one by one, as is exact for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from trimtab.engines.base import leave_out
from trimtab.engines.transformers._forward import (
    read_layers,
    record,
    record_layers,
    run_cells,
    run_layers,
)
from trimtab.engines.transformers._layer_arguments import UnknownArgumentError
from trimtab.engines.transformers.packing.batches import Batch, Marks, Packed, Query, in_order, one_by_one, pack, pad
from trimtab.engines.transformers.packing.budget import Budget, budget_for, free
from trimtab.engines.transformers.packing.schedule import most_columns, schedule, unmarked
from trimtab.engines.transformers.probing.exactness import Mode, exactness_of
from trimtab.engines.transformers.sharing.shared_cache import Beginning
from trimtab.engines.transformers.streaming.stream_groups import share_streams, state_bytes
from trimtab.engines.transformers.streaming.together import PassBytes, start, together, weights_of
from trimtab.engines.transformers.streaming.writing_cost import MAX_WRITING_HOURS
from trimtab.models import Backbone, is_divided, least_free
from trimtab.steering import Intervention, PushCheck

Heads = TypeVar("Heads")
Result = TypeVar("Result")
Finish = Callable[[tuple[int, ...], Tensor], Result]
"""(indices of queries, states of the tokens that they read) → what is wanted of them."""


@dataclass(frozen=True, eq=False)
class Head:
    """What all sequences begin with, already run."""

    tokens: tuple[int, ...] = ()
    beginning: Beginning | None = None


class QueryRunner:
    """Lays queries out, runs them, and reads the states that they ask for.

    Args:
        backbone: the model.
        memory_bytes: what activations may take; see `budget_for`.
        fastest: how texts run together where the model allows it. Tests compare this with slower ways.
        max_writing_hours: what writing a text may take while weights are streamed; more is refused.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        memory_bytes: int | None = None,
        fastest: Mode = "packed",
        max_writing_hours: float = MAX_WRITING_HOURS,
    ):
        self.backbone, self.max_writing_hours = backbone, max_writing_hours
        self.fastest: Mode = fastest
        of_gpu = least_free if is_divided(backbone.model) else free
        self.budget: Budget = budget_for(backbone.facts, backbone.devices, backbone.dtype, memory_bytes, of_gpu)
        self.exactness = exactness_of(backbone)
        self._first_norms: dict[tuple[int, ...], Tensor] = {}
        """Mean norm of tokens that texts begin with, where it has been read beside a job."""

    @property
    def pad_token(self) -> int:
        """What fills rows up; it is never seen by a real token."""
        tokenizer = self.backbone.tokenizer
        candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        return int(next(token for token in candidates if token is not None))

    @property
    def plain(self) -> Mode:
        """How texts run together where they are not packed."""
        return self.exactness.plain_mode(self.fastest)

    @property
    def _state_size(self) -> tuple[int, int]:
        """Dimensions of the states, and bytes of each number."""
        return self.backbone.facts.width, self.backbone.dtype.itemsize

    def mode(self, queries: Sequence[Query], *, cells: bool = False) -> Mode:
        """How these queries run together, in a staircase or not; see `Exactness.mode`."""
        longest = max(query.longest for query in queries)
        columns = most_columns(queries, self.budget)
        return self.exactness.mode(columns, longest, fastest=self.fastest, cells=cells)

    def parts(self, queries: Sequence[Query], *, cells: bool) -> Iterator[tuple[Mode, list[int]]]:
        """Queries that run in the same way: those that can share a batch, and those too long for that."""
        self.exactness.forget()
        lengths, columns = [query.longest for query in queries], most_columns(queries, self.budget)
        self.exactness.ask_together(columns, max(lengths), fastest=self.fastest, cells=cells)
        batchable, apart = self.split_batchable(lengths, columns)
        if batchable:
            yield self.mode([queries[i] for i in batchable], cells=cells), batchable
        if apart:
            self.exactness.require_alone()
            yield "alone", apart

    def split_batchable(self, lengths: Sequence[int], columns: int = 0) -> tuple[list[int], list[int]]:
        """Indices of the texts that leave others in their batch as they are, and of those that do not.

        `columns` are those of the widest row that packing could make of them.
        """
        limit = self.exactness.longest_in_batch(max(lengths), columns if self.fastest == "packed" else 0)
        apart = [i for i, length in enumerate(lengths) if length > limit]
        return [i for i, length in enumerate(lengths) if length <= limit], apart

    def every_state(
        self,
        queries: Sequence[Query],
        layers: Sequence[int] | None,
        finish: Finish[Result],
        beside: Callable[[], object] = lambda: None,
    ) -> Iterator[Result]:
        """Run queries unsteered, and `beside`; stream `finish` of (indices, states [reads, layers, d_model])."""
        for number, (mode, part) in enumerate(self.parts(queries, cells=False)):
            also = (lambda: None) if number else beside
            yield from self._part_read([queries[i] for i in part], part, mode, layers, finish, also)

    def _part_read(
        self,
        queries: list[Query],
        part: list[int],
        mode: Mode,
        layers: Sequence[int] | None,
        finish: Finish[Result],
        beside: Callable[[], object],
    ) -> Iterator[Result]:
        """Queries that run in the same way; `part` has their indices."""
        plan = schedule(queries, 0, unmarked, self.budget, share=mode == "packed")

        def read(batch: Batch, beginning: Beginning | None = None) -> Tensor:
            return read_layers(self.backbone, batch, beginning, layers)

        def run_batch(chosen: Sequence[int], head: Head) -> Result:
            some = [queries[i] for i in chosen]
            if mode == "alone":
                states = self._alone(some, unmarked, read, axis=0)
            else:
                states = read(self._lay_out(some, head, unmarked, mode, share=False).present, head.beginning)
            return finish(tuple(part[i] for i in chosen), states)

        count = self.backbone.facts.layers if layers is None else len(layers)
        sizes = state_bytes(*self._state_size, queries, plan, self.budget, reads_each=count * torch.float32.itemsize)
        head = partial(self.run_head, plan.head, queries, unmarked, ())
        yield from self._each_batch(plan.batches, sizes, head, run_batch, beside=beside)

    def every_cell(
        self,
        queries: Sequence[Query],
        cells: Sequence[Intervention],
        marks: Marks,
        done: Collection[int],
        finish: Finish[Result],
    ) -> Iterator[Result]:
        """Run queries in every cell; stream what `finish` makes of the states of batches.

        It is given (indices, states [1 + cells, reads, d_model]).
        """
        check = PushCheck()
        for mode, part in self.parts(queries, cells=bool(cells)):
            if cells:  # asked before any batch is under way
                self.exactness.stairs(mode)
            mine = [queries[i] for i in part]
            if any(index not in done for index in part):
                yield from self._part_in_cells(mine, part, mode, cells, marks, done, finish, check)
        check.warn_of_rest()

    def _part_in_cells(
        self,
        queries: list[Query],
        part: list[int],
        mode: Mode,
        cells: Sequence[Intervention],
        marks: Marks,
        done: Collection[int],
        finish: Finish[Result],
        check: PushCheck,
    ) -> Iterator[Result]:
        """Queries that run in the same way."""
        plan = schedule(queries, len(cells), marks, self.budget, share=mode == "packed")
        groups = [[cells[i] for i in group] for group in plan.groups] or [[]]

        def run_heads() -> list[Head]:
            return [self.run_head(plan.head, queries, marks, group, check) for group in groups]

        def run_batch(chosen: Sequence[int], heads: list[Head]) -> Result:
            some = [queries[i] for i in chosen]
            passes = [
                start(partial(self._in_cells, some, marks, group, head, mode, check))
                for group, head in zip(groups, heads, strict=True)
            ]
            states = [one.result() for one in passes]
            whole = torch.cat([states[0], *(block[1:] for block in states[1:])])
            return finish(tuple(part[i] for i in chosen), whole)

        def is_left_out(chosen: Sequence[int]) -> bool:
            return leave_out([part[i] for i in chosen], done)

        todo = [i for i, chosen in enumerate(plan.batches) if any(part[place] not in done for place in chosen)]
        sizes = state_bytes(*self._state_size, queries, plan, self.budget)
        batches, sizes = [plan.batches[i] for i in todo], [sizes[i] for i in todo]
        yield from self._each_batch(batches, sizes, run_heads, run_batch, is_left_out)

    def _each_batch(
        self,
        batches: Sequence[tuple[int, ...]],
        sizes: Sequence[PassBytes],
        run_heads: Callable[[], Heads],
        run_batch: Callable[[Sequence[int], Heads], Result],
        is_left_out: Callable[[Sequence[int]], bool] = lambda chosen: False,
        beside: Callable[[], object] | None = None,
    ) -> Iterator[Result]:
        """Run batches one by one; with streamed weights all that have room side by side, and with the first `beside`.

        Each is asked about right before it would run: others may have taken it meanwhile.
        """
        if not batches:
            return
        if weights_of(self.backbone) is None:
            heads = run_heads()
            for chosen in batches:
                if not is_left_out(chosen):
                    yield run_batch(chosen, heads)
            return
        shared = share_streams(sizes, self.budget)
        for group, needs in zip(shared.groups, shared.needs, strict=True):
            with together(self.backbone, self.budget.waiting_bytes, needs):
                if beside is not None:
                    start(beside)
                    beside = None
                heads = run_heads()  # again in each stream: what nobody reads any more is freed layer by layer
                passes = [start(partial(run_batch, batches[i], heads)) for i in group if not is_left_out(batches[i])]
            yield from (one.result() for one in passes)

    def run_head(
        self,
        tokens: tuple[int, ...],
        queries: Sequence[Query],
        marks: Marks,
        cells: Sequence[Intervention],
        check: PushCheck | None = None,
    ) -> Head:
        """Run the head: one row for each cell where its tokens are steered, a single row where none is."""
        if not tokens:
            return Head()
        batch = pad([Query((tokens,), (), queries[0].prompt_length)], marks, self.pad_token)
        if bool(batch.steered.any()):
            return Head(tokens, record_layers(self.backbone, batch, cells, self.exactness.arguments, check))
        return Head(tokens, record(self.backbone, batch))

    @contextmanager
    def isolated(self, length: int) -> Iterator[None]:
        """A pass of texts of `length` tokens: what the longest ones leave behind in a model ends with it."""
        apart = bool(self.split_batchable([length])[1])
        if apart:
            self.exactness.forget()
        try:
            yield
        finally:
            if apart:
                self.exactness.forget()

    def _in_cells(
        self,
        queries: Sequence[Query],
        marks: Marks,
        cells: Sequence[Intervention],
        head: Head,
        mode: Mode,
        check: PushCheck,
    ) -> Tensor:
        """States of the wanted tokens, [1 + cells, reads, d_model]."""
        stairs = not cells or self.exactness.stairs(mode)

        def plain(batch: Batch) -> Tensor:
            return run_cells(self.backbone, batch, cells, None, check)

        def read(batch: Batch, beginning: Beginning | None = None) -> Tensor:
            if stairs:
                try:
                    return run_layers(self.backbone, batch, cells, beginning, self.exactness.arguments, check=check)
                except UnknownArgumentError:  # longer texts may bring what short ones do not
                    self.exactness.tell_of_passes()
                    # It has a row for each cell, or is read by the passes that are under way only.
                    streamed = weights_of(self.backbone) is not None
                    if beginning is not None and (beginning.per_cell or streamed):
                        return self._alone(queries, marks, plain, axis=1)
            return run_cells(self.backbone, batch, cells, beginning, check)

        if mode == "alone":
            return self._alone(queries, marks, read, axis=1)
        beginning, packed = self.run_beginning(queries, marks, head, mode)
        return read(packed.present, beginning)

    def _alone(self, queries: Sequence[Query], marks: Marks, read: Callable[[Batch], Tensor], axis: int) -> Tensor:
        """Read every sequence in a pass of its own; `axis` is that of the reads."""
        parts = []
        for query, places in one_by_one(queries):
            with self.isolated(query.longest):
                parts.append((places, start(partial(read, pad([query], marks, self.pad_token)))))
        return in_order([(places, one.result()) for places, one in parts], axis)

    def run_beginning(
        self, queries: Sequence[Query], marks: Marks, head: Head, mode: Mode
    ) -> tuple[Beginning | None, Packed]:
        """Lay queries out and run what is the same in every cell: its keys and values, the head's among them."""
        beginning = head.beginning
        # Behind a steered head nothing is the same in every cell.
        packed = self._lay_out(queries, head, marks, mode, share=beginning is None or not beginning.per_cell)
        if packed.beginning is not None:
            beginning = record(self.backbone, packed.beginning, beginning)
        return beginning, packed

    def _lay_out(self, queries: Sequence[Query], head: Head, marks: Marks, mode: Mode, *, share: bool) -> Packed:
        if mode != "packed":
            return Packed(None, pad(queries, marks, self.pad_token))
        budget = self.budget
        return pack(queries, head.tokens, marks, budget.row_tokens, share=share, recurring=budget.recurring)
