"""Columns by what formats call them: named by the user, by their own names, or by what others call the same thing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from trimtab._util.suggest import hint
from trimtab._util.wording import listed
from trimtab.data.containers import Rows, is_conversation
from trimtab.data.containers.row_problems import Problems, Row
from trimtab.data.formats import PAIR_FORMATS
from trimtab.data.formats.native import PAIRS, REQUIRED, SYNONYMS
from trimtab.errors import SettingError
from trimtab.inputs.json_text import parse_json

_MORE_SYNONYMS = {
    "query": "prompt", "user": "prompt", "request": "prompt", "good": "positive", "bad": "negative",
    "positive_completion": "positive", "negative_completion": "negative", "positive_answer": "positive",
    "negative_answer": "negative", "preferred": "positive", "dispreferred": "negative",
}  # fmt: skip
_LISTS_OF_TEXTS = ("choices", "correct_answers", "incorrect_answers")


def known_columns() -> frozenset[str]:
    """Every key that some format knows."""
    return frozenset(key for _, kind in PAIR_FORMATS.loadable() for key in kind.known_keys())


def named_rows(found: Rows, columns: Mapping[str, str], problems: Problems) -> tuple[list[Row], list[str]]:
    """The rows under the keys of the formats, and what was done in sentences.

    Args:
        found: the rows as they were read.
        columns: the file's own names by key: `{"prompt": "question"}`.
        problems: where is noted what of that is not there.
    """
    rows = found.rows
    if columns:
        faults = mapping_faults(columns, found.columns)
        for fault in faults:
            problems.add(0, fault)
        if faults:
            return [], []
        rows = _renamed(rows, {column: key for key, column in columns.items()})
    if found.kind != "table":
        return rows, []
    rows = _renamed(rows, _plain_names(rows))
    synonyms = {} if columns else _synonyms(rows)
    notes = []
    if synonyms:
        of, to = listed(list(map(repr, synonyms))), listed(list(map(repr, synonyms.values())))
        notes.append(f"the columns {of} are read as {to}")
    rows = _renamed(rows, synonyms)
    return [(number, {key: _cell(key, value) for key, value in row.items()}) for number, row in rows], notes


def parse_columns(texts: Sequence[str]) -> dict[str, str]:
    """Columns by key from `key=column,key=column`.

    Raises:
        SettingError: for a part without "=", and for a key that is there twice.
    """
    found: dict[str, str] = {}
    for part in (part for text in texts for part in text.split(",")):
        key, equals, column = part.partition("=")
        if not (equals and key.strip() and column.strip()):
            raise SettingError(f"--map {part!r}: write KEY=COLUMN, as in prompt=question,positive=best")
        if key.strip() in found:
            raise SettingError(f"--map: {key.strip()} is there twice")
        found[key.strip()] = column.strip()
    return found


def mapping_faults(columns: Mapping[str, str], there: Sequence[str]) -> list[str]:
    """What is wrong with names of columns for keys."""
    keys = sorted(known_columns())
    faults = [
        f"no format has the key {key!r}{hint(key, keys, 'keys')} (map KEY=COLUMN)" for key in columns if key not in keys
    ]
    faults += [
        f"there is no column {column!r}{hint(column, there, 'columns')}"
        for column in columns.values()
        if column not in there
    ]
    faults += [
        f"{key!r} is to be read from {column!r}, and there is a column {key!r} too; drop one"
        for key, column in columns.items()
        if key != column and column in there and key in there and key not in columns.values()
    ]
    return faults


def _renamed(rows: Sequence[Row], key_of: Mapping[str, str]) -> list[Row]:
    if not key_of:
        return list(rows)
    return [(number, {key_of.get(column, column): value for column, value in row.items()}) for number, row in rows]


def _plain_names(rows: Sequence[Row]) -> dict[str, str]:
    """Columns that have the name of a key in another spelling: "Best Answer"."""
    known = known_columns()
    there = dict.fromkeys(column for _, row in rows for column in row)
    found: dict[str, str] = {}
    for column in there:
        plain = re.sub(r"[\s\-]+", "_", column.strip()).casefold()
        if column not in known and plain in known and plain not in there and plain not in found.values():
            found[column] = plain
    # Only for the format that the table is of: to the others the same column means nothing.
    as_row = {found.get(column, column): "text" for column in there}
    formats = [kind for _, kind in PAIR_FORMATS.loadable() if kind.is_complete(as_row)]
    meant = {key for kind in formats for key in kind.known_keys()} or set(PAIRS.known_keys())
    return {column: key for column, key in found.items() if key in meant}


def _synonyms(rows: Sequence[Row]) -> dict[str, str]:
    """Columns that make pairs under other names, where no format knows them as they are."""
    columns = list(dict.fromkeys(column for _, row in rows for column in row))
    as_row = dict.fromkeys(columns, "text")
    if any(kind.is_complete(as_row) for _, kind in PAIR_FORMATS.loadable()):
        return {}
    found: dict[str, str] = {}
    for column in columns:
        key = SYNONYMS.get(column.casefold()) or _MORE_SYNONYMS.get(column.casefold())
        if key in REQUIRED and key not in columns and key not in found.values():
            found[column] = key
    there = {found.get(column, column) for column in columns}
    return found if there >= set(REQUIRED) else {}


def _cell(key: str, value: Any) -> Any:
    """A cell of a table in text: JSON where its key holds lists or objects, and the cell is such."""
    if key == "listed" and isinstance(value, str):
        return {"true": True, "false": False}.get(value.casefold(), value)
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        parsed = parse_json(value)
    except ValueError:
        return value
    if key == "meta" and isinstance(parsed, dict):
        return parsed
    if key in _LISTS_OF_TEXTS and isinstance(parsed, list):
        return parsed
    return parsed if is_conversation(parsed) else value
