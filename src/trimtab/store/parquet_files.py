"""Parquet files: written whole and with checksums, read with a limit on what they unpack to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trimtab._util.atomic_files import whole_file
from trimtab.errors import TrimtabError

MAX_CELLS = 500_000_000
"""Rows × columns of a table."""
MAX_TEXT_BYTES = 4 << 30
"""Of all texts of a table, written out."""
USUAL_CELLS, USUAL_BYTES = 20_000_000, 256 << 20
"""Allowed in any file, however small it is."""
MAX_CELLS_PER_BYTE, MAX_BYTES_PER_BYTE = 20, 200
"""Beyond that, the limit grows with the file. Scores take 8 bytes for each 16 cells; a file that claims ten times as
many cells for its size holds no measurements."""


class UnreadableTable(Exception):
    """A Parquet file is damaged, is not one, or unpacks to too much; the message does not name the file."""


@dataclass
class Unpacked:
    """The amount that has been read of a table in one or several files."""

    file_bytes: int = 0
    cells: int = 0
    text_bytes: int = 0
    own: bool = False
    """Whether the files are marked as parts of the run that is read: settings of many rows repeat, so that a byte may
    unpack to ten times as many cells, and three times as much text."""

    def add(self, *, file_bytes: int = 0, cells: int = 0, text_bytes: int = 0) -> None:
        """Count what is about to be read.

        Raises:
            UnreadableTable: When that is too much.
        """
        self.file_bytes += file_bytes
        self.cells += cells
        self.text_bytes += text_bytes
        cells = MAX_CELLS_PER_BYTE * self.file_bytes * (10 if self.own else 1)
        text_bytes = MAX_BYTES_PER_BYTE * self.file_bytes * (3 if self.own else 1)
        _limit(self.cells, "cells (rows × columns)", MAX_CELLS, USUAL_CELLS, cells)
        _limit(self.text_bytes, "bytes", MAX_TEXT_BYTES, USUAL_BYTES, text_bytes)


def _limit(found: int, what: str, largest: int, usual: int, for_its_size: int) -> None:
    limit = min(largest, max(usual, for_its_size))
    if found > limit:
        raise UnreadableTable(f"unpacks to {found:,} {what}, more than the {limit:,} that a file of its size may hold")


def write_parquet(
    table: pa.Table, path: Path, *, inside: Path | None, error: type[TrimtabError], about: Mapping[str, str]
) -> None:
    """Write a table, whole or not at all, with a checksum of every page.

    Args:
        table: The table.
        path: The file.
        inside: The folder below which nothing may be a link.
        error: Raised where it cannot be written.
        about: Metadata of the file.
    """
    named = table.replace_schema_metadata(dict(about))
    with whole_file(path, inside=inside, what="the table", error=error) as file:
        pq.write_table(named, file, compression="zstd", write_page_checksum=True)


@contextmanager
def reading() -> Iterator[None]:
    """Raise every error of Arrow about a file as `UnreadableTable`."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnreadableTable(f"is damaged, or not a Parquet file ({first_line})") from None


def parquet_schema(file: BinaryIO) -> pa.Schema:
    """Read the names and types of the columns, and the metadata.

    Raises:
        UnreadableTable: When it cannot be read.
    """
    with reading():
        return pq.ParquetFile(file).schema_arrow


def read_parquet(file: BinaryIO, columns: Collection[str], size: int, unpacked: Unpacked) -> pa.Table:
    """Read columns, after checking what they unpack to.

    Args:
        file: The file.
        columns: The columns; each is known to be in the file once.
        size: Bytes of the file.
        unpacked: Counts what is read.

    Raises:
        UnreadableTable: When the file is damaged or unpacks to too much.
    """
    with reading():
        schema = pq.ParquetFile(file).schema_arrow
        texts = [name for name in columns if _is_text(schema.field(name).type)]
        # Texts stay references to the different ones among them until it is known how long they are together.
        source = pq.ParquetFile(file, read_dictionary=texts, page_checksum_verification=True)
        footer = source.metadata
        groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
        rows = sum(group.num_rows for group in groups)
        if rows != footer.num_rows:
            raise UnreadableTable(f"is damaged (it claims {footer.num_rows:,} rows and has {rows:,})")
        claimed = sum(group.total_byte_size for group in groups)
        unpacked.add(file_bytes=size, cells=rows * max(len(columns), 1))
        if claimed > MAX_TEXT_BYTES:
            raise UnreadableTable(f"unpacks to {claimed:,} bytes, more than the {MAX_TEXT_BYTES:,} that are read")
        table = source.read(columns=list(columns))
        if len(table) != rows:
            raise UnreadableTable(f"is damaged (it claims {rows:,} rows and has {len(table):,})")
        table.validate(full=True)
        unpacked.add(text_bytes=sum(_written_out(table[name]) for name in texts))
        for name in texts:
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].cast(pa.large_string()))
        return table


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _written_out(column: Any) -> int:
    """Bytes of all texts of a column of references."""
    total = 0
    for chunk in column.chunks:
        if pa.types.is_dictionary(chunk.type):
            lengths = pc.binary_length(chunk.dictionary).cast(pa.int64())
            total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
        else:
            total += chunk.nbytes
    return total
