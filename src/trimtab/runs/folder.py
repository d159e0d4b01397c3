"""The run folder: a manifest, sample parts that are only ever added, vectors, and the report."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from trimtab.errors import RunError
from trimtab.runs.names import safe_name
from trimtab.runs.shares import merged

_MANIFEST = "manifest.json"
_SHARES = "manifest.d"
SECONDS_BETWEEN_PARTS = 5.0
Kind = Literal["samples", "answers", "replies", "judgements", "dose"]
"""Tables that grow part by part."""


class RunFolder:
    """One run on disk. Whatever moment a run is killed at, what is in its folder is whole.

    Several processes may work on a run, each on another model: then each has the folder as a share, with a manifest and
    names of parts of its own, so that no file is written by two.

    Args:
        path: the folder.
        model: whose share this is; the whole run by default.
    """

    def __init__(self, path: Path, model: str = ""):
        self.path = path
        self._author = safe_name(model) if model else ""
        self._file = path / _SHARES / f"{self._author}.json" if model else path / _MANIFEST
        self._lock = FileLock(path / _SHARES / f".{self._author}.lock" if model else path / ".lock")

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
        folder.lock()
        for part in ("samples", "vectors"):
            (path / part).mkdir(exist_ok=True)
        return folder

    def lock(self, wait_seconds: float = 0) -> None:
        """Keep other processes out of the whole run, or of this share.

        Raises:
            RunError: when another process is in it, and stays for so long.
        """
        try:
            self._lock.acquire(timeout=wait_seconds)
        except Timeout:
            about = f"on {self._author} in this run" if self._author else "on this run"
            raise RunError(f"{self.path}: another process is working {about}") from None

    def close(self) -> None:
        """Let other processes in again."""
        self._lock.release()

    def has_begun(self) -> bool:
        """Whether there is a manifest."""
        return self._file.is_file()

    def identity(self) -> str:
        """Identity of the run in the folder, "" if there is none yet."""
        return str(self.manifest().get("identity", "")) if self.has_begun() else ""

    def manifest(self) -> dict[str, Any]:
        """What the run was asked to do and has done, or what the share says of its model.

        What the shares say that are not merged yet is in that of the run.

        Raises:
            RunError: when there is none, or it cannot be read.
        """
        # Shares first: one that is merged meanwhile is in the run's own by then.
        shares = [] if self._author else [self._read(file) for file in self._shares()]
        content = self._read(self._file)
        for share in shares:
            content = merged(content, share)
        return content

    def _read(self, file: Path) -> dict[str, Any]:
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
        temporary = self._file.with_name(f".{self._file.name}")
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, self._file)

    def _shares(self) -> list[Path]:
        return sorted(file for file in (self.path / _SHARES).glob("*.json") if not file.name.startswith("."))

    def open_shares(self) -> None:
        """Let models be worked on side by side from now on."""
        (self.path / _SHARES).mkdir(exist_ok=True)

    @property
    def is_shared(self) -> bool:
        """Whether models are, or were when the run was stopped, worked on side by side."""
        return (self.path / _SHARES).is_dir()

    def close_shares(self) -> None:
        """Clear away what is left of shares, all of which have been merged."""
        if self.is_shared and not self._shares():
            shutil.rmtree(self.path / _SHARES)

    def drop(self) -> None:
        """Forget the manifest of this share, which has been merged."""
        assert self._author
        self._file.unlink(missing_ok=True)

    def append(self, rows: pd.DataFrame, kind: Kind = "samples") -> None:
        """Add rows as one more part, whole or not at all."""
        (self.path / kind).mkdir(exist_ok=True)
        number = 1 + max((_number(part) for part in self._files(kind)), default=-1)
        name = f"part-{number:05d}-{self._author}" if self._author else f"part-{number:05d}"
        _write_parquet(rows, self.path / kind / f"{name}.parquet")

    def steps(self) -> int:
        """How much of a share's model is on disk: grows with whatever will not be done again after a stop."""
        parts = sum(_author(part) == self._author for kind in get_args(Kind) for part in self._files(kind))
        vectors = len(list((self.path / "vectors").glob(f"{self._author}--*.safetensors")))
        return parts + vectors + len(self.manifest().get("chunks", ()) if self.has_begun() else ())

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

        `rates` are answers by cell that came in with an imported study; see `trimtab.runs.chunks` for those of the
        checks.

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


def _number(part: Path) -> int:
    return int(part.stem.split("-")[1])


def _author(part: Path) -> str:
    """Whose share wrote it; "" where nobody else was at work."""
    return "-".join(part.stem.split("-")[2:])


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
