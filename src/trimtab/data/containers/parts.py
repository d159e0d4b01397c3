"""A table that is stored in several files, read in their order as one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from trimtab.data.containers import Rows, read_container, row_problems
from trimtab.data.containers._byte_streams import READ_LESS
from trimtab.data.containers.row_problems import PAIRS_FILE, Problems
from trimtab.inputs.bounded_files import MIB
from trimtab.inputs.json_text import count_values


class TablePart(Protocol):
    """One of the files, which is fetched when it is wanted."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def fetch(self) -> Path:
        """A local copy."""
        ...


class PartProblems(Problems):
    """What is wrong with rows of several files, which are numbered from the first to the last file."""

    def __init__(self, path: str):
        super().__init__(path)
        self._names: list[str] = []
        self._ends: list[int] = []

    def take_in(self, name: str, own: Problems, rows: int) -> None:
        """Take in the problems of the next file.

        Args:
            name: what messages call the file.
            own: what is wrong with it.
            rows: how many rows it has.
        """
        before = self.end
        self.unit, self.stopped = own.unit, self.stopped or own.stopped
        for line, message in own.numbered():
            self.add(before + line if line else 0, message if line else f"{name}: {message}")
        self._names.append(name)
        self._ends.append(before + rows)

    @property
    def end(self) -> int:
        """How many rows the files that were taken in have."""
        return self._ends[-1] if self._ends else 0

    def place(self, line: int) -> str:
        """The file in which a row stands, and its number there."""
        number = bisect_left(self._ends, line)
        if number == len(self._ends):
            return super().place(line)
        own = Problems(self._names[number])
        own.unit = self.unit
        return own.place(line - (self._ends[number - 1] if number else 0))


def read_parts(parts: Iterable[TablePart], problems: PartProblems, head: int | None, known: frozenset[str]) -> Rows:
    """The rows of all files, numbered through; what cannot be read is noted in `problems`.

    Args:
        parts: the files in their order.
        problems: where everything that is wrong is noted.
        head: fetch and read no more files than hold this many rows; None for all of them, within the limits of one.
        known: as of `read_container`.
    """
    whole = Rows("", "objects", [])
    size = values = 0
    for number, part in enumerate(parts, start=1):
        left = None if head is None else head - len(whole.rows)
        if left == 0:
            break
        path, own = part.fetch(), Problems(part.name)
        found = read_container(path, own, left, known)
        if number > 1 and found.rows and (found.container, found.kind) != (whole.container, whole.kind):
            own.add(0, f"this part is of another make ({found.container}) than those before it ({whole.container})")
        before = problems.end
        last = max([row for row, _ in found.rows] + [line for line, _ in own.numbered()], default=0)
        problems.take_in(part.name, own, last)
        if any(line == 0 for line, _ in own.numbered()) or problems.stopped:
            return Rows(found.container, found.kind, [])
        rows = [*whole.rows, *((before + row, content) for row, content in found.rows)]
        whole = Rows(found.container, found.kind, rows)
        if head is None:
            size += path.stat().st_size
            values += sum(count_values(row) for _, row in found.rows)
            if over := _over(size, len(rows), values, problems.unit):
                problems.add(0, f"the first {number} of its files have {over}; {READ_LESS}")
                return Rows(found.container, found.kind, [])
    return whole


def _over(size: int, rows: int, values: int, unit: str) -> str:
    """Which limit of one file the parts together exceed; "" if none."""
    if size > PAIRS_FILE.max_bytes:
        return f"more than {PAIRS_FILE.max_bytes // MIB} MiB"
    if rows > row_problems.MAX_LINES:
        return f"more than {row_problems.MAX_LINES:,} {unit}s"
    if values > row_problems.MAX_VALUES:
        return f"more than {row_problems.MAX_VALUES:,} values"
    return ""
