"""Rows of tables in text: values separated by commas, tabs or semicolons, with the names of the columns first."""

from __future__ import annotations

import csv
import io
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any, BinaryIO

from trimtab.data.containers._row_limits import RowCollector
from trimtab.data.containers.row_problems import MAX_LINE_BYTES, Problems, Row

SEPARATORS = (",", "\t", ";", "|")
_FIELD_LIMIT = threading.Lock()
"""The csv module has one limit for the whole process."""


def separator_of(lines: Sequence[str]) -> str:
    """What separates the columns of a table that begins so; "" if it has one column."""
    counted = []
    for separator in SEPARATORS:
        try:
            counted.append((len(next(csv.reader(lines[:1], delimiter=separator), [])), separator))
        except csv.Error:
            continue
    most, separator = max(counted, key=lambda entry: entry[0], default=(0, ""))
    return separator if most > 1 else ""


def column_names(lines: Sequence[str], separator: str) -> list[str]:
    """The names in the first line."""
    try:
        return [name.strip() for name in next(csv.reader(lines[:1], delimiter=separator), [])]
    except csv.Error:
        return []


def table_rows(file: BinaryIO, problems: Problems, head: int | None, separator: str) -> list[Row]:
    """The rows of a table by the names of its columns; empty cells are left out.

    A row is numbered by the line on which it begins.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    with _FIELD_LIMIT:
        before = csv.field_size_limit(MAX_LINE_BYTES)
        try:
            return _rows(text, problems, head, separator)
        except UnicodeDecodeError as error:
            reason = f"the byte {error.object[error.start]:#04x}"
            problems.add(0, f"not UTF-8 ({reason}); save the table as UTF-8 (spreadsheets: CSV UTF-8)")
            return []
        finally:
            csv.field_size_limit(before)
            text.detach()  # the file is closed by whoever opened it


def _rows(text: io.TextIOWrapper, problems: Problems, head: int | None, separator: str) -> list[Row]:
    found = RowCollector(problems, head)
    reader = csv.reader(text, delimiter=separator or ",", strict=True)
    names: list[str] = []
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            problems.add(number, f"broken table: {error}; a text with quotes or separators stands in quotes")
            problems.stopped = True
            return []
        if cells is None:
            return found.rows
        if not any(cell.strip() for cell in cells):
            continue
        if not names:
            names = [name.strip() or f"column_{place}" for place, name in enumerate(cells, start=1)]
            if twice := [name for name, count in Counter(names).items() if count > 1]:
                problems.add(0, f"the table has more than one column {twice[0]!r}; rename them")
                return []
            continue
        if found.is_full(number):
            return found.rows
        if len(cells) > len(names):
            problems.add(
                number, f"{len(cells)} values for {len(names)} columns; a text with separators stands in quotes"
            )
        elif not found.add(number, _row(names, cells)):
            return found.rows


def _row(names: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    return {name: cell for name, cell in zip(names, cells, strict=False) if cell.strip()}
