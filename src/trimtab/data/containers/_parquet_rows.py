"""Rows of Parquet tables, as the hub has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

from trimtab.data.containers._byte_streams import READ_LESS
from trimtab.data.containers._row_limits import RowCollector
from trimtab.data.containers.row_problems import PAIRS_FILE, Problems, Row
from trimtab.inputs.bounded_files import MIB

BATCH = 1024
MAX_UNPACKED_BYTES = 4 * PAIRS_FILE.max_bytes


def parquet_rows(file: BinaryIO, problems: Problems, head: int | None) -> list[Row]:
    """The rows of a table, a part of it at a time; missing values are left out."""
    problems.unit = "row"
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        problems.add(0, "this is a Parquet table; to read it, `pip install pyarrow`")
        return []
    found = RowCollector(problems, head)
    try:
        table = pq.ParquetFile(file)
        unpacked = sum(table.metadata.row_group(i).total_byte_size for i in range(table.metadata.num_row_groups))
        if head is None and unpacked > MAX_UNPACKED_BYTES:
            problems.add(0, f"unpacked, the table has {unpacked // MIB:,} MiB; {READ_LESS}")
            return []
        number = 0
        for batch in table.iter_batches(batch_size=BATCH if head is None else min(BATCH, head)):
            for values in batch.to_pylist():
                number += 1
                if found.is_full(number) or not found.add(number, _row(values)):
                    return found.rows
    except (pa.ArrowException, OSError, ValueError) as error:
        problems.add(0, f"broken Parquet table: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        return []
    return found.rows


def _row(values: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): _as_json(value) for name, value in values.items() if value is not None and value == value}


def _as_json(value: Any) -> Any:
    """A value as JSON would hold it: dates, decimals and bytes as text."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(inner) for inner in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float) and value != value:
        return None
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
