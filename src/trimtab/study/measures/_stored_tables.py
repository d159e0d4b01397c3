"""The tables of the built-in measures, as the run folder knows them."""

from __future__ import annotations

from trimtab.store.table_schemas import TABLES, Table


def stored_tables(measure: str) -> dict[str, Table]:
    """The tables of a measure that are written at once, as `<measure>/<table>`, by table."""
    prefix = f"{measure}/"
    return {name.removeprefix(prefix): TABLES.get(name) for name in TABLES.names() if name.startswith(prefix)}


def growing_tables(*names: str) -> dict[str, Table]:
    """Tables that grow row by row, each in a folder of its own."""
    return {name: TABLES.get(name) for name in names}
