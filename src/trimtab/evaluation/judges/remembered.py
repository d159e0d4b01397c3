"""What language models said, kept in one SQLite file, so that no question is paid for twice."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trimtab.errors import RunError, TrimtabWarning

_WAIT_SECONDS = 30
_AT_ONCE = 500
_TABLE = """CREATE TABLE IF NOT EXISTS judgements (
    key TEXT PRIMARY KEY, said TEXT NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL
) WITHOUT ROWID"""


def remembered(cache: str | Path | bool, name: str) -> Remembered | None:
    """Where answers are kept: in a file of one's own, for True in `name` in the cache folder, for False nowhere."""
    if cache is False:
        return None
    if cache is True:
        from trimtab.models.bundled import cache_folder

        return Remembered(cache_folder() / name)
    return Remembered(Path(cache))


def question_key(model: str, base_url: str | None, question: str, settings: Mapping[str, float]) -> str:
    """Whatever shapes the answer, as one hash."""
    return hashlib.sha256(json.dumps([model, base_url, question, dict(settings)], sort_keys=True).encode()).hexdigest()


class Remembered:
    """Answers by the key of their question. Several processes may use one file at once."""

    def __init__(self, path: Path):
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._works = True

    def look_up(self, keys: Sequence[str]) -> dict[str, str]:
        """What was said, for those of the keys that are known.

        Raises:
            RunError: when the file is damaged or cannot be read.
        """
        if not self.path.is_file():
            return {}
        try:
            with contextlib.closing(_connect(self.path)) as connection:
                return dict(row for some in _in_parts(keys) for row in _select(connection, some))
        except (sqlite3.Error, OSError) as error:
            raise RunError(
                f"{self.path}: the cache of what language models said cannot be read ({error}); "
                "move or delete the file, or go on without a cache"
            ) from error

    def store(self, key: str, said: str, input_tokens: int, output_tokens: int) -> None:
        """Keep an answer at once. Where that fails, judging goes on without: a warning says so, once."""
        if not self._works:
            return
        try:
            if self._connection is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._connection = _connect(self.path)
            with self._connection:
                self._connection.execute(
                    "INSERT OR REPLACE INTO judgements VALUES (?, ?, ?, ?)", (key, said, input_tokens, output_tokens)
                )
        except (sqlite3.Error, OSError) as error:
            self._works = False
            warnings.warn(
                f"{self.path}: what the language model says is not kept, a later run has to ask again ({error})",
                TrimtabWarning,
                stacklevel=2,
            )

    def close(self) -> None:
        """Let go of the file; storing opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(path: Path) -> sqlite3.Connection:
    # An iterator of judgements may be closed by another thread than the one that used it.
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, check_same_thread=False)
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
    return (keys[start : start + _AT_ONCE] for start in range(0, len(keys), _AT_ONCE))


def _select(connection: sqlite3.Connection, keys: Sequence[str]) -> list[tuple[str, str]]:
    marks = ", ".join("?" * len(keys))
    return connection.execute(f"SELECT key, said FROM judgements WHERE key IN ({marks})", keys).fetchall()
