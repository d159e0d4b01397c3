"""JSONL files as they are read: bytes to objects, every problem of the file collected with its line."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trimtab.data.formats.foreign import HEAD_BYTES, not_jsonl
from trimtab.errors import DataError
from trimtab.inputs.bounded_files import MIB, FileKind, Unusable, open_bounded
from trimtab.inputs.json_text import count_values, parse_json

PAIRS_FILE = FileKind("file of pairs", 100 * MIB, DataError)
MAX_LINE_BYTES = MIB
MAX_LINES = 100_000
MAX_VALUES = 2_000_000
"""Texts, numbers and lists of all lines: short ones take a hundred times the memory of their bytes."""
MAX_PROBLEMS_KEPT = 10_000
"""Reading stops here: a large file of another kind would otherwise fill the memory with complaints."""

Row = tuple[int, dict[str, Any]]
"""Line number, from 1, and the object on that line."""


class Problems:
    """What is wrong with one file, collected over several checks and reported in the order of its lines."""

    unit = "line"
    whole = "file"

    def __init__(self, path: str | os.PathLike[str]):
        self.path = os.fspath(path)
        self.stopped = False
        """Whether the file has more than are reported, so that it was not read to its end."""
        self._found: list[tuple[int, str]] = []
        self._also: set[int] = set()

    def __len__(self) -> int:
        return len(self._found)

    def name(self, line: int) -> str:
        """What messages call a line."""
        return f"{self.unit} {line}"

    def place(self, line: int) -> str:
        """Where a pair was read."""
        return f"{self.path}:{line}"

    def add(self, line: int, message: str, also: Iterable[int] = ()) -> None:
        """Note a problem of one line, which others have `also`; line 0 stands for the whole file."""
        self._found.append((line, message))
        self._also.update(also)

    def add_all(self, line: int, messages: Iterable[str]) -> None:
        """Note several problems of one line."""
        self._found.extend((line, message) for message in messages)

    def clear(self) -> None:
        """Forget them all: something else is wrong with the whole file."""
        self._found, self._also = [], set()

    def take_lines(self) -> list[tuple[int, str]]:
        """Take away the problems of single lines, as (line, what is wrong), so that the rest of the file can be used.

        Nothing is taken where the file was not read to its end.
        """
        if self.stopped:
            return []
        reasons: dict[int, list[str]] = {line: [] for line in self._also}
        for line, message in self._found:
            if line:
                reasons.setdefault(line, []).append(message)
        self._found, self._also = [problem for problem in self._found if not problem[0]], set()
        return [(line, "; ".join(messages) or "as another line") for line, messages in sorted(reasons.items())]

    def texts(self) -> list[str]:
        """All problems as `path:line: what is wrong and what to do`."""
        in_order = sorted(self._found, key=lambda problem: problem[0])
        return [f"{self.place(line) if line else self.path}: {text}" for line, text in in_order]

    def raise_if_any(self) -> None:
        """Raise all problems as one error.

        Raises:
            DataError: if there is any.
        """
        if self._found:
            raise DataError(self.texts())


def read_rows(path: Path, problems: Problems) -> list[Row]:
    """The objects of a JSONL file with their line numbers; what cannot be read is noted in `problems`."""
    try:
        with open_bounded(path, PAIRS_FILE) as file:
            refusal = not_jsonl(path, file.read(HEAD_BYTES))
            if refusal:
                problems.add(0, refusal)
                return []
            file.seek(0)
            rows = _parse_lines(file, problems)
    except Unusable as reason:
        problems.add(0, str(reason))
        return []
    except OSError as error:
        problems.add(0, f"the file cannot be read: {error.strerror or error}")
        return []
    if not rows and not problems:
        problems.add(0, "the file is empty; write one pair on each line")
    return rows


def _parse_lines(lines: Iterable[bytes], problems: Problems) -> list[Row]:
    rows: list[Row] = []
    values = 0
    for number, raw in enumerate(lines, start=1):
        if number > MAX_LINES:
            problems.add(number, f"more than {MAX_LINES:,} lines; a few hundred pairs are plenty")
            return []
        if len(problems) >= MAX_PROBLEMS_KEPT:
            problems.add(number, f"stopped reading here, after {MAX_PROBLEMS_KEPT} problems")
            problems.stopped = True
            break
        text = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        if not text.strip():
            continue
        parsed = _parse_line(text)
        if isinstance(parsed, str):
            problems.add(number, parsed)
            continue
        values += count_values(parsed)
        if values > MAX_VALUES:
            problems.add(number, f"more than {MAX_VALUES:,} values up to here; a pair has about ten")
            return []
        rows.append((number, parsed))
    return rows


def _parse_line(raw: bytes) -> dict[str, Any] | str:
    """The object on a line, or what is wrong with the line."""
    if len(raw) > MAX_LINE_BYTES:
        return f"the line has {len(raw)} bytes, more than {MAX_LINE_BYTES}; shorten the pair"
    if b"\0" in raw:
        return "the line holds a zero byte; the file is damaged or not text"
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        return f"not UTF-8: byte {error.start + 1} of the line is {raw[error.start]:#04x}; save it as UTF-8"
    try:
        value = parse_json(text)
    except json.JSONDecodeError as error:
        return f"broken JSON at column {error.colno}: {error.msg}; each line is one object {{…}}"
    except ValueError as error:
        return f"broken JSON: {error}"
    if not isinstance(value, dict):
        return f"not an object but {json_kind(value)}; write {{…}} with its keys"
    return value


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
