"""Pairs to and from files.

Two formats are read, told apart by the keys of the file: `pairs.jsonl` (prompt, positive, negative and what
else `Pair.to_json` writes) and model-written evals (question, answer_matching_behavior,
answer_not_matching_behavior).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from trimtab.data import evals_format, pairs_format
from trimtab.data.lines import Problems, Row, read_rows
from trimtab.data.pairs import Pair
from trimtab.errors import DataError

Format = Literal["pairs", "evals"]

_KEYS: dict[Format, tuple[str, ...]] = {"pairs": pairs_format.REQUIRED, "evals": evals_format.KEYS}
_PARSERS: dict[Format, Callable[[dict[str, Any], str], Pair | list[str]]] = {
    "pairs": pairs_format.parse_pair,
    "evals": evals_format.parse_eval,
}
_NAMES: dict[Format, str] = {"pairs": "pairs.jsonl", "evals": "model-written-evals"}


def read_pairs(path: str | os.PathLike[str]) -> tuple[Pair, ...]:
    """The pairs of a file. A pair without an id is named after its line: "L12".

    Raises:
        DataError: with every problem of the file, each as `path:line: what is wrong and what to do`.
    """
    numbered, problems = parse_file(path)
    problems.raise_if_any()
    return tuple(pair for _, pair in numbered)


def parse_file(path: str | os.PathLike[str]) -> tuple[list[tuple[int, Pair]], Problems]:
    """The pairs of a file that can be read, with their line numbers, and what is wrong with the rest."""
    problems = Problems(path)
    rows = read_rows(Path(path), problems)
    found = _detect(rows)
    if found is None:
        if rows:
            line, row = rows[0]
            problems.add(line, _unknown_format(row))
        return [], problems
    numbered: list[tuple[int, Pair]] = []
    for line, row in rows:
        parsed = _parse(row, f"L{line}", found)
        if isinstance(parsed, Pair):
            numbered.append((line, parsed))
        else:
            problems.add_all(line, parsed)
    _note_repeated_ids(numbered, problems)
    _note_mixed_forms(numbered, problems)
    return numbered, problems


def write_pairs(path: str | os.PathLike[str], pairs: Iterable[Pair]) -> None:
    """Write pairs as `pairs.jsonl`; the file appears whole or not at all.

    Raises:
        DataError: if the pairs are such that they could not be read again.
    """
    rows = [pair.to_json() for pair in pairs]
    _require_readable(rows)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_whole(Path(path), text)


def _detect(rows: list[Row]) -> Format | None:
    """The format whose keys most lines have."""
    counts: dict[Format, int] = {
        name: sum(any(key in row for key in keys) for _, row in rows) for name, keys in _KEYS.items()
    }
    best: Format = "evals" if counts["evals"] > counts["pairs"] else "pairs"
    return best if counts[best] else None


def _unknown_format(row: dict[str, Any]) -> str:
    keys = ", ".join(f'"{key}"' for key in list(row)[:8]) or "none"
    needed = " or ".join(f"{', '.join(keys)} ({_NAMES[name]})" for name, keys in _KEYS.items())
    return f"no known format: the keys are {keys}; needed are {needed}"


def _parse(row: dict[str, Any], default_id: str, found: Format) -> Pair | list[str]:
    other: Format = "pairs" if found == "evals" else "evals"
    if all(key in row for key in _KEYS[other]) and not any(key in row for key in _KEYS[found]):
        return [f"this line is in the format {_NAMES[other]}, the file in {_NAMES[found]}; use two files"]
    return _PARSERS[found](row, default_id)


def _note_repeated_ids(numbered: list[tuple[int, Pair]], problems: Problems) -> None:
    first: dict[str, int] = {}
    for line, pair in numbered:
        if pair.id in first:
            problems.add(line, f'the id "{pair.id}" is taken by line {first[pair.id]}; ids must differ')
        first.setdefault(pair.id, line)


def _note_mixed_forms(numbered: list[tuple[int, Pair]], problems: Problems) -> None:
    choice = [line for line, pair in numbered if pair.is_choice]
    open_ = [line for line, pair in numbered if not pair.is_choice]
    if choice and open_:
        few, here, there = (
            (open_, "no choices", "choices") if len(open_) <= len(choice) else (choice, "choices", "none")
        )
        for line in few:
            problems.add(line, f"this pair has {here}, most pairs of the file have {there}; use two files")


def _require_readable(rows: list[dict[str, Any]]) -> None:
    faults = [
        f"pair {number} ({row['id']!r}): {fault}"
        for number, row in enumerate(rows, start=1)
        for fault in _row_faults(row)
    ]
    counts = Counter(row["id"] for row in rows)
    faults += [f"the id {name!r} is taken {n} times; ids must differ" for name, n in counts.items() if n > 1]
    if len({"choices" in row for row in rows}) > 1:
        faults.append("some pairs have choices and some have none; write two files")
    if not rows:
        faults.append("no pairs to write")
    if faults:
        raise DataError(faults)


def _row_faults(row: dict[str, Any]) -> list[str]:
    parsed = pairs_format.parse_pair(row, "")
    return [] if isinstance(parsed, Pair) else parsed


def write_whole(path: Path, text: str) -> None:
    """Write a text file that is there in full or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
