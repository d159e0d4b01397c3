"""Opening files to read: regular ones only, without waiting for a pipe that nobody writes to."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegular(Exception):
    """A path leads to something other than a regular file."""

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind
        """In words: `a folder`, `a named pipe`, …"""


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading. Links are followed.

    Raises:
        NotRegular: For a folder, a pipe, a socket or a device.
        OSError: When it cannot be opened.
        ValueError: When the name holds a zero byte.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NotRegular(kind_of(mode))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def kind_of(mode: int) -> str:
    """The kind of something that is not a regular file, in words, from its `st_mode`."""
    return _KINDS.get(stat.S_IFMT(mode), "a device")
