"""The tables in a run folder: those that grow part by part, and those that are written at once."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from trimtab._util.atomic_files import refuse_links, remove
from trimtab.errors import RunError
from trimtab.store._file_names import safe_name
from trimtab.store._run_tables import read_run_table, require_once, write_run_table
from trimtab.store.parquet_files import Unpacked
from trimtab.store.table_schemas import GROWING, WHOLE, Schema

_PART = re.compile(r"part-\d{5,}(-[A-Za-z0-9._-]+)?")
MONITOR = "monitor.safetensors"
"""In a run folder, the monitor of its condition on the prompt."""
Kind = Literal["samples", "answers", "replies", "judgements", "dose"]
"""Tables that grow part by part."""


class TableFolder(ABC):
    """The tables and vectors of a run.

    Args:
        path: The run folder.
        author: Ends the names of the parts that are added; empty where only one process writes.
    """

    def __init__(self, path: Path, author: str = ""):
        self.path, self.author = path, author

    @abstractmethod
    def identity(self) -> str:
        """Identity of the run in the folder; empty if there is none yet."""

    def append(self, rows: pd.DataFrame, kind: Kind = "samples") -> None:
        """Add rows as one more part, whole or not at all."""
        number = 1 + max((_number(part) for part in self._files(kind)), default=-1)
        name = f"part-{number:05d}-{self.author}" if self.author else f"part-{number:05d}"
        file = self.path / kind / f"{name}.parquet"
        write_run_table(rows, file, self.path, kind, GROWING[kind], self.identity())

    def samples(self) -> pd.DataFrame:
        """All rows of all parts, in the order in which they were added.

        Raises:
            RunError: When there are none yet, or a part is damaged.
        """
        found = self.parts("samples")
        if found is None:
            raise RunError(f"{self.path}: the run holds no samples yet; run its study again to complete it")
        return found

    def parts(self, kind: Kind, where: Mapping[str, str] | None = None) -> pd.DataFrame | None:
        """All rows of a table that grows, in the order in which they were added; None if there are none.

        Args:
            kind: The table.
            where: Only rows in which these columns have these values.

        Raises:
            RunError: When a part is damaged, of another run, or a copy of another part.
        """
        unpacked, run = Unpacked(), self.identity()
        frames = [
            read_run_table(part, self.path, kind, GROWING[kind], run, where, unpacked) for part in self._files(kind)
        ]
        if not frames:
            return None
        table = pd.concat(frames, ignore_index=True)
        # A failed judgement is repeated, so that two rows about one reply are in order.
        final = table[table["failure"] == ""] if kind == "judgements" else table
        require_once(final, kind, self.path / kind)
        return table

    def part_sizes(self) -> dict[str, int]:
        """Bytes of each part of the tables that grow, by its path in the folder: parts are added, none is changed."""
        return {f"{kind}/{part.name}": part.stat().st_size for kind in get_args(Kind) for part in self._files(kind)}

    def done(self, model: str, behavior: str) -> set[tuple[str, str, int]]:
        """(split, prompt_id, order) of the rows of one sweep that are on disk."""
        if not self._files("samples"):
            return set()
        rows = self.samples()
        rows = rows[(rows["model"] == model) & (rows["behavior"] == behavior) & (rows["strength"] == 0)]
        return set(zip(rows["split"], rows["prompt_id"], rows["order"].astype(int), strict=True))

    def write(self, name: str, table: pd.DataFrame) -> None:
        """Write a table at once, in place of an earlier one."""
        kind, schema = _schema_of(name)
        write_run_table(table, self._table_file(name), self.path, kind, schema, self.identity())

    def table(self, name: str) -> pd.DataFrame | None:
        """A table that is written at once; None if the run has none of this name.

        Args:
            name: `rates`, for the answers by cell of an imported study, or the name of a cached table.

        Raises:
            RunError: When it is damaged.
        """
        file = self._table_file(name)
        if not file.exists() and not file.is_symlink():
            return None
        kind, schema = _schema_of(name)
        table = read_run_table(file, self.path, kind, schema, self.identity())
        require_once(table, kind, file)
        return table

    def remove(self, name: str) -> None:
        """Delete a table that was written at once."""
        remove(self._table_file(name), inside=self.path)

    def vector_file(self, model: str, behavior: str) -> Path:
        """The file of the vectors of one model and behavior.

        Raises:
            RunError: When it is a link.
        """
        file = self.path / "vectors" / f"{safe_name(model)}--{safe_name(behavior)}.safetensors"
        refuse_links(file, self.path)
        return file

    @property
    def monitor_file(self) -> Path:
        """The file of the monitor whose condition on the prompt the run steers under.

        Raises:
            RunError: When it is a link.
        """
        file = self.path / MONITOR
        refuse_links(file, self.path)
        return file

    def _own_files(self) -> int:
        """Number of parts and vectors that this author has written."""
        parts = sum(_author(part) == self.author for kind in get_args(Kind) for part in self._files(kind))
        return parts + len(list((self.path / "vectors").glob(f"{self.author}--*.safetensors")))

    def _table_file(self, name: str) -> Path:
        return self.path / f"{name}.parquet"

    def _files(self, kind: Kind) -> list[Path]:
        refuse_links(self.path / kind, self.path)
        if (self.path / kind).exists() and not (self.path / kind).is_dir():
            raise RunError(f"{self.path / kind}: is not a folder; restore the one that the run wrote")
        parts = sorted((self.path / kind).glob("part-*.parquet"))
        for part in parts:
            if not _PART.fullmatch(part.stem):
                raise RunError(f"{part}: is not a part of {kind}; parts are named part-00000 and so on. Move it away")
        return parts


def _number(part: Path) -> int:
    return int(part.stem.split("-")[1])


def _author(part: Path) -> str:
    """The share that wrote a part; empty where there were no shares."""
    return "-".join(part.stem.split("-")[2:])


def _schema_of(name: str) -> tuple[str, Schema]:
    """The kind of table that a name belongs to, and its schema."""
    kind = name.partition("--")[0]
    return kind, WHOLE[kind]
