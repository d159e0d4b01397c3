"""The writer of the default engine: texts join and leave at any token, each written in the way that is exact for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

import torch

from trimtab.engines.requests import Request, Writing
from trimtab.engines.transformers.packing.batches import Query
from trimtab.engines.transformers.packing.schedule import most_columns
from trimtab.engines.transformers.streaming.together import start, together, weights_of
from trimtab.engines.transformers.streaming.writing_cost import require_worth
from trimtab.engines.transformers.writing._padded_writing import BatchWriter
from trimtab.engines.transformers.writing._row_checks import RowChecks
from trimtab.engines.transformers.writing.slot_writing import Row, SlotWriter, places
from trimtab.errors import SettingError
from trimtab.steering import check_layers, require_layers
from trimtab.steering.phases import markers_for

if TYPE_CHECKING:
    from trimtab.engines.transformers.engine import TransformersEngine


MIN_AHEAD = 256
"""Tokens of a text up to which a lasting writer tries a model at once."""


class TransformersWriter:
    """Continues texts of any number of callers, pass by pass; see `trimtab.engines.base.Writer`.

    Args:
        engine: what runs the model.
        lasting: whether callers come and go for long: prompts and tokens take turns, no more is remembered of texts
            that have ended than what later ones may begin with, and what has to be tried of the model is tried
            seldom, for longer texts than the present.
    """

    def __init__(self, engine: TransformersEngine, *, lasting: bool = False):
        self.engine, self.lasting = engine, lasting
        self._check = RowChecks()
        self._slots = SlotWriter(engine, self._check, lasting=lasting)
        self._batches = BatchWriter(engine, self._check)
        self._added: list[Row] = []
        self._rows: dict[int, Row] = {}
        self._uses: Counter[int] = Counter()
        """How many rows have an intervention, by its id."""
        self._keys = count()
        self._batch_next = False
        self._asked = 0
        """Length up to which the model has been tried."""
        self._in_slots = True
        """Whether the last texts that came are written in slots."""

    @property
    def rows(self) -> int:
        """Texts that are written or wait."""
        return len(self._rows)

    def has_room(self, request: Request) -> bool:
        """Whether a text can join without waiting for others to end."""
        if self._batches.rows and not self._in_slots:
            return False
        return self._slots.has_room([*(row.request.most_tokens for row in self._added), request.most_tokens])

    def add(self, request: Request) -> int:
        """Take in a text and return its key: 0 for the first, then one more each time.

        Raises:
            SettingError: for a layer the model does not have, positions of thinking for a model that has none, or a
                gate on the prompt that has not been decided.
        """
        cell = request.intervention
        check_layers([cell], self.engine.backbone.facts.layers)
        require_worth(self.engine.backbone, request.max_new_tokens, self.engine.max_writing_hours)
        if request.watch is not None:
            require_layers(request.watch.layers, self.engine.backbone.facts.layers)
        markers_for([cell], self.engine.backbone)
        if cell is not None and cell.prompt_gates:
            raise SettingError("a gate on the prompt is decided for each text: run it by the methods of trimtab.Model")
        row = Row(next(self._keys), self.engine.writing(request))
        self._rows[row.key] = row
        self._added.append(row)
        self._uses[id(cell)] += 1
        return row.key

    def cancel(self, key: int) -> None:
        """Give up a text, from the next pass on; nothing happens where it has ended."""
        if key in self._rows:
            self._rows[key].writing.cancelled = True
            self._end(key)
            self._forget()

    @torch.no_grad()
    def step(self) -> list[tuple[int, Writing]]:
        """Run one pass; returns (key, what is written) of every text that moved.

        Those that have `ended` are finished or have failed, each by itself, and are not heard of again.
        """
        if self._added:
            added, self._added = [row for row in self._added if not row.writing.ended], []
            self._assign(added)
        moved = self._moved()
        for row in moved:
            if row.writing.ended:
                self._end(row.key)
        self._forget()
        return [(row.key, row.writing) for row in moved]

    def _moved(self) -> list[Row]:
        """The rows that one pass moves, or one stream over the weights."""
        if weights_of(self.engine.backbone) is not None:
            with together(self.engine.backbone):
                both = [start(self._slots.step), start(self._batches.step)]
            return [row for one in both for row in one.result()]
        # Passes of the two kinds in turns, so that neither waits for the other's end.
        first, second = (self._batches, self._slots) if self._batch_next else (self._slots, self._batches)
        self._batch_next = not self._batch_next
        return first.step() or second.step()

    def warn(self, requests: Sequence[Request]) -> None:
        """At the end of a job: say which pushes did nothing."""
        self._check.warn_of_rest()
        self._check.warn_of_missed([request.intervention for request in requests])

    def close(self) -> None:
        """Give up all texts."""
        for key in list(self._rows):
            self.cancel(key)

    def _end(self, key: int) -> None:
        cell = self._rows.pop(key).request.intervention
        self._uses[id(cell)] -= 1
        if not self._uses[id(cell)]:
            del self._uses[id(cell)]

    def _forget(self) -> None:
        """Hold pushes no longer that no text will use."""
        if self.lasting:
            self._check.hold_only(self._uses)

    def _assign(self, rows: Sequence[Row]) -> None:
        """Hand texts to what writes them exactly: in slots, in batches, or one by one."""
        if not rows:
            return
        engine = self.engine
        engine.exactness.forget()
        if self.lasting:
            self._ask_ahead(max(row.request.most_tokens for row in rows))
        queries, lengths = [_query(row) for row in rows], [row.request.most_tokens for row in rows]
        columns, steers = most_columns(queries, engine.budget), _steers(rows)
        longest = max(query.longest for query in queries)
        engine.exactness.ask_together(columns, longest, fastest=engine.fastest, cells=steers)
        batchable, apart = engine.split_batchable(lengths, columns)
        self._in_slots = bool(batchable) and self._fit_slots([rows[i] for i in batchable])
        if self._in_slots:
            self._slots.add([rows[i] for i in batchable])
        elif batchable:
            length = places(max(rows[i].request.most_tokens for i in batchable))
            side_by_side, cached = engine.exactness.plain_writing(length, engine.plain)
            self._batches.add([rows[i] for i in batchable], together=side_by_side, cached=cached)
        if apart:
            self._batches.add([rows[i] for i in apart], together=False, cached=False)

    def _fit_slots(self, rows: Sequence[Row]) -> bool:
        length = places(max(row.request.most_tokens for row in rows))
        mode = self.engine.mode([_query(row) for row in rows], cells=_steers(rows))
        return mode == "packed" and self.engine.exactness.slots(length)

    def _ask_ahead(self, length: int) -> None:
        """Try what is exact up to the next power of two, so that texts a little longer do not ask again.

        What does not hold there is asked again at the length of the texts.
        """
        ahead = max(MIN_AHEAD, 1 << (length - 1).bit_length())
        ahead = min(ahead, self.engine.backbone.context.tokens or ahead)
        if ahead > self._asked and not self.engine.too_long(ahead):
            self._asked = ahead
            query = Query(((0,) * ahead,), (), ahead)
            self.engine.split_batchable([ahead], most_columns([query], self.engine.budget))
            if self.engine.mode([query], cells=True) == "packed":
                self.engine.exactness.slots(ahead)


def _steers(rows: Sequence[Row]) -> bool:
    return any(row.request.intervention is not None for row in rows)


def _query(row: Row) -> Query:
    prompt = row.request.prompt
    return Query((prompt,), (), len(prompt))
