"""Files and folders that appear whole or not at all, and are never written through a link.

Everything that trimtab writes goes through here (`tests/test_writers.py` holds it to that). A file is written under a
name that nobody can foresee, beside its target, and renamed. Whatever goes wrong is an error that names the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from trimtab._util.regular_files import NotRegular, kind_of, open_regular
from trimtab.errors import RunError, TrimtabError

if TYPE_CHECKING:
    from filelock import FileLock

_TEMPORARY = re.compile(r"\.trimtab-[0-9a-f]{16}\.part")
_REMEDIES = {
    errno.ENOSPC: "no space left on the disk; free some, then try again",
    errno.EDQUOT: "the disk quota is used up; free some space, then try again",
    errno.EFBIG: "files may not become that large here; raise the limit (`ulimit -f`), then try again",
    errno.EROFS: "the disk is read-only; choose another place",
    errno.EACCES: "no permission to write there; choose another place or change its permissions",
    errno.EPERM: "no permission to write there; choose another place or change its permissions",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a part of the path is a file; choose another place",
}
_OPEN_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def whole_file(
    path: Path,
    *,
    inside: Path | None = None,
    what: str = "the file",
    error: type[TrimtabError] = RunError,
    durable: bool = True,
) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` when the block ends, and leaves it alone when the block fails.

    Args:
        path: The file. Missing folders are made; permissions of a file that it replaces are preserved.
        inside: The folder below which nothing on the way to the file may be a link; by default only the file itself
            may be none.
        what: What it is, for messages.
        error: Raised where writing fails.
        durable: Whether the content is on the disk, not only on its way there, before the file appears.

    Raises:
        TrimtabError: `error`, where the file cannot be written.
    """
    try:
        refuse_links(path, inside, error)
        _require_replaceable(path, error)
        make_folder(path.parent, inside=inside, error=error)
        temporary = path.parent / _temporary_name()
        descriptor = os.open(temporary, _OPEN_NEW, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                os.chmod(temporary, stat.S_IMODE(os.lstat(path).st_mode))
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        if durable:
            _sync_folder(path.parent)
    except OSError as fault:
        raise error(f"{path}: cannot write {what}: {reason(fault)}") from fault


def write_whole(
    path: Path,
    content: str | bytes,
    *,
    inside: Path | None = None,
    what: str = "the file",
    error: type[TrimtabError] = RunError,
    durable: bool = True,
) -> None:
    """Write text, as UTF-8, or bytes as one file; see `whole_file`."""
    try:
        data = content.encode("utf-8") if isinstance(content, str) else content
    except UnicodeEncodeError as fault:
        half = fault.object[fault.start]
        raise error(f"{path}: cannot write {what}: it holds {half!r}, half of a character; take it out") from None
    with whole_file(path, inside=inside, what=what, error=error, durable=durable) as file:
        file.write(data)


@contextmanager
def whole_folder(path: Path, *, error: type[TrimtabError] = RunError) -> Iterator[Path]:
    """A new folder to fill, which becomes `path` when the block ends and is deleted when it fails.

    Args:
        path: The folder; nothing, or an empty folder, may be there.
        error: Raised where it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        workplace = path.parent / _temporary_name()
        workplace.mkdir()
        try:
            yield workplace
            if path.is_dir() and not path.is_symlink():
                path.rmdir()  # refuses a folder that holds anything
            os.replace(workplace, path)
        except BaseException:
            shutil.rmtree(workplace, ignore_errors=True)
            raise
    except OSError as fault:
        raise error(f"{path}: cannot write the folder: {reason(fault)}") from fault


def make_folder(path: Path, *, inside: Path | None = None, error: type[TrimtabError] = RunError) -> None:
    """Make a folder, and those that it is in, unless it is there.

    Args:
        path: The folder.
        inside: The folder below which nothing on the way may be a link.
        error: Raised where it cannot be made.
    """
    if inside is not None and path != inside:
        refuse_links(path, inside, error)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise error(f"{path}: is a file where a folder is needed; remove it or choose another place") from None
    except OSError as fault:
        raise error(f"{path}: cannot make the folder: {reason(fault)}") from fault


def remove(path: Path, *, inside: Path, error: type[TrimtabError] = RunError) -> None:
    """Delete a file or a folder, if it is there; nothing that a link leads to."""
    refuse_links(path, inside, error)
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as fault:
        raise error(f"{path}: cannot be deleted: {reason(fault)}") from fault


def remove_leftovers(folder: Path) -> None:
    """Delete what killed processes were about to write in a folder that nobody else writes to now."""
    for where, _, names in os.walk(folder, followlinks=False):
        for name in filter(is_leftover, names):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(where, name))


def is_leftover(name: str) -> bool:
    """Whether a file of this name was being written when its process was killed."""
    return _TEMPORARY.fullmatch(name) is not None


@contextmanager
def open_inside(path: Path, inside: Path, *, error: type[TrimtabError] = RunError) -> Iterator[BinaryIO]:
    """Open a regular file below a folder for reading, through no link.

    Args:
        path: The file.
        inside: The folder below which nothing on the way to it may be a link.
        error: Raised where it is a link or not a regular file.

    Raises:
        FileNotFoundError: When there is nothing.
        OSError: When it cannot be read.
    """
    refuse_links(path, inside, error)
    try:
        file = open_regular(path)
    except NotRegular as found:
        raise error(f"{path}: is not a file but {found.kind}") from None
    with file:
        yield file


def acquire(lock: FileLock, wait_seconds: float, busy: str, *, inside: Path, error: type[TrimtabError]) -> None:
    """Take a lock.

    Args:
        lock: From filelock; its folder is made if missing.
        wait_seconds: How long to wait for another process to release it.
        busy: Message when it is not released.
        inside: The folder below which nothing on the way to the lock's file may be a link.
        error: Raised when it cannot be taken.
    """
    from filelock import Timeout

    file = Path(lock.lock_file)
    refuse_links(file, inside, error)
    _require_replaceable(file, error)
    make_folder(file.parent, inside=inside, error=error)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise error(busy) from None
    except OSError as fault:
        raise error(f"{file}: cannot be locked: {reason(fault)}") from fault


def refuse_links(path: Path, inside: Path | None, error: type[TrimtabError] = RunError) -> None:
    """Refuse a path that is a link, or that a link below `inside` is on the way to.

    In a folder from somebody else, a link would turn writing into changing files elsewhere, and reading into showing
    them.
    """
    steps = [path]
    if inside is not None:
        within = path.relative_to(inside)
        if ".." in within.parts:
            raise error(f"{path}: leads out of {inside}")
        steps = [inside / step for step in (*reversed(within.parents), within)][1:]
    for step in steps:
        if step.is_symlink():
            advice = "put the file itself there" if inside is None else f"only {inside} as a whole may be one"
            raise error(
                f"{step}: is a link, to {os.readlink(step)!r}, and links are not written or read here; {advice}"
            )


def reason(fault: OSError) -> str:
    """Explain why an operation on a file failed, and what to do."""
    message = fault.strerror or str(fault)
    remedy = _REMEDIES.get(fault.errno or 0, "")
    return f"{message} ({remedy})" if remedy else message


def _require_replaceable(path: Path, error: type[TrimtabError]) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise error(f"{path}: cannot write the file: there is {kind_of(mode)} of this name; choose another")


def _temporary_name() -> str:
    return f".trimtab-{secrets.token_hex(8)}.part"


def _sync_folder(folder: Path) -> None:
    """Make the new name last; where a file system cannot, the file is whole under its old or its new content."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
