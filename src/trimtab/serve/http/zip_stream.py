"""A folder as one ZIP archive that is made while it is sent: nothing is stored twice, and no length is known before."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path

_PIECE_BYTES = 1 << 20


class _Sink(io.RawIOBase):
    """What has been written to it since it was last emptied; it cannot be sought in, so no header is written twice."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, given: object) -> int:
        part = bytes(given)  # type: ignore[call-overload]  # any buffer
        self._parts.append(part)
        return len(part)

    def taken(self) -> bytes:
        """What is there, which is then gone."""
        found = b"".join(self._parts)
        self._parts = []
        return found


def zip_pieces(files: Mapping[str, Path]) -> Iterator[bytes]:
    """The pieces of an archive, each read from its file when it is asked for; not compressed, as weights are not.

    Args:
        files: by the name that each has in the archive.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, path in files.items():
            # A ZIP archive has no times before 1980, and a file may have one.
            entry = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
            with archive.open(entry, "w") as into, path.open("rb") as source:
                while part := source.read(_PIECE_BYTES):
                    into.write(part)
                    yield sink.taken()
    yield sink.taken()


async def zip_stream(files: Mapping[str, Path]) -> AsyncGenerator[bytes, None]:
    """`zip_pieces`, read in a thread so that nobody else waits for the disk."""
    pieces = zip_pieces(files)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def files_below(folder: Path, name: str) -> dict[str, Path]:
    """The files in a folder, by their names in an archive of one folder.

    Args:
        folder: it and all that it holds.
        name: what it is called there.
    """
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {f"{name}/{path.relative_to(folder).as_posix()}": path for path in found}
