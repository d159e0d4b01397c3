"""The rows of one sweep, scored batch by batch into parts: by one process, or by several together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from trimtab.engines import BatchClaims, Model, Scoring
from trimtab.evaluation import Grid, Row, sweep_batches
from trimtab.store.part_writer import PartWriter
from trimtab.store.run_folder import RunFolder
from trimtab.vectors import SteeringVector

RowKey = tuple[str, str, int]
"""(split, prompt id, order): what names a row in the table."""


@dataclass(frozen=True, eq=False)
class SweepTask:
    """Everything that a process needs to score rows of a sweep, beside the model."""

    behavior: str
    rows: Sequence[Row]
    scoring: Scoring
    grid: Grid
    vectors: Path
    """The file of the vectors."""
    fingerprint: str
    """Of the model and of its chat template, so that no other one takes part."""
    template_hash: str

    @property
    def keys(self) -> list[RowKey]:
        """The name of each row."""
        return [(row.split, row.shown.pair.id, row.shown.order) for row in self.rows]

    def on_disk(self, folder: RunFolder, model: str) -> set[int]:
        """Rows that the run folder holds."""
        found = folder.done(model, self.behavior)
        return {index for index, key in enumerate(self.keys) if key in found}


class RowClaims(BatchClaims):
    """Rows of a sweep, of which one process alone writes those that are not on disk.

    Args:
        done: Rows that are on disk.
    """

    def __init__(self, done: set[int]):
        self.done = done
        self.granted: set[int] = set()
        """Rows that are this process's to write."""

    def __contains__(self, index: object) -> bool:
        return index in self.done

    def __iter__(self) -> Iterator[int]:
        return iter(self.done)

    def __len__(self) -> int:
        return len(self.done)

    def taken(self, indices: Sequence[int]) -> bool:
        """Whether all rows of a batch are on disk."""
        mine = self.claim([index for index in indices if index not in self.done])
        self.granted |= mine
        return not mine

    def claim(self, indices: Sequence[int]) -> set[int]:
        """Those of some rows that this process gets."""
        return set(indices)

    def written(self, indices: set[int]) -> None:
        """Note rows that are on disk now."""
        self.done |= indices


class SweepSharing(Protocol):
    """Other processes that take part in the sweeps of a model."""

    def offer(self, task: SweepTask, done: set[int]) -> RowClaims:
        """Let others take batches of a sweep, of which these rows are on disk."""
        ...

    def wait(self, task: SweepTask, progress: Callable[[int], None]) -> bool:
        """Wait for rows that others have taken; false where some have been given back and are to be scored here."""
        ...

    def close(self) -> None:
        """No sweep follows."""
        ...


def score_rows(
    model: Model,
    vectors: SteeringVector,
    task: SweepTask,
    folder: RunFolder,
    claims: RowClaims,
    progress: Callable[[int], None],
) -> None:
    """Score the rows that can be claimed, and write them.

    Batches may differ from those before a stop, or from those of others, as with another amount of free memory: of a
    batch only the rows are written that are this process's.

    Args:
        model: The model.
        vectors: What is pushed along.
        task: The sweep.
        folder: Where parts are written.
        claims: Who scores which rows.
        progress: Called with the number of rows of each batch.
    """
    parts, keys, waiting = PartWriter(folder, "samples"), task.keys, set[int]()

    def on_disk() -> None:
        claims.written(set(waiting))
        waiting.clear()

    try:
        batches = sweep_batches(model, vectors, task.rows, task.grid, task.scoring, task.behavior, claims)
        for indices, frame in batches:
            mine = claims.granted.intersection(indices)
            wanted = {keys[index] for index in mine}
            named = zip(frame["split"], frame["prompt_id"], frame["order"], strict=True)
            parts.add(frame[[key in wanted for key in named]])
            waiting |= mine
            if parts.is_empty:
                on_disk()
            progress(len(mine))
    finally:
        parts.flush()
        on_disk()
