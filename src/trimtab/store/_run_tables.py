"""Tables of a run folder, written and read through their schemas."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from trimtab._util.atomic_files import open_inside, reason
from trimtab.errors import RunError
from trimtab.store.parquet_files import Unpacked, UnreadableTable, parquet_schema, read_parquet, reading, write_parquet
from trimtab.store.table_schemas import TABLES, Column, Schema

_TABLE, _RUN = b"trimtab_table", b"trimtab_run"
_REMEDY = "delete it and run its study again, or have the folder sent again"
_TYPES = {"text": pa.large_string(), "number": pa.float64(), "flag": pa.bool_()}


def write_run_table(rows: pd.DataFrame, path: Path, folder: Path, kind: str, schema: Schema, run: str) -> None:
    """Write a table of a run, whole or not at all.

    Args:
        rows: The table, with the columns of the schema.
        path: The file.
        folder: The run's; below it nothing may be a link.
        kind: The kind of table.
        schema: The schema of this kind.
        run: Identity of the run.

    Raises:
        RunError: When it cannot be written.
        ValueError: When the columns are not those of the schema; a table that could not be read again is not written.
    """
    missing, unknown = set(schema) - set(rows.columns), set(rows.columns) - set(schema)
    if missing or unknown:
        raise ValueError(
            f"{kind}: the table lacks the columns {sorted(missing)} and has the unknown columns {sorted(unknown)}"
        )
    table = pa.Table.from_pandas(rows[list(schema)], preserve_index=False)
    about = {_TABLE.decode(): kind, _RUN.decode(): run}
    write_parquet(table, path, inside=folder, error=RunError, about=about)


def read_run_table(
    path: Path,
    folder: Path,
    kind: str,
    schema: Schema,
    run: str,
    where: Mapping[str, str] | None = None,
    unpacked: Unpacked | None = None,
) -> pd.DataFrame:
    """Read a table of a run, and refuse one that the run would not have written.

    Args:
        path: The file.
        folder: The run's; below it nothing may be a link.
        kind: The kind of table.
        schema: The schema of this kind. Other columns are not read; those that runs of earlier versions lack
            (`Column.added`) are missing throughout in what is returned.
        run: Identity of the run; empty if it is unknown.
        where: Only rows in which these columns have these values.
        unpacked: Counts what is read of a table in several files.

    Raises:
        RunError: When it is damaged, lacks a column, or holds a value out of range.
    """
    with _named(path), open_inside(path, folder) as file:
        size = os.fstat(file.fileno()).st_size
        found = parquet_schema(file)
        _require_own(found, kind, run)
        _require_columns(found, schema)
        counted = unpacked or Unpacked()
        counted.own = bool(run) and (found.metadata or {}).get(_RUN) == run.encode()
        table = read_parquet(file, [name for name in schema if name in found.names], size, counted)
        with reading():
            for name in table.column_names:
                place = table.column_names.index(name)
                table = table.set_column(place, name, _checked(name, table[name], schema[name]))
            for name, value in (where or {}).items():
                table = table.filter(pc.equal(table[name], value))
            frame = table.to_pandas(ignore_metadata=True)
    whole: pd.DataFrame = frame.reindex(columns=list(schema))
    return whole


def require_once(table: pd.DataFrame, kind: str, where: Path) -> None:
    """Refuse a table with the same row twice, as when a part was copied or two runs were put together.

    Raises:
        RunError: With the first such row.
    """
    keys = list(TABLES.get(kind).key)
    again = table.duplicated(keys) if keys else pd.Series(dtype=bool)
    if again.any():
        first = table.loc[again, keys].iloc[0].to_dict()
        first_row = ", ".join(f"{name} {value}" for name, value in first.items())
        raise RunError(f"{where}: has {int(again.sum())} rows twice, the first at {first_row}; move the copy away")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Raise what is wrong with a file as an error that names it and says what to do."""
    try:
        yield
    except UnreadableTable as error:
        raise RunError(f"{path}: {error}; {_REMEDY}") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {reason(error)}") from None


def _require_own(found: pa.Schema, kind: str, run: str) -> None:
    about = found.metadata or {}
    written_as = about.get(_TABLE, kind.encode()).decode("utf-8", "replace")
    if written_as != kind:
        raise UnreadableTable(f"holds {written_as}, not {kind}")
    if run and about.get(_RUN, run.encode()) != run.encode():
        raise UnreadableTable("is a part of another run, and results are never mixed")


def _require_columns(found: pa.Schema, schema: Schema) -> None:
    missing = [name for name, column in schema.items() if not column.added and found.names.count(name) == 0]
    if missing:
        raise UnreadableTable(f"lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
    for name, column in schema.items():
        if found.names.count(name) == 0:
            continue
        if found.names.count(name) > 1:
            raise UnreadableTable(f"has two columns {name}")
        kind = found.field(name).type
        if not _fits(kind, column):
            raise UnreadableTable(f"column {name} holds {kind}, instead of {column.values}")


def _fits(kind: pa.DataType, column: Column) -> bool:
    if pa.types.is_null(kind):
        return True  # a table without rows, or a column without values
    if column.kind == "text":
        value = kind.value_type if pa.types.is_dictionary(kind) else kind
        return bool(pa.types.is_string(value) or pa.types.is_large_string(value))
    if column.kind == "number":
        return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
    return bool(pa.types.is_integer(kind) if column.kind == "integer" else pa.types.is_boolean(kind))


def _checked(name: str, values: Any, column: Column) -> Any:
    """Return a column in the type that analysis expects.

    Raises:
        UnreadableTable: With the first row that holds another value.
    """
    whole = pa.types.is_integer(values.type)
    kind = values.type if column.kind == "integer" and whole else _TYPES.get(column.kind, pa.int64())
    values = values.cast(kind, safe=False) if pa.types.is_integer(values.type) else values.cast(kind)
    if not column.optional and values.null_count:
        raise UnreadableTable(f"column {name}, row {_first(pc.is_null(values))}: is empty, instead of {column.values}")
    if column.kind == "text":
        _require_texts(name, values, column)
    elif column.kind != "flag":
        # Of whole numbers of any size, in one that holds the limits too.
        _require_range(name, values.cast(pa.int64()) if pa.types.is_integer(values.type) else values, column)
    return values


def _require_texts(name: str, values: Any, column: Column) -> None:
    if not (column.words or column.registry or column.pattern):
        return
    for text in pc.unique(values).to_pylist():
        if not column.accepts(text):
            row = _first(pc.equal(values, text))
            raise UnreadableTable(f"column {name}, row {row}: {text[:40]!r} is not {column.values}")


def _require_range(name: str, values: Any, column: Column) -> None:
    inside = pc.and_(pc.greater_equal(values, column.low), pc.less_equal(values, column.high))
    if column.optional and pa.types.is_floating(values.type):
        inside = pc.or_kleene(inside, pc.invert(pc.is_finite(values)))
    outside = pc.invert(pc.fill_null(inside, True))
    if pc.any(outside).as_py():
        row = _first(outside)
        raise UnreadableTable(f"column {name}, row {row}: {values[row - 1].as_py()!r} is not {column.values}")


def _first(mask: Any) -> int:
    """The number of the first row of a mask, counted from 1."""
    return int(pc.index(mask, True).as_py()) + 1
