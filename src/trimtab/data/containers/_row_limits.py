"""One object from its JSON text, and when a file has had enough of them."""

from __future__ import annotations

import json
from typing import Any

from trimtab.data.containers import row_problems
from trimtab.data.containers.row_problems import Problems, Row, json_kind
from trimtab.inputs.json_text import count_values, parse_json


class RowCollector:
    """The rows of one file as they are read, up to what a file may hold.

    Args:
        problems: where it is noted if the file has more.
        head: how many rows to read of a file of any size; None for all of a file that keeps to the limits.
    """

    def __init__(self, problems: Problems, head: int | None):
        self.rows: list[Row] = []
        self._problems, self._head, self._values = problems, head, 0

    def is_full(self, number: int) -> bool:
        """Whether the row of this number is not to be read, nor any behind it."""
        if self._head is not None and len(self.rows) >= self._head:
            return True
        unit = self._problems.unit
        if number > row_problems.MAX_LINES and self._head is None:
            advice = "a few hundred pairs are plenty; read the first of them only (--head, head=)"
            self._refuse(number, f"more than {row_problems.MAX_LINES:,} {unit}s; {advice}")
            return True
        if len(self._problems) >= row_problems.MAX_PROBLEMS_KEPT:
            self._problems.add(number, f"stopped reading here, after {row_problems.MAX_PROBLEMS_KEPT} problems")
            self._problems.stopped = True
            return True
        return False

    def add(self, number: int, row: dict[str, Any]) -> bool:
        """Take a row; False if it is the last one wanted, or with it the file has more than fits."""
        self._values += count_values(row)
        if self._values > row_problems.MAX_VALUES:
            self._refuse(number, f"more than {row_problems.MAX_VALUES:,} values up to here; a pair has about ten")
            return False
        self.rows.append((number, row))
        return self._head is None or len(self.rows) < self._head

    def _refuse(self, number: int, reason: str) -> None:
        self._problems.add(number, reason)
        self.rows = []


def parse_object(text: str) -> dict[str, Any] | str:
    """The object that a JSON text stands for, or what is wrong with it."""
    value = parse_value(text)
    if isinstance(value, Broken):
        return f"{value.reason}; each line is one object {{…}}" if value.is_place else value.reason
    return value if isinstance(value, dict) else f"not an object but {json_kind(value)}; write {{…}} with its keys"


class Broken:
    """Why a text is no JSON."""

    def __init__(self, reason: str, is_place: bool = False):
        self.reason, self.is_place = reason, is_place


def parse_value(text: str) -> Any:
    """The value of a JSON text, or a `Broken`."""
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        return Broken(f"broken JSON at column {error.colno}: {error.msg}", is_place=True)
    except ValueError as error:
        return Broken(f"broken JSON: {error}")
