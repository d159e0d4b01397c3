"""The registry of tables: every table of a run folder is written and read through its schema here.

A measure from elsewhere adds its tables with `register_table`, or through the entry-point group `trimtab.tables`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from trimtab._util.registry import Entry, Registry
from trimtab.errors import SettingError
from trimtab.store._builtin_tables import BUILTIN_TABLES, Table
from trimtab.store._table_columns import MAX_LAYERS, MAX_ORDERS, MAX_VALUE, Column, Schema

__all__ = [
    "GROWING",
    "MAX_LAYERS",
    "MAX_ORDERS",
    "MAX_VALUE",
    "TABLES",
    "WHOLE",
    "Column",
    "Schema",
    "Table",
    "register_table",
]

TABLES: Registry[Table] = Registry(
    "table", "trimtab.tables", {name: Entry(table, f"A row is {table.row}.") for name, table in BUILTIN_TABLES.items()}
)


def register_table(name: str, schema: Schema, *, row: str, key: Sequence[str] = ()) -> None:
    """Add a table that is written at once.

    Args:
        name: Measure and table, such as `robustness/samples`: lower-case letters and underscores.
        schema: Its columns.
        row: What one row is, in words, for the docs.
        key: Columns that no two rows may agree in.

    Raises:
        SettingError: When the name is taken or cannot be a file's, the table lacks the columns `model` and `behavior`,
            or the key is not among the columns.
    """
    if not re.fullmatch(r"[a-z_]+/[a-z_]+", name):
        raise SettingError(f"table {name!r}: a name has the form measure/table, in lower-case letters and underscores")
    if missing := [column for column in ("model", "behavior", *key) if column not in schema]:
        raise SettingError(f"table {name!r}: has no column {missing[0]!r}")
    TABLES.register(name, Table(schema, row, tuple(key)), f"A row is {row}.")


class _Schemas(Mapping[str, Schema]):
    """The schemas of the tables that grow, or of those that do not, by name."""

    def __init__(self, grows: bool):
        self._grows = grows

    def __getitem__(self, name: str) -> Schema:
        if name not in TABLES.names():
            raise KeyError(name)
        table = TABLES.get(name)
        if table.grows is not self._grows:
            raise KeyError(name)
        return table.schema

    def __iter__(self) -> Iterator[str]:
        return (name for name in TABLES.names() if TABLES.get(name).grows is self._grows)

    def __len__(self) -> int:
        return sum(1 for _ in self)


GROWING: Mapping[str, Schema] = _Schemas(grows=True)
"""Tables that grow part by part, by the name of their folder."""
WHOLE: Mapping[str, Schema] = _Schemas(grows=False)
"""Tables that are written at once: `rates`, and cached tables by the beginning of their names, up to `--`."""
