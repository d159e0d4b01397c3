"""One process at a time for a file of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from trimtab.errors import RunError


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes away from a file of pairs; its folder is made if missing.

    Raises:
        RunError: when another process is at it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"{path}: another process is working on these pairs; wait for it or stop it") from None
    try:
        yield
    finally:
        lock.release()
