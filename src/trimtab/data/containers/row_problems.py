"""What is wrong with the rows of one file, collected over several checks; and how large a file of rows may be."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from trimtab._util.wording import plural
from trimtab.errors import DataError
from trimtab.inputs.bounded_files import MIB, FileKind

PAIRS_FILE = FileKind("file of pairs", 100 * MIB, DataError)
MAX_LINE_BYTES = MIB
MAX_LINES = 100_000
MAX_VALUES = 2_000_000
"""Texts, numbers and lists of all lines: short ones take a hundred times the memory of their bytes."""
MAX_PROBLEMS_KEPT = 10_000
"""Reading stops here: a large file of another kind would otherwise fill the memory with complaints."""
MAX_PLACES = 5
"""Of one problem on many lines, this many of the others are named."""

Row = tuple[int, dict[str, Any]]
"""Number of the line, row or item, from 1, and the object that stands there."""


class Problems:
    """What is wrong with one file, collected over several checks and reported in the order of its lines.

    The same problem on many lines is reported once, with the first of them.
    """

    unit = "line"
    """What a row of the file is: a line, a row, an item."""
    whole = "file"

    def __init__(self, path: str | os.PathLike[str]):
        self.path = os.fspath(path)
        self.stopped = False
        """Whether the file has more than are reported, so that it was not read to its end."""
        self._found: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._found)

    def name(self, line: int) -> str:
        """What messages call a line."""
        return f"{self.unit} {line}"

    def place(self, line: int) -> str:
        """Where a pair was read."""
        return f"{self.path}:{line}" if self.unit == "line" else f"{self.path}: {self.unit} {line}"

    def default_id(self, line: int) -> str:
        """The id of what has none: "L12" for line 12, "R12" for row 12."""
        return f"{self.unit[0].upper()}{line}"

    def add(self, line: int, message: str) -> None:
        """Note a problem of one line; line 0 stands for the whole file."""
        self._found.append((line, message))

    def add_all(self, line: int, messages: Iterable[str]) -> None:
        """Note several problems of one line."""
        self._found.extend((line, message) for message in messages)

    def numbered(self) -> list[tuple[int, str]]:
        """All problems, as (line, what is wrong); line 0 stands for the whole file."""
        return list(self._found)

    def clear(self) -> None:
        """Forget them all: something else is wrong with the whole file."""
        self._found = []

    def take_lines(self) -> list[tuple[int, str]]:
        """Take away the problems of single lines, as (line, what is wrong), so that the rest of the file can be used.

        Nothing is taken where the file was not read to its end.
        """
        if self.stopped:
            return []
        reasons: dict[int, list[str]] = {}
        for line, message in self._found:
            if line:
                reasons.setdefault(line, []).append(message)
        self._found = [problem for problem in self._found if not problem[0]]
        return [(line, "; ".join(messages)) for line, messages in sorted(reasons.items())]

    def texts(self) -> list[str]:
        """All problems as `path:line: what is wrong and what to do`, each cause once."""
        lines_of: dict[str, list[int]] = {}
        for line, text in sorted(self._found, key=lambda problem: problem[0]):
            lines_of.setdefault(text, []).append(line)
        return [
            f"{self.place(lines[0]) if lines[0] else self.path}: {text}{self._others(lines[1:])}"
            for text, lines in lines_of.items()
        ]

    def _others(self, lines: list[int]) -> str:
        if not lines:
            return ""
        shown = ", ".join(map(str, lines[:MAX_PLACES])) + (", …" if len(lines) > MAX_PLACES else "")
        return f" (the same on {plural(len(lines), f'more {self.unit}')}: {shown})"

    def raise_if_any(self) -> None:
        """Raise all problems as one error.

        Raises:
            DataError: if there is any.
        """
        if self._found:
            raise DataError(self.texts())


def zero_faults(row: dict[str, Any]) -> list[str]:
    """Keys with a zero character somewhere in them: JSON can spell it, but what is written in C ends a text there."""
    return [
        f'"{key}" holds a zero character (\\u0000); leave it out' for key, value in row.items() if _holds_zero(value)
    ]


def _holds_zero(value: Any) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str) and "\0" in one:
            return True
        waiting += [*one, *one.values()] if isinstance(one, dict) else one if isinstance(one, (list, tuple)) else ()
    return False


def json_kind(value: Any) -> str:
    """What a JSON value is, in words for a person."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, list):
        return "a list"
    return "text" if isinstance(value, str) else "an object"
