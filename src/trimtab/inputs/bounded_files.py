"""Files that people name: regular files of a bounded size, text in UTF-8; anything else is refused in words."""

from __future__ import annotations

import codecs
import difflib
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from trimtab._util.regular_files import NotRegular, open_regular
from trimtab.errors import TrimtabError

MIB = 2**20

_ERRNO_REASONS = {
    errno.ENAMETOOLONG: "the name is too long for a file",
    errno.ELOOP: "the symbolic links lead in a circle",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.ENXIO: "this is a socket or a device, not a regular file",
    errno.EISDIR: "this is a folder, not a file",
}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_COMPRESSED = ((b"\x1f\x8b", "gunzip"), (b"PK\x03\x04", "unzip"), (b"BZh", "bunzip2"), (b"\xfd7zXZ", "unxz"))


class Unusable(Exception):
    """A file cannot be used; the text says why and what to do, without naming the file."""


@dataclass(frozen=True)
class FileKind:
    """One kind of file: what messages call it, how large it may be, and which error its faults are."""

    name: str
    max_bytes: int
    error: type[TrimtabError]
    advice: str = ""
    """What to do when one cannot be used, beside what the reason says."""

    def fault(self, path: str | os.PathLike[str], reason: str, line: int | None = None) -> TrimtabError:
        """The error of a file of this kind."""
        where = os.fspath(path) if line is None else f"{os.fspath(path)}:{line}"
        return self.error(f"{where}: {reason}" + (f"; {self.advice}" if self.advice else ""))


def open_bounded(path: str | os.PathLike[str], kind: FileKind) -> BinaryIO:
    """Open a file for reading, if it is a regular one within the limit of its kind.

    Raises:
        Unusable: For anything else, such as a pipe, a device, a folder, or a file that is missing, closed or too large.
    """
    try:
        file = open_regular(path)
    except NotRegular as found:
        raise Unusable(f"this is {found.kind}, not a regular file; name a {kind.name}") from None
    except ValueError:
        raise Unusable("the name holds a zero byte, so it cannot be a file's") from None
    except OSError as error:
        raise Unusable(_why_not_open(Path(path), kind, error)) from None
    if (size := os.fstat(file.fileno()).st_size) > kind.max_bytes:
        file.close()
        raise Unusable(_too_large(size, kind))
    return file


def read_bytes(path: str | os.PathLike[str], kind: FileKind) -> bytes:
    """The content of a file.

    Raises:
        TrimtabError: that of the kind, when the file cannot be used.
    """
    try:
        with open_bounded(path, kind) as file:
            # Files such as those in /proc have more in them than their size says.
            content = file.read(kind.max_bytes + 1)
    except Unusable as reason:
        raise kind.fault(path, str(reason)) from None
    except OSError as error:
        raise kind.fault(path, f"the file cannot be read: {error.strerror or error}") from None
    if len(content) > kind.max_bytes:
        raise kind.fault(path, _too_large(len(content), kind))
    return content


def read_text(path: str | os.PathLike[str], kind: FileKind) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        TrimtabError: that of the kind, when the file cannot be used or is no such text.
    """
    content = read_bytes(path, kind)
    if reason := why_not_text(content):
        raise kind.fault(path, reason)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        reason = f"not UTF-8 (the byte {content[error.start]:#04x}); save the file as UTF-8"
        raise kind.fault(path, reason, line) from None


def require_file(path: str | os.PathLike[str], kind: FileKind) -> int:
    """Check a file that a library is going to open by its name; its size in bytes.

    Raises:
        TrimtabError: that of the kind, when the file cannot be used.
    """
    try:
        with open_bounded(path, kind) as file:
            return os.fstat(file.fileno()).st_size
    except Unusable as reason:
        raise kind.fault(path, str(reason)) from None


def why_not_text(content: bytes) -> str:
    """Why the beginning of a file cannot be that of a text in UTF-8; empty if it may be."""
    if content.startswith(_UTF16):
        return "the text is in UTF-16; save it as UTF-8"
    for mark, tool in _COMPRESSED:
        if content.startswith(mark):
            return f"the file is compressed; unpack it first ({tool})"
    return "this is a binary file, not text in UTF-8" if b"\0" in content else ""


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is something under a name; False for names that no file can have."""
    try:
        return os.path.exists(path)
    except (OSError, ValueError):
        return False


def file_problem(error: OSError) -> str:
    """What a person can do about a file or a disk; empty if the error is about something else."""
    where = f" ({error.filename2 or error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left on the disk{where}; free some, then try again"
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return f"no permission to write or read there{where}; choose another place or change its permissions"
    return f"{error.strerror}: {error.filename}" if error.filename else ""


def expand_user(name: str | os.PathLike[str]) -> Path:
    """A path with `~` replaced by the home folder; as it is where there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def _too_large(size: int, kind: FileKind) -> str:
    return f"the file has {_in_words(size)}, more than the {_in_words(kind.max_bytes)} that a {kind.name} may have"


def _in_words(size: int) -> str:
    for unit, name in ((MIB, "MiB"), (2**10, "KiB")):
        if size >= unit:
            return f"{size / unit:,.0f} {name}"
    return f"{size} bytes"


def _why_not_open(path: Path, kind: FileKind, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        if os.path.islink(path):
            return f"the symbolic link leads to {os.readlink(path)}, which is not there"
        near = _near_file(path)
        return f"no such {kind.name}" + (f"; did you mean {near}?" if near else "")
    if isinstance(error, PermissionError):
        if os.path.isdir(path):
            return "this is a folder, not a file"
        return "the file may not be read by you; change its permissions (chmod u+r)"
    return _ERRNO_REASONS.get(error.errno or 0, f"the file cannot be read: {error.strerror or error}")


def _near_file(path: Path) -> str:
    """The path of a file with nearly the same name beside the missing one; empty if there is none."""
    try:
        names = os.listdir(path.parent)
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.7)
    return str(path.with_name(near[0])) if near else ""
