"""The run folder: a manifest, sample parts that are only ever added, vectors, and the report."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from trimtab.errors import RunError

_MANIFEST = "manifest.json"
SECONDS_BETWEEN_PARTS = 5.0
Kind = Literal["samples", "answers", "replies", "judgements"]
"""Tables that grow part by part."""


class RunFolder:
    """One run on disk. Whatever moment a run is killed at, what is in its folder is whole."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = FileLock(path / ".lock")

    @classmethod
    def open(cls, path: Path, identity: str) -> RunFolder:
        """Create the folder, or go on with the run of the same identity in it, and keep other processes out.

        Raises:
            RunError: when the folder holds another run or something else, or another process is writing to it.
        """
        folder = cls(path)
        if path.exists() and not path.is_dir():
            raise RunError(f"{path}: is a file; name a folder for the run")
        if path.is_dir() and any(path.iterdir()):
            if not (path / _MANIFEST).is_file() and not _only_leftovers(path):
                raise RunError(f"{path}: is not empty and not a run folder; name another folder with -o")
            found = folder.identity()
            if found not in ("", identity):
                raise RunError(
                    f"{path}: holds a run with other settings or pairs, and results are never mixed; "
                    "name another folder with -o, or delete this one"
                )
        path.mkdir(parents=True, exist_ok=True)
        try:
            folder._lock.acquire(timeout=0)
        except Timeout:
            raise RunError(f"{path}: another process is working on this run") from None
        for part in ("samples", "vectors"):
            (path / part).mkdir(exist_ok=True)
        return folder

    def close(self) -> None:
        """Let other processes in again."""
        self._lock.release()

    def identity(self) -> str:
        """Identity of the run in the folder, "" if there is none yet."""
        return str(self.manifest().get("identity", "")) if (self.path / _MANIFEST).is_file() else ""

    def manifest(self) -> dict[str, Any]:
        """What the run was asked to do and has done.

        Raises:
            RunError: when there is none, or it cannot be read.
        """
        file = self.path / _MANIFEST
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{self.path}: no {_MANIFEST} here, so this is not a run folder") from None
        except (ValueError, OSError) as error:
            raise RunError(f"{file}: cannot be read ({error})") from None
        if not isinstance(content, dict):
            raise RunError(f"{file}: is not the manifest of a run")
        return content

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        """Replace the manifest, whole or not at all."""
        temporary = self.path / f".{_MANIFEST}"
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, self.path / _MANIFEST)

    def append(self, rows: pd.DataFrame, kind: Kind = "samples") -> None:
        """Add rows as one more part, whole or not at all."""
        (self.path / kind).mkdir(exist_ok=True)
        number = 1 + max((int(p.stem.split("-")[1]) for p in self._files(kind)), default=-1)
        _write_parquet(rows, self.path / kind / f"part-{number:05d}.parquet")

    def samples(self) -> pd.DataFrame:
        """All rows of all parts, in the order in which they were added.

        Raises:
            RunError: when there are none yet, or a part is damaged.
        """
        found = self.parts("samples")
        if found is None:
            raise RunError(f"{self.path}: the run holds no samples yet; run its study again to go on")
        return found

    def parts(self, kind: Kind, where: Mapping[str, str] | None = None) -> pd.DataFrame | None:
        """All rows of a table that grows, in the order in which they were added; None if there are none.

        `answers` holds what choice behaviors were answered with, `replies` what was said to open prompts, `judgements`
        what judges made of those.

        Args:
            kind: Which table.
            where: Only rows in which these columns have these values.

        Raises:
            RunError: when a part is damaged.
        """
        frames = [_read_parquet(part, where) for part in self._files(kind)]
        return pd.concat(frames, ignore_index=True) if frames else None

    def write(self, name: str, table: pd.DataFrame) -> None:
        """Keep a table that is written at once, in place of an earlier one."""
        file = self.path / f"{name}.parquet"
        file.parent.mkdir(exist_ok=True)
        _write_parquet(table, file)

    def table(self, name: str) -> pd.DataFrame | None:
        """A table that is written at once; None if the run has none.

        `rates` are answers by cell that came in with an imported study, `dose` how far each cell moves the model; see
        `trimtab.runs.chunks` for those of the checks.

        Raises:
            RunError: when it is damaged.
        """
        file = self.path / f"{name}.parquet"
        return _read_parquet(file) if file.is_file() else None

    def remove(self, name: str) -> None:
        """Delete a table that was written at once."""
        (self.path / f"{name}.parquet").unlink(missing_ok=True)

    def done(self, model: str, behavior: str) -> set[tuple[str, str, int]]:
        """(split, prompt_id, order) of the rows of one sweep that are on disk."""
        if not self._files("samples"):
            return set()
        rows = self.samples()
        rows = rows[(rows["model"] == model) & (rows["behavior"] == behavior) & (rows["strength"] == 0)]
        return set(zip(rows["split"], rows["prompt_id"], rows["order"].astype(int), strict=True))

    def vector_file(self, model: str, behavior: str) -> Path:
        """Where the vectors of one model and behavior are."""
        return self.path / "vectors" / f"{safe_name(model)}--{safe_name(behavior)}.safetensors"

    def _files(self, kind: Kind) -> list[Path]:
        return sorted((self.path / kind).glob("part-*.parquet"))


class Parts:
    """Collects whole batches, so that a run leaves tens of files behind and not thousands."""

    def __init__(self, folder: RunFolder, kind: Kind):
        self.folder, self.kind = folder, kind
        self.frames: list[pd.DataFrame] = []
        self.since = time.monotonic()

    def add(self, frame: pd.DataFrame) -> None:
        """Take in a batch; now and then a part is written."""
        self.frames.append(frame)
        if time.monotonic() - self.since > SECONDS_BETWEEN_PARTS:
            self.flush()

    def flush(self) -> None:
        """Write what there is."""
        if self.frames:
            self.folder.append(pd.concat(self.frames, ignore_index=True), self.kind)
        self.frames, self.since = [], time.monotonic()


def free_folder(path: Path, identity: str) -> Path:
    """`path`, or `path-2`, `path-3`, … : the first that is new, or holds the run of this identity."""
    candidate, number = path, 1
    while candidate.exists() and (candidate / _MANIFEST).is_file() and RunFolder(candidate).identity() != identity:
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def safe_name(name: str) -> str:
    """A name as part of a file name; two names never become one."""
    safe = re.sub(r"-{2,}", "-", re.sub(r"[^A-Za-z0-9._-]+", "_", name)).strip("._-") or "unnamed"
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _write_parquet(table: pd.DataFrame, target: Path) -> None:
    """Write a table, whole or not at all."""
    temporary = target.with_name(f".{target.name}")
    try:
        pq.write_table(pa.Table.from_pandas(table, preserve_index=False), temporary, compression="zstd")
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _read_parquet(part: Path, where: Mapping[str, str] | None = None) -> pd.DataFrame:
    filters = [(column, "=", value) for column, value in where.items()] if where else None
    try:
        table: pd.DataFrame = pq.read_table(part, filters=filters).to_pandas()
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(f"{part}: this part is damaged ({error}); delete it and run the command again") from None
    return table


def _only_leftovers(path: Path) -> bool:
    """Whether a run was killed before it wrote its manifest."""
    return all(p.name in (".lock", f".{_MANIFEST}", "vectors", *get_args(Kind)) for p in path.iterdir())
