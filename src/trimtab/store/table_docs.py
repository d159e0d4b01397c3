"""The page docs/tables.md, made from the registry of tables: `python -m trimtab.store.table_docs > docs/tables.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from trimtab.store._table_columns import COLUMNS, Column
from trimtab.store.table_schemas import TABLES

_HEAD = """# Tables

Every table of a run folder is a Parquet file with the columns below: `samples/`, `answers/`, `replies/`, `judgements/`
and `dose/` hold one table each in parts (`part-00000.parquet`, …), the others are one file for each model and behavior.
Tables are read and written through these schemas, so a file with another column type, or a value out of range, is
refused.

A column has the same meaning in every table, except where the table itself lists it.
*Measured* numbers may be missing (NaN) or infinite; others are always there.

Made by `python -m trimtab.store.table_docs > docs/tables.md` from the schemas that the program uses; a test compares
them. Other packages add tables with `trimtab.store.table_schemas.register_table`.

## Columns

| column | type | unit | values | meaning |
|---|---|---|---|---|
"""


def tables_page() -> str:
    """Return the text of the page."""
    used = {name for table in TABLES.names() for name in TABLES.get(table).schema}
    rows = [_row(name, column) for name, column in COLUMNS.items() if name in used]
    return "\n".join([_HEAD.rstrip("\n"), *rows, "", "## The tables", "", *_tables()]).rstrip("\n") + "\n"


def _tables() -> Iterator[str]:
    for name in TABLES.names():
        table = TABLES.get(name)
        where = f"{name}/part-…" if table.grows else f"{name}--model--behavior…" if "/" in name else name
        yield f"### `{name}`"
        yield ""
        yield f"`{where}.parquet`. A row is {table.row}."
        if table.key:
            yield f"No two rows have the same {', '.join(f'`{column}`' for column in table.key)}."
        yield ""
        yield "Columns: " + ", ".join(f"`{column}`" for column in table.schema) + "."
        own = {column: spec for column, spec in table.schema.items() if COLUMNS.get(column) != spec}
        if own:
            yield ""
            yield "| column | type | unit | values | meaning |"
            yield "|---|---|---|---|---|"
            yield from (_row(column, spec) for column, spec in own.items())
        yield ""


def _row(name: str, column: Column) -> str:
    values = column.values + (", measured" if column.optional else "")
    return f"| `{name}` | {column.dtype} | {column.unit} | {values} | {column.meaning} |"


if __name__ == "__main__":
    sys.stdout.write(tables_page())
