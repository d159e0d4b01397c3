"""Completions of language models in one SQLite file, so that no request is paid for twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trimtab.errors import RunError, TrimtabWarning

_LOCK_TIMEOUT_SECONDS = 30
_KEYS_PER_QUERY = 500
# Named before writers used it too; files that people have stay valid.
_TABLE = """CREATE TABLE IF NOT EXISTS judgements (
    key TEXT PRIMARY KEY, said TEXT NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL
) WITHOUT ROWID"""


def open_cache(cache: str | Path | bool, name: str) -> CompletionCache | None:
    """Open a cache.

    Args:
        cache: The file; True for `name` in trimtab's cache folder, False for no cache.
        name: A file name.
    """
    if cache is False:
        return None
    if cache is True:
        from trimtab.models.gguf.conversion import cache_folder

        return CompletionCache(cache_folder() / name)
    return CompletionCache(Path(cache))


def request_key(model: str, base_url: str | None, prompt: str, settings: Mapping[str, float]) -> str:
    """Hash of everything that shapes a completion."""
    return hashlib.sha256(json.dumps([model, base_url, prompt, dict(settings)], sort_keys=True).encode()).hexdigest()


class CompletionCache:
    """Texts by the key of their request. Several processes may use one file at once."""

    def __init__(self, path: Path):
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._works = True
        self._lock = threading.RLock()  # one judge may be used by several threads at once

    def look_up(self, keys: Sequence[str]) -> dict[str, str]:
        """The texts of those of the keys that are known.

        Raises:
            RunError: When the file is damaged or cannot be read.
        """
        if not self.path.is_file():
            return {}
        try:
            with contextlib.closing(_connect(self.path)) as connection:
                found = dict(row for part in _in_parts(keys) for row in _select(connection, part))
            if any(not isinstance(text, str) for text in found.values()):
                raise sqlite3.DataError("a reply in it is no text")
            return found
        except (sqlite3.Error, OSError) as error:
            raise RunError(
                f"{self.path}: the cache of language models' replies cannot be read ({error}); "
                "move or delete the file, or run without a cache"
            ) from error

    def store(self, key: str, text: str, input_tokens: int, output_tokens: int) -> None:
        """Write a text at once. Where that fails the cache is switched off, with a warning."""
        try:
            with self._lock:
                if not self._works:
                    return
                if self._connection is None:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    self._connection = _connect(self.path)
                row = (key, text, input_tokens, output_tokens)
                with self._connection:
                    self._connection.execute("INSERT OR REPLACE INTO judgements VALUES (?, ?, ?, ?)", row)
        except (sqlite3.Error, OSError) as error:
            self._works = False
            warnings.warn(
                f"{self.path}: the cache cannot be written; a later run pays for the same requests again ({error})",
                TrimtabWarning,
                stacklevel=2,
            )

    def close(self) -> None:
        """Close the file; storing opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _connect(path: Path) -> sqlite3.Connection:
    # An iterator of judgements may be closed by another thread than the one that used it.
    connection = sqlite3.connect(path, timeout=_LOCK_TIMEOUT_SECONDS, check_same_thread=False)
    try:
        # Processes that create the file at the same moment: one switches, the others go on in either mode.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(_TABLE)
    except BaseException:
        connection.close()
        raise
    return connection


def _in_parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + _KEYS_PER_QUERY] for start in range(0, len(keys), _KEYS_PER_QUERY))


def _select(connection: sqlite3.Connection, keys: Sequence[str]) -> list[tuple[str, str]]:
    marks = ", ".join("?" * len(keys))
    return connection.execute(f"SELECT key, said FROM judgements WHERE key IN ({marks})", keys).fetchall()
