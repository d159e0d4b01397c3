"""JSON from outside: bounded in depth, without double keys, numbers that overflow, or halves of characters."""

from __future__ import annotations

import json
import math
import os
from typing import Any

from trimtab.inputs.bounded_files import FileKind, read_text

MAX_DEPTH = 100
MAX_DIGITS = 400
"""Of a number; the largest float has 309 before the point."""


def parse_json(text: str, *, allow_nan: bool = False) -> Any:
    """The value that a JSON text stands for.

    Args:
        text: the text.
        allow_nan: whether NaN and Infinity are numbers, as Python writes them.

    Raises:
        ValueError: when it is none, or more than a limit allows; `json.JSONDecodeError` where a place is known.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=float if allow_nan else _refuse_constant,
            parse_float=_parse_float,
            parse_int=_parse_int,
        )
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None
    count_values(value)  # refuses what is nested too deeply
    if not is_whole_text(text) or ("\\u" in text and not is_whole_text(json.dumps(value, ensure_ascii=False))):
        raise ValueError("half of a character (a lone \\ud… escape); write the whole character")
    return value


def read_json(path: str | os.PathLike[str], kind: FileKind, *, allow_nan: bool = False) -> Any:
    """The value in a JSON file; `allow_nan` as in `parse_json`.

    Raises:
        TrimtabError: that of the kind, with the line where one is known.
    """
    text = read_text(path, kind)
    try:
        return parse_json(text, allow_nan=allow_nan)
    except json.JSONDecodeError as error:
        raise kind.fault(path, f"broken JSON at column {error.colno}: {error.msg}", error.lineno) from None
    except ValueError as error:
        raise kind.fault(path, f"broken JSON: {error}") from None


def is_whole_text(text: str) -> bool:
    """Whether a text has no half of a surrogate pair, which no file, tokenizer or terminal takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def count_values(value: Any) -> int:
    """How many values a JSON value is made of.

    Raises:
        ValueError: when it is nested too deeply.
    """
    count, level = 1, [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return count
        count += len(level)
    raise ValueError(f"nested more than {MAX_DEPTH} deep")


def _unique_keys(items: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(items)
    if len(row) < len(items):
        seen: set[str] = set()
        twice = next(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f'the key "{shortened_key(twice)}" stands there twice; keep one')
    return row


def shortened_key(key: str) -> str:
    """A key for a message."""
    return key if len(key) <= 80 else f"{key[:80]}…"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; write a number or null")


def _parse_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits; it must have at most {MAX_DIGITS}")
    return int(text)


def _parse_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {shortened_key(text)} is too large")
    return number
