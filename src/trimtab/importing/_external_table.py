"""Tables of other programs: read as they are, all problems collected with their rows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab._util.suggest import hint
from trimtab.errors import DataError, SettingError
from trimtab.importing._table_files import read_table

MAX_SHOWN = 10
"""Problems listed in full; a wrong column has one on every row."""

_MISSING = ("", "nan", "na", "n/a", "null", "none")

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def parse_map(texts: Sequence[str], targets: Collection[str] | None, option: str) -> dict[str, str]:
    """Parse a mapping such as `target=column,target=column`.

    Args:
        texts: The values of the option, each with one or several entries.
        targets: The valid targets; any if None.
        option: Name of the option, for messages.

    Raises:
        SettingError: For an unknown target (with the nearest valid one), or one that is mapped twice.
    """
    found: dict[str, str] = {}
    # A comma inside a column's name starts no new entry.
    for entry in (e for text in texts for e in re.split(r",(?=\s*\w+\s*=)", text) if e.strip()):
        target, equals, column = (part.strip() for part in entry.partition("="))
        if not (equals and column):
            raise SettingError(
                f"{option}: {entry.strip()!r} is not of the form target=column; separate several with commas"
            )
        if targets is not None and target not in targets:
            raise SettingError(f"{option}: unknown target {target!r}{hint(target, targets, 'targets')}")
        if target in found:
            raise SettingError(f"{option}: {target} is mapped twice, to {found[target]!r} and {column!r}")
        found[target] = column
    return found


class ExternalTable:
    """A table of another program: the meaning of its columns, and the problems found so far.

    Args:
        path: The file.
        mapping: The column of each target.
        constants: Values of targets that have no column.
        option: The option that gives the mapping, for messages.
    """

    def __init__(self, path: Path, mapping: Mapping[str, str], constants: Mapping[str, Any], option: str):
        self.path, self.mapping, self.constants, self.option = path, mapping, constants, option
        self.frame, self.rows, self.nested = read_table(path)
        self._problems: list[tuple[int, str]] = []
        self._count = 0
        for target, column in mapping.items():
            if target in constants:
                raise SettingError(f"{target} is given both as a column by {option} and as --{target}")
            if column not in self.frame.columns:
                self.problem(f"no column {column!r} (for {target}){self._near(column)}")

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, target: str) -> str | None:
        """Return the column of a target: the mapped one, else that of the same name unless there is a constant."""
        named = self.mapping.get(target) or ("" if target in self.constants else target)
        return named if named in self.frame.columns else None

    def require(self, *targets: str) -> None:
        """Collect targets that have neither a column nor a constant."""
        for target in targets:
            if target not in self.constants and target not in self.mapping and self.column(target) is None:
                self.problem(f"no column for {target}; name one with {self.option} {target}=…{self._near(target)}")

    def _near(self, word: str) -> str:
        if word in self.nested:
            return f"; {word} holds several values a row"
        columns = [str(c) for c in self.frame.columns]
        close = difflib.get_close_matches(word, columns, n=1)
        return (f"; nearest is {close[0]!r}" if close else "") + f"; the columns are {', '.join(columns)}"

    def texts(self, target: str, default: str | None = None) -> NDArray[np.object_]:
        """Return a column of texts; an empty cell is a problem unless there is a default."""
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
        """Return a column that holds only certain words."""
        values = self.texts(target, default)
        wrong = ~np.isin(values.astype(str), allowed)
        self.refuse(wrong, lambda i: f"{target} {values[i]!r} is unknown{hint(values[i], allowed, 'values')}")
        return values

    def numbers(self, target: str, default: float = np.nan) -> Floats:
        """Return a column of numbers; NaN where a cell is empty or `nan`, `null` and the like."""
        column = self.column(target)
        if column is None:
            return np.full(len(self), float(self.constants.get(target, default)))
        raw = self.frame[column]
        values = pd.to_numeric(raw, errors="coerce").to_numpy(float, na_value=np.nan)
        if not pd.api.types.is_numeric_dtype(raw.dtype):
            texts = _as_texts(raw)
            wrong = np.isnan(values) & ~np.isin(np.char.lower(texts.astype(str)), _MISSING)
            self.refuse(wrong, lambda i: f"{column} {_cut(texts[i])!r} is not a number")
        elif raw.dtype == np.float32 and raw.nunique() < 1000:
            values = raw.map({v: float(str(v)) for v in raw.unique()}).to_numpy(float)  # 0.1, not 0.10000000149
        return values

    @property
    def incomplete(self) -> bool:
        """Whether whole columns are missing, so that comparing rows would only add noise."""
        return any(row == 0 for row, _ in self._problems)

    def problem(self, text: str) -> None:
        """Collect a problem of the table as a whole."""
        self._count += 1
        self._problems.append((0, text))

    def refuse(self, wrong: Flags, explain: Callable[[int], str]) -> None:
        """Collect a problem of each row of a mask [n_rows]."""
        indices = np.flatnonzero(wrong)
        self._count += len(indices)
        self._problems += [(int(self.rows[i]), explain(int(i))) for i in indices[:MAX_SHOWN]]

    def raise_if_any(self) -> None:
        """Raise the problems as one error, if there are any.

        Raises:
            DataError: With the first ones, as `file:row`, and the number of the others.
        """
        if not self._count:
            return
        in_order = sorted(self._problems, key=lambda problem: problem[0])[:MAX_SHOWN]
        listed = [f"{self.path}:{row}: {text}" if row else f"{self.path}: {text}" for row, text in in_order]
        rest = self._count - len(listed)
        raise DataError([*listed, f"… and {rest} more"] if rest else listed)


def _as_texts(values: pd.Series[Any]) -> NDArray[np.object_]:
    """Return cells as text, empty where missing; whole numbers without the point that columns with gaps give them."""
    if pd.api.types.is_float_dtype(values.dtype):
        known = values.dropna()
        if (known == known.round()).all() and np.isfinite(known).all():
            values = values.astype("Int64")
    texts = values.astype(object).where(values.notna(), "")
    stripped: NDArray[np.object_] = texts.map(lambda value: str(value).strip()).to_numpy(object)
    return stripped


def _cut(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
