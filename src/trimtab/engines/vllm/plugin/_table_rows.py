"""Rows of a table that requests hold while they run: shared by equal steering, counted, freed when requests end."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Hashable


class TableFull(Exception):
    """More different pushes run at once than the table has rows."""


class Rows:
    """Which row of a table holds which push. Row 0 is nobody's: it holds no push."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._free = list(range(capacity, 0, -1))
        self._row: dict[Hashable, int] = {}
        self._holders: dict[Hashable, set[str]] = {}
        self._held_by: dict[str, Hashable] = {}
        self._idle: OrderedDict[Hashable, None] = OrderedDict()
        """Keys that nobody holds any more, the longest unused first; their rows are still good."""

    def take(self, key: Hashable, request: str) -> tuple[int, bool]:
        """The row of a push for a request, and whether the row has to be written.

        Raises:
            TableFull: when every row is held by a running request.
        """
        if self._held_by.get(request, key) != key:
            self.release([request])
        known = key in self._row
        if not known:
            self._row[key] = self._a_free_row()
            self._holders[key] = set()
        self._held_by[request] = key
        self._holders[key].add(request)
        self._idle.pop(key, None)
        return self._row[key], not known

    def _a_free_row(self) -> int:
        if self._free:
            return self._free.pop()
        if not self._idle:
            raise TableFull(f"all {self.capacity} rows are held by running requests")
        oldest, _ = self._idle.popitem(last=False)
        del self._holders[oldest]
        return self._row.pop(oldest)

    def release(self, requests: Collection[str]) -> None:
        """Requests have ended."""
        for request in requests:
            key = self._held_by.pop(request, None)
            if key is not None:
                holders = self._holders[key]
                holders.discard(request)
                if not holders:
                    self._idle[key] = None

    def keep_only(self, running: Collection[str]) -> None:
        """Release what is held by requests that run no more."""
        self.release([request for request in self._held_by if request not in running])

    @property
    def held(self) -> int:
        """Rows that running requests hold."""
        return len(self._row) - len(self._idle)
