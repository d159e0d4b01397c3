"""The bytes of a file, unpacked where it is compressed with gzip, never more of them than a limit."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from trimtab.data.containers.row_problems import MAX_LINE_BYTES, PAIRS_FILE
from trimtab.inputs.bounded_files import MIB, Unusable, open_bounded

HEAD_BYTES = 8192
_GZIP = b"\x1f\x8b"
_ANY_SIZE = 2**62


class _Limited(io.RawIOBase):
    """A stream that ends in an error where more is read from it than a limit."""

    def __init__(self, file: BinaryIO, limit: int):
        self._file, self._left, self._limit = file, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        content = self._file.read(min(len(buffer), MIB))
        self._left -= len(content)
        if self._left < 0:
            raise Unusable(f"unpacked, the file has more than {self._limit // MIB} MiB; {READ_LESS}")
        buffer[: len(content)] = content
        return len(content)


READ_LESS = "read the first rows of it only (--head, head=)"


@contextmanager
def open_stream(path: Path, *, whole: bool = True) -> Iterator[BinaryIO]:
    """The bytes of a file.

    Args:
        path: the file.
        whole: whether all of it is going to be read, so that its size is limited.

    Raises:
        Unusable: for what is no regular file, and for one beyond the limit.
    """
    kind = PAIRS_FILE if whole else replace(PAIRS_FILE, max_bytes=_ANY_SIZE)
    try:
        opened = open_bounded(path, kind)
    except Unusable as reason:
        if "more than" in str(reason):
            raise Unusable(f"{reason}; {READ_LESS}") from None
        raise
    with opened as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if not packed:
            yield file
            return
        limit = PAIRS_FILE.max_bytes if whole else _ANY_SIZE
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield io.BufferedReader(_Limited(cast(BinaryIO, unpacked), limit))


def read_head(path: Path, *, whole: bool = True) -> bytes:
    """How a file begins.

    Raises:
        Unusable: as `open_stream`.
    """
    with open_stream(path, whole=whole) as file:
        return file.read(HEAD_BYTES)


def numbered_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Number and bytes of each line; None for one that is too long, of which nothing is stored."""
    number = 0
    while raw := file.readline(MAX_LINE_BYTES + 2):
        number += 1
        if len(raw) <= MAX_LINE_BYTES or raw.endswith(b"\n"):
            yield number, raw
            continue
        skipped = len(raw)
        while raw and not raw.endswith(b"\n") and skipped <= PAIRS_FILE.max_bytes:
            raw = file.readline(MAX_LINE_BYTES)
            skipped += len(raw)
        yield number, None
        if skipped > PAIRS_FILE.max_bytes:  # no lines at all
            return
