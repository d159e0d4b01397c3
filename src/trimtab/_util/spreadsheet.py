"""CSV files that spreadsheets display without interpreting their cells as formulas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_HARMLESS = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]α")
"""Numbers, and how our tables name the ends of a range."""


_BREAK = re.compile(r"\r\n?")


def csv_text(table: pd.DataFrame, float_format: str | None = None) -> str:
    """A table as CSV in which no text is a formula.

    Prompts, replies and names come from elsewhere, and a spreadsheet computes a cell that begins with =, +, -, @, a tab
    or a carriage return, which can send what the sheet holds to somebody. Such a text gets an apostrophe in front.
    Numbers stay as they are, also where they are spelled as text, such as -0.4. Carriage returns become line breaks:
    alone they would begin a new row.

    Args:
        table: The table; its index is left out.
        float_format: How to spell floats, such as `%.6g`; in full by default.
    """
    escaped = table.copy()
    for place, dtype in enumerate(table.dtypes):
        if dtype.kind not in "biufcMm":
            escaped.isetitem(place, table.iloc[:, place].astype(object).map(plain_cell))
    escaped.columns = [plain_cell(name) for name in table.columns]
    return str(escaped.to_csv(index=False, float_format=float_format, lineterminator="\n"))


def plain_cell(value: Any) -> Any:
    """A cell that no spreadsheet computes; see `csv_text`."""
    if not isinstance(value, str):
        return value
    escape = value.startswith(_STARTS_FORMULA) and not _HARMLESS.fullmatch(value)
    return _BREAK.sub("\n", f"'{value}" if escape else value)
