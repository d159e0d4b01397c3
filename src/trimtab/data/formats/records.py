"""Pairs from Python objects: dicts, tuples and the rows of a data frame, read as the lines of a file are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trimtab._util.suggest import hint, suggestion
from trimtab.data.containers.row_problems import Problems, Row, json_kind
from trimtab.data.formats import PAIR_FORMATS
from trimtab.data.formats._items import parse_rows
from trimtab.data.formats.native import KEYS, REQUIRED
from trimtab.data.hash_order import content_key
from trimtab.data.pairs import Pair
from trimtab.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

ID_LENGTH = 10
"""Hexadecimal digits of the content's hash that an id is made of."""


class RowProblems(Problems):
    """What is wrong with rows that come from no file.

    Args:
        source: What messages call all of them.
        place: What messages call one, from its number, which counts from 1.
    """

    unit = "row"
    whole = "behavior"

    def __init__(self, source: str, place: Callable[[int], str]):
        super().__init__(source)
        self._place = place

    def name(self, line: int) -> str:
        """What messages call a row."""
        return self._place(line)

    def place(self, line: int) -> str:
        """Where a pair was read."""
        return self._place(line)


def pairs_from_records(records: Iterable[Mapping[str, Any]]) -> tuple[Pair, ...]:
    """The pairs of dicts with the keys of a line of a file of pairs, in any of `PAIR_FORMATS`.

    A pair without an id gets one that is made from its content.

    Raises:
        DataError: with everything that is wrong, each fault with its row, `records[3]`.
    """
    problems = RowProblems("records", lambda number: f"records[{number - 1}]")
    rows: list[Row] = []
    for number, record in enumerate(records, start=1):
        if isinstance(record, Mapping):
            rows.append((number, {str(key): _plain(value) for key, value in record.items()}))
        else:
            problems.add(number, f"not a mapping but {_kind(record)}; write a dict with its keys")
    return _pairs(rows, problems)


def pairs_from_tuples(pairs: Iterable[Sequence[Any]]) -> tuple[Pair, ...]:
    """The open pairs of (prompt, positive completion, negative completion).

    Raises:
        DataError: with everything that is wrong, each fault with its row, `pairs[3]`.
    """
    problems = RowProblems("pairs", lambda number: f"pairs[{number - 1}]")
    rows: list[Row] = []
    for number, given in enumerate(pairs, start=1):
        if isinstance(given, tuple | list) and len(given) == len(REQUIRED):
            rows.append((number, dict(zip(REQUIRED, map(_plain, given), strict=True))))
        else:
            what = f"{len(given)} values" if isinstance(given, tuple | list) else _kind(given)
            problems.add(number, f"not (prompt, positive, negative) but {what}")
    return _pairs(rows, problems)


def pairs_from_frame(frame: pd.DataFrame, columns: Mapping[str, str] | None = None) -> tuple[Pair, ...]:
    """The pairs of a data frame's rows, with the keys of a line of a file of pairs as columns.

    Args:
        frame: one pair in each row; a missing value (NaN, None) counts as a key that is absent.
        columns: the frame's own names of columns by key, such as `{"prompt": "question"}`. What else is in the frame
            goes to the pairs' meta then; without it a column that is no key is refused, as it may be a misspelled one.

    Raises:
        DataError: for a column that is not there, and with everything that is wrong, each fault with its row as the
            frame's index names it.
    """
    named = dict(columns or {})
    _require_columns(frame, named)
    if columns is None:
        _require_keys(frame)
    key_of = {column: key for key, column in named.items()}
    keys = [key_of.get(str(column), str(column)) for column in frame.columns]
    known = {*KEYS, *(key for _, kind in PAIR_FORMATS.loadable() for key in kind.keys)}
    index = list(frame.index)
    problems = RowProblems("the data frame", lambda number: f"row {index[number - 1]}")
    rows: list[Row] = []
    for number, values in enumerate(frame.itertuples(index=False, name=None), start=1):
        row: dict[str, Any] = {}
        meta: dict[str, Any] = {}
        for key, value in zip(keys, map(_plain, values), strict=True):
            if not _is_missing(value):
                (meta if columns is not None and key not in known else row)[key] = value
        if meta:
            row["meta"] = {**meta, **row.get("meta", {})}
        rows.append((number, row))
    return _pairs(rows, problems)


