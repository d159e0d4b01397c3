"""CSV and Parquet files of other programs, read within limits."""

from __future__ import annotations

import csv
import io
import os
from array import array
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from trimtab._util.atomic_files import reason
from trimtab.errors import DataError
from trimtab.inputs.bounded_files import FileKind, Unusable, open_bounded
from trimtab.store.parquet_files import Unpacked, UnreadableTable, parquet_schema, read_parquet, reading

MAX_CSV_BYTES = 1 << 28
MAX_CSV_ROWS = 5_000_000
MAX_CSV_CELLS = 20_000_000
MAX_DIFFERENT_TEXTS = 1_000_000
"""Different cells of a CSV file that are held in memory once each; further ones are not shared."""
_TABLE = FileKind("table", 2**50, DataError)
"""Of any size: what a Parquet file unpacks to is bounded, not what it takes on the disk."""
MAX_UNEVEN = 10
"""Rows of another length that are listed."""

_DELIMITERS = {".csv": ",;\t", ".tsv": "\t"}
_PARQUET = (".parquet", ".pq")


def read_table(path: Path) -> tuple[pd.DataFrame, NDArray[np.int64], Collection[str]]:
    """Read a CSV or Parquet file.

    Returns:
        The columns, cells of CSV as text; the number of each row (its line in CSV, where the header is line 1, and
        counted from 1 in Parquet); and the names of columns that hold lists or records, which are not read.

    Raises:
        DataError: When the file is missing, is not such a table, or is too large.
    """
    kind = path.suffix.lower()
    if kind not in (*_DELIMITERS, *_PARQUET):
        raise DataError(
            f"{path}: a table is a .csv, .tsv or .parquet file, not {path.suffix or 'one without a suffix'}"
        )
    try:
        with open_bounded(path, _TABLE) as file:
            if kind in _PARQUET:
                frame, rows, nested = _read_parquet(path, file)
            else:
                frame, rows, nested = *_read_csv(path, file, _DELIMITERS[kind]), ()
    except Unusable as error:
        raise _TABLE.fault(path, str(error)) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason(error)}") from None
    if not len(frame):
        raise DataError(f"{path}: the table has no rows")
    return frame, rows, nested


def _require_different(path: Path, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: two columns have the name {twice[0]!r}; rename one")


def _read_parquet(path: Path, file: BinaryIO) -> tuple[pd.DataFrame, NDArray[np.int64], Collection[str]]:
    try:
        schema = parquet_schema(file)
        _require_different(path, schema.names)
        nested = {name for name in schema.names if pa.types.is_nested(schema.field(name).type)}
        flat = [name for name in schema.names if name not in nested]
        table = read_parquet(file, flat, os.fstat(file.fileno()).st_size, Unpacked())
        with reading():
            frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except UnreadableTable as error:
        raise DataError(f"{path}: {error}") from None
    return frame, np.arange(1, len(frame) + 1), nested


def _read_csv(path: Path, file: BinaryIO, delimiters: str) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    _require_text(path, file)
    header_line = file.readline().decode("utf-8", "replace")
    file.seek(0)
    delimiter = max(delimiters, key=header_line.count)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    header: list[str] = []
    columns: list[list[str]] = []
    rows = array("q")
    uneven: list[str] = []
    faults = 0
    # Most cells of a column are the same few texts, which are held in memory once.
    known: dict[str, str] = {}
    start = 1
    try:
        for record in reader:
            if record and not header:
                header = [name.strip() for name in record]
                columns = [[] for _ in header]
            elif record and len(record) != len(header):
                faults += 1
                if len(uneven) < MAX_UNEVEN:
                    uneven.append(f"{path}:{start}: {len(record)} fields, but the header has {len(header)}")
            elif record:
                share = known.setdefault if len(known) < MAX_DIFFERENT_TEXTS else known.get
                for column, cell in zip(columns, record, strict=True):
                    column.append(share(cell, cell))
                rows.append(start)
            start = reader.line_num + 1
            if len(rows) > MAX_CSV_ROWS or len(rows) * len(header) > MAX_CSV_CELLS:
                raise DataError(
                    f"{path}: has more than {len(rows) - 1:,} rows of {len(header)} columns, too many for CSV; "
                    "save it as Parquet, or import it in parts"
                )
    except csv.Error as error:
        raise DataError(f"{path}:{start}: cannot be read as CSV ({error})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}:{_undecodable(file)}: is not UTF-8; save the table as UTF-8") from None
    if uneven:
        raise DataError([*uneven, f"… and {faults - len(uneven)} more"] if faults > len(uneven) else uneven)
    _require_different(path, header)
    frame = pd.DataFrame(dict(zip(header, columns, strict=True)), dtype=object)
    return frame, np.array(rows, dtype=np.int64)


def _require_text(path: Path, file: BinaryIO) -> None:
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        raise DataError(f"{path}: the file is empty")
    if size > MAX_CSV_BYTES:
        raise DataError(
            f"{path}: has {size >> 20:,} MiB, more than {MAX_CSV_BYTES >> 20}; import it in parts, or as Parquet"
        )
    if b"\0" in file.read(8192):
        raise DataError(f"{path}: is a binary file or UTF-16; save the table as CSV in UTF-8, or as .parquet")
    file.seek(0)


def _undecodable(file: BinaryIO) -> int:
    """Return the line of the first character that is not UTF-8."""
    file.seek(0)
    content = file.read()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return content[: error.start].count(b"\n") + 1
    return 1
