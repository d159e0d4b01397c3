"""Tables from elsewhere: read as they are, every problem collected with its row."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trimtab.errors import DataError, SettingError, nearest, shortened

MAX_CSV_BYTES = 1 << 29
MAX_ROWS = 50_000_000
MAX_SHOWN = 10
"""Problems told in full; a wrong column has one on every row."""

_DELIMITERS = {".csv": ",;\t", ".tsv": "\t"}
_PARQUET = (".parquet", ".pq")
_NOT_KNOWN = ("", "nan", "na", "n/a", "null", "none")

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def parse_map(texts: Sequence[str], targets: Collection[str] | None, option: str) -> dict[str, str]:
    """What each target stands for, from `target=column,target=column`; any target where `targets` is None.

    Raises:
        SettingError: for a target that there is not (with the nearest right one), or that is given twice.
    """
    found: dict[str, str] = {}
    # A comma inside a column's name starts no new entry.
    for entry in (e for text in texts for e in re.split(r",(?=\s*\w+\s*=)", text) if e.strip()):
        target, equals, column = (part.strip() for part in entry.partition("="))
        if not (equals and column):
            raise SettingError(f"{option}: {entry.strip()!r} is no entry; write target=column, with commas between")
        if targets is not None and target not in targets:
            raise SettingError(f"{option}: unknown target {target!r}{nearest(target, targets, 'targets')}")
        if target in found:
            raise SettingError(f"{option}: {target} is given twice, as {found[target]!r} and {column!r}")
        found[target] = column
    return found


class ForeignTable:
    """A table that somebody else made: which column is which, and everything found wrong with it so far."""

    def __init__(self, path: Path, mapping: Mapping[str, str], constants: Mapping[str, Any], option: str):
        self.path, self.mapping, self.constants, self.option = path, mapping, constants, option
        self.frame, self.rows = read_table(path)
        self._problems: list[tuple[int, str]] = []
        self._count = 0
        for target, column in mapping.items():
            if target in constants:
                raise SettingError(f"{target} is given twice: as a column by {option} and as --{target}")
            if column not in self.frame.columns:
                self.problem(f"no column {column!r} (for {target}){self._near(column)}")

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, target: str) -> str | None:
        """The column of a target: the mapped one, else that of the same name unless a constant is given."""
        named = self.mapping.get(target) or ("" if target in self.constants else target)
        return named if named in self.frame.columns else None

    def require(self, *targets: str) -> None:
        """Note those targets that have neither a column nor a constant."""
        for target in targets:
            if target not in self.constants and target not in self.mapping and self.column(target) is None:
                self.problem(f"no column for {target}; name one with {self.option} {target}=…{self._near(target)}")

    def _near(self, word: str) -> str:
        columns = [str(c) for c in self.frame.columns]
        close = difflib.get_close_matches(word, columns, n=1)
        return (f"; nearest is {close[0]!r}" if close else "") + f"; the columns are {', '.join(columns)}"

    def texts(self, target: str, default: str | None = None) -> NDArray[np.object_]:
        """A column of names; without a default an empty one is a problem."""
        column = self.column(target)
        if column is None:
            return np.full(len(self), str(self.constants.get(target, default or "")), dtype=object)
        values = _as_texts(self.frame[column])
        if default is None:
            self.refuse(values == "", lambda i: f"{column} is empty")
        else:
            values = np.where(values == "", default, values)
        return values.astype(object)

    def words(self, target: str, allowed: Sequence[str], default: str) -> NDArray[np.object_]:
        """A column that holds only certain words."""
        values = self.texts(target, default)
        wrong = ~np.isin(values.astype(str), allowed)
        self.refuse(wrong, lambda i: f"{target} {values[i]!r} is unknown{nearest(values[i], allowed, 'values')}")
        return values

    def numbers(self, target: str, default: float = np.nan) -> Floats:
        """A column of numbers; NaN where a cell is empty or says so."""
        column = self.column(target)
        if column is None:
            return np.full(len(self), float(self.constants.get(target, default)))
        raw = self.frame[column]
        values = pd.to_numeric(raw, errors="coerce").to_numpy(float, na_value=np.nan)
        if not pd.api.types.is_numeric_dtype(raw.dtype):
            said = _as_texts(raw)
            wrong = np.isnan(values) & ~np.isin(np.char.lower(said.astype(str)), _NOT_KNOWN)
            self.refuse(wrong, lambda i: f"{column} {_cut(said[i])!r} is not a number")
        elif raw.dtype == np.float32 and raw.nunique() < 1000:
            values = raw.map({v: float(str(v)) for v in raw.unique()}).to_numpy(float)  # 0.1, not 0.10000000149
        return values

    @property
    def incomplete(self) -> bool:
        """Whether whole columns are missing, so that comparing rows would only add noise."""
        return any(row == 0 for row, _ in self._problems)

    def problem(self, text: str) -> None:
        """Note what is wrong with the table as a whole."""
        self._count += 1
        self._problems.append((0, text))

    def refuse(self, wrong: Flags, explain: Callable[[int], str]) -> None:
        """Note what is wrong with the rows of a mask [n_rows]."""
        indices = np.flatnonzero(wrong)
        self._count += len(indices)
        self._problems += [(int(self.rows[i]), explain(int(i))) for i in indices[:MAX_SHOWN]]

    def raise_if_any(self) -> None:
        """Raise all problems as one error.

        Raises:
            DataError: if there is any: the first ones, as `file:row`, and how many more there are.
        """
        if not self._count:
            return
        in_order = sorted(self._problems, key=lambda problem: problem[0])[:MAX_SHOWN]
        told = [f"{self.path}:{row}: {text}" if row else f"{self.path}: {text}" for row, text in in_order]
        rest = self._count - len(told)
        raise DataError([*told, f"… and {rest} more"] if rest else told)


def read_table(path: Path) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """The columns of a CSV or Parquet file, CSV cells as text, and the number of each row.

    Rows of a CSV file are counted as lines, the header being line 1; those of a Parquet file from 1.

    Raises:
        DataError: when there is no such file, or it is not such a table.
    """
    kind = path.suffix.lower()
    if kind not in (*_DELIMITERS, *_PARQUET):
        raise DataError(f"{path}: a table is a .csv, .tsv or .parquet file, not {path.suffix or 'one without ending'}")
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder; name a table in it' if path.is_dir() else 'no such file'}")
    frame, rows = _read_parquet(path) if kind in _PARQUET else _read_csv(path, _DELIMITERS[kind])
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: two columns are called {twice[0]!r}; rename one")
    if not len(frame):
        raise DataError(f"{path}: the table has no rows")
    return frame, rows


def _read_parquet(path: Path) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    try:
        count = pq.ParquetFile(path).metadata.num_rows
        if count > MAX_ROWS:
            raise DataError(f"{path}: has {count:,} rows, more than {MAX_ROWS:,}; import it in parts")
        frame = pq.read_table(path).to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})") from None
    return frame, np.arange(1, len(frame) + 1)


def _read_csv(path: Path, delimiters: str) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    text = _csv_text(path)
    header_line = text.partition("\n")[0]
    delimiter = max(delimiters, key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    records: list[list[str]] = []
    rows: list[int] = []
    uneven: list[str] = []
    start = 1
    try:
        for record in reader:
            if record and not header:
                header = [name.strip() for name in record]
            elif record and len(record) != len(header):
                uneven.append(f"{path}:{start}: {len(record)} fields, but the header has {len(header)}")
            elif record:
                records.append(record)
                rows.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}:{start}: cannot be read as CSV ({error})") from None
    if uneven:
        raise DataError(shortened(uneven, MAX_SHOWN))
    return pd.DataFrame(records, columns=header, dtype=object), np.array(rows, dtype=np.int64)


def _csv_text(path: Path) -> str:
    size = path.stat().st_size
    if size == 0:
        raise DataError(f"{path}: the file is empty")
    if size > MAX_CSV_BYTES:
        raise DataError(f"{path}: has {size >> 20:,} MiB, more than {MAX_CSV_BYTES >> 20}; save it as Parquet")
    content = path.read_bytes()
    if b"\0" in content[:8192]:
        raise DataError(f"{path}: is a binary file or UTF-16; save the table as CSV in UTF-8, or as .parquet")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{path}:{line}: is not UTF-8; save the table as UTF-8") from None


def _as_texts(values: pd.Series[Any]) -> NDArray[np.object_]:
    """Cells as text, "" where there is none; whole numbers without a point, as columns with gaps hold them."""
    if pd.api.types.is_float_dtype(values.dtype):
        known = values.dropna()
        if (known == known.round()).all() and np.isfinite(known).all():
            values = values.astype("Int64")
    texts = values.astype(object).where(values.notna(), "")
    stripped: NDArray[np.object_] = texts.map(lambda value: str(value).strip()).to_numpy(object)
    return stripped


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