def _require_columns(frame: pd.DataFrame, named: Mapping[str, str]) -> None:
    there = [str(column) for column in frame.columns]
    faults = [f"columns: {key!r} is no key of a pair{hint(key, KEYS, 'keys')}" for key in named if key not in KEYS]
    faults += [
        f"columns: the data frame has no column {column!r}{hint(column, there, 'columns')}"
        for column in named.values()
        if column not in there
    ]
    faults += [
        f"columns: {key!r} is to be read from {column!r}, and the data frame has a column {key!r} too; drop one"
        for key, column in named.items()
        if key != column and key in there
    ]
    repeated = [column for column in dict.fromkeys(there) if there.count(column) > 1]
    faults += [f"the data frame has {there.count(column)} columns {column!r}; rename them" for column in repeated]
    if faults:
        raise DataError(faults)


def _require_keys(frame: pd.DataFrame) -> None:
    """Refuse columns that are no keys, once and not in every row."""
    there = [str(column) for column in frame.columns]
    if any(kind.is_complete(dict.fromkeys(there)) for _, kind in PAIR_FORMATS.loadable() if kind.keys != REQUIRED):
        return
    advice = 'say which columns to read, as columns={"prompt": "…"}; what is not named goes to meta then'
    faults = [
        f"the column {column!r} is no key of a pair{suggestion(column, KEYS)}; {advice}"
        for column in there
        if column not in KEYS
    ]
    if faults:
        raise DataError(faults)


def _pairs(rows: Sequence[Row], problems: RowProblems) -> tuple[Pair, ...]:
    read = parse_rows(rows, problems, lambda number: "")
    for number, reason in read.defects:  # of a file by other hands they are left out; these are the caller's own
        problems.add(number, reason)
    if not rows and not problems:
        problems.add(0, "there are none; give at least one pair")
    pairs = [(number, item) for number, item in read.numbered if isinstance(item, Pair)]
    if read.kind and not pairs and not problems:
        problems.add(
            0,
            f"these are {read.kind.title}, no pairs of completions; see PromptContrast.from_prompts, "
            "SetContrast.from_texts, or `trimtab.data.contrast` for files",
        )
    found = _with_ids(pairs, problems)
    problems.raise_if_any()
    return found


def _with_ids(numbered: Sequence[tuple[int, Pair]], problems: RowProblems) -> tuple[Pair, ...]:
    """The pairs, those without an id named after their content."""
    taken = {pair.id: number for number, pair in numbered if pair.id}
    found = []
    for number, pair in numbered:
        name = pair.id or content_id(pair)
        if not pair.id and name in taken:
            problems.add(
                number, f"the same pair as {problems.name(taken[name])}; leave one of them out, or give both an id"
            )
        taken.setdefault(name, number)
        found.append(pair if pair.id else replace(pair, id=name))
    return tuple(found)


def content_id(pair: Pair) -> str:
    """An id made from what a pair says: the same for the same content, in any order and on any machine."""
    return "p" + hashlib.sha256(content_key(pair).encode()).hexdigest()[:ID_LENGTH]


def _plain(value: Any) -> Any:
    """A value as JSON would hold it: lists for arrays, Python's numbers for those of NumPy."""
    if hasattr(value, "tolist"):  # arrays and scalars of NumPy
        return _plain(value.tolist())
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return value


def _is_missing(value: Any) -> bool:
    """None, NaN, and what pandas has in their place."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


def _kind(value: Any) -> str:
    known = isinstance(value, str | bool | int | float | list | tuple | dict) or value is None
    return json_kind(list(value) if isinstance(value, tuple) else value) if known else f"a {type(value).__name__}"
