"""Tables of the page: columns, and rows of formatted numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from trimtab.analysis import formatting
from trimtab.analysis.formatting import fixed
from trimtab.analysis.samples import several

Row = dict[str, Any]

MAX_COLUMNS, MAX_UPRIGHT_ROWS = 7, 4
"""A table of more columns than the one, and no more rows than the other, stands upright."""


class Column(NamedTuple):
    """A column of a table."""

    heading: str
    text: Callable[[Row], str]
    number: bool = True


@dataclass(frozen=True)
class Table:
    """A table, ready to be put on the page."""

    name: str
    """What the table shows, for its caption."""
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    left_out: int = 0

    @property
    def upright(self) -> bool:
        """Whether it is read better with its rows as columns: few rows, and more columns than a page is wide."""
        return len(self.rows) <= MAX_UPRIGHT_ROWS and len(self.columns) > MAX_COLUMNS


def table(name: str, columns: Iterable[Column], rows: Iterable[Row], *, most: int | None = None) -> Table:
    """A table of these rows, without the columns that are empty throughout."""
    every = list(rows)
    shown = every[:most] if most else every
    filled = [(column, [column.text(row) for row in shown]) for column in columns]
    filled_columns = [(column, cells) for column, cells in filled if any(cell != "–" for cell in cells)]
    lines = list(zip(*(cells for _, cells in filled_columns), strict=True))
    return Table(name, [column for column, _ in filled_columns], lines, left_out=len(every) - len(shown))


def with_interval(row: Row, name: str, decimals: int, limits: Sequence[float] = formatting.ZERO) -> str:
    """A number of a row and its interval: 1.20 [0.90, 1.52]."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return formatting.with_interval(row[name], low, high, decimals, limits)


def word(name: str, heading: str | None = None) -> Column:
    """A column of text."""
    return Column(heading or name, lambda row: str(row.get(name) or "–"), number=False)


def number(name: str, heading: str, decimals: int = 2) -> Column:
    """A column of numbers."""
    return Column(heading, lambda row: fixed(row.get(name), decimals))


def count(name: str, heading: str) -> Column:
    """A column of whole numbers."""
    return Column(heading, lambda row: "–" if row.get(name) is None else f"{row[name]:,}".replace(",", " "))


def owner_columns(frame: pd.DataFrame) -> list[Column]:
    """Model and behavior; run, engine and scoring only where they vary."""
    names = several(frame, ("run", "engine", "scoring"))
    return [word("model"), word("behavior"), *(word(name) for name in names)]


def share(row: Row, name: str, low: str | None = None, high: str | None = None) -> str:
    """A share of a row as a percentage, with its interval where there is one."""
    return formatting.percent_with_interval(row.get(name), row.get(low or ""), row.get(high or ""))
