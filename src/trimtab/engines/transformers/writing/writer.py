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
from trimtab.engines.transformers.writing._padded_writing import BatchWriter
from trimtab.engines.transformers.writing._row_checks import RowChecks
from trimtab.engines.transformers.writing.slot_writing import Row, SlotWriter, places
from trimtab.errors import SettingError
from trimtab.steering import check_layers
from trimtab.steering.phases import markers_for

if TYPE_CHECKING:
    from trimtab.engines.transformers.engine import TransformersEngine


class TransformersWriter:
    """Continues texts of any number of callers, pass by pass; see `trimtab.engines.base.Writer`.

    Args:
        engine: what runs the model.
        lasting: whether callers come and go for long: nothing is remembered of texts that have ended, and what has to
            be tried of the model is tried at once for texts twice as long.
    """

    def __init__(self, engine: TransformersEngine, *, lasting: bool = False):
        self.engine, self.lasting = engine, lasting
        self._check = RowChecks()
        self._slots = SlotWriter(engine, self._check)
        self._batches = BatchWriter(engine, self._check)
        self._added: list[Row] = []
        self._rows: dict[int, Row] = {}
        self._uses: Counter[int] = Counter()
        """How many rows have an intervention, by its id."""
        self._keys = count()
        self._batch_next = False

    @property
    def rows(self) -> int:
        """Texts that are written or wait."""
        return len(self._rows)

    def has_room(self, request: Request) -> bool:
        """Whether a text can join without waiting for others to end."""
        if self._batches.rows:
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

    @torch.no_grad()
    def step(self) -> list[tuple[int, Writing]]:
        """Run one pass; returns (key, what is written) of every text that moved.

        Those that have `ended` are finished or have failed, each by itself, and are not heard of again.
        """
        if self._added:
            added, self._added = [row for row in self._added if not row.writing.ended], []
            self._assign(added)
        # Passes of the two kinds in turns, so that neither waits for the other's end.
        first, second = (self._batches, self._slots) if self._batch_next else (self._slots, self._batches)
        self._batch_next = not self._batch_next
        moved = first.step() or second.step()
        for row in moved:
            if row.writing.ended:
                self._end(row.key)
        return [(row.key, row.writing) for row in moved]

    def warn(self, requests: Sequence[Request]) -> None:
        """At the end of a job: say which pushes did nothing."""
        self._check.warn_of_rest()
        self._check.warn_of_missed([request.intervention for request in requests])

    def _end(self, key: int) -> None:
        cell = self._rows.pop(key).request.intervention
        self._uses[id(cell)] -= 1
        if not self._uses[id(cell)]:
            del self._uses[id(cell)]
            if self.lasting and cell is not None:
                self._check.forget(cell)

    def _assign(self, rows: Sequence[Row]) -> None:
        """Hand texts to what writes them exactly: in slots, in batches, or one by one."""
        if not rows:
            return
        engine, exactness = self.engine, self.engine.exactness
        exactness.forget()
        columns = most_columns([_query(row) for row in rows], engine.budget)
        together, apart = engine.split_batchable([row.request.most_tokens for row in rows], columns)
        if together:
            some = [rows[i] for i in together]
            steers = any(row.request.intervention is not None for row in some)
            length = places(max(row.request.most_tokens for row in some))
            if engine.mode([_query(row) for row in some], cells=steers) == "packed" and exactness.slots(length):
                self._slots.add(some)
            else:
                side_by_side, cached = exactness.plain_writing(length, engine.plain)
                self._batches.add(some, together=side_by_side, cached=cached)
        if apart:
            self._batches.add([rows[i] for i in apart], together=False, cached=False)


def _query(row: Row) -> Query:
    prompt = row.request.prompt
    return Query((prompt,), (), len(prompt))
