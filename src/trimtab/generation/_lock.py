"""One process at a time for a file of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from trimtab._util.atomic_files import acquire
from trimtab.errors import RunError


@contextmanager
def exclusive_access(path: Path) -> Iterator[None]:
    """Lock a file of pairs against other processes; its folder is made if missing.

    Raises:
        RunError: When another process holds the lock.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    busy = f"{path}: another process is working on these pairs; wait for it or stop it"
    acquire(lock, 0, busy, inside=path.parent, error=RunError)
    try:
        yield
    finally:
        lock.release()
