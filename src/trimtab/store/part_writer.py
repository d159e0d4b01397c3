"""Writes a table that grows: batches are collected into parts, so that a run leaves tens of files, not thousands."""

from __future__ import annotations

import time

import pandas as pd

from trimtab.store.table_folder import Kind, TableFolder

SECONDS_BETWEEN_PARTS = 5.0


class PartWriter:
    """Collects whole batches of rows, and writes a part every few seconds.

    Args:
        folder: The run folder.
        kind: The table.
    """

    def __init__(self, folder: TableFolder, kind: Kind):
        self.folder, self.kind = folder, kind
        self.frames: list[pd.DataFrame] = []
        self.since = time.monotonic()

    def add(self, frame: pd.DataFrame) -> None:
        """Take in a batch."""
        self.frames.append(frame)
        if time.monotonic() - self.since > SECONDS_BETWEEN_PARTS:
            self.flush()

    @property
    def is_empty(self) -> bool:
        """Whether everything that was taken in is on disk."""
        return not self.frames

    def flush(self) -> None:
        """Write the rows that are not on disk yet."""
        if self.frames:
            self.folder.append(pd.concat(self.frames, ignore_index=True), self.kind)
        self.frames, self.since = [], time.monotonic()
