"""Scores: every held-out pair, unsteered and in every cell of the sweep."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from trimtab.evaluation import Row, shown_rows, sweep_batches
from trimtab.store.part_writer import PartWriter
from trimtab.study.measures._stored_tables import growing_tables
from trimtab.study.measures.base import Measure, Subject, Unit
from trimtab.study.measures.context import Context
from trimtab.study.measures.work import ScoreRows
from trimtab.study.step_names import sweeping


class ScoresMeasure(Measure[Any]):
    """The sweep; its settings are the study's own keys."""

    name = "scores"
    tables = growing_tables("samples")
    grows = True

    def units(self, settings: None, subject: Subject) -> Iterator[Unit]:
        """One unit with all rows; none where the study does not sweep."""
        if not subject.study.sweep:
            return
        study, (_, select, test) = subject.study, subject.parts
        rows = shown_rows([("select", select), ("test", test)], subject.scoring, study.balance, study.seed)
        yield Unit("samples", (ScoreRows(rows, subject.scoring, subject.grid),), grid=subject.grid)

    def run(self, context: Context) -> None:
        """Score the rows that are not in the run folder yet."""
        subject, model = context.subject, context.model
        for piece in self.work(None, subject):
            assert isinstance(piece, ScoreRows)
            assert piece.grid is not None
            on_disk = context.folder.done(model.name, subject.name)
            done = {i for i, row in enumerate(piece.rows) if _key(row) in on_disk}
            finished, started = len(done), time.monotonic()
            what, cells = sweeping(subject.name, model.name), 1 + len(piece.grid.steered)
            context.progress(what, finished * cells, len(piece.rows) * cells)
            parts = PartWriter(context.folder, "samples")
            try:
                for indices, frame in sweep_batches(
                    model, context.vector, piece.rows, piece.grid, piece.scoring, subject.name, done
                ):
                    # Batches may differ from those before the stop, as with another amount of free memory.
                    keys = zip(frame["split"], frame["prompt_id"], frame["order"], strict=True)
                    parts.add(frame[[key not in on_disk for key in keys]])
                    finished += len(indices)
                    context.progress(what, finished * cells, len(piece.rows) * cells)
            finally:
                parts.flush()
                context.add_seconds("sweep", time.monotonic() - started, model.name, subject.name)


SCORES = ScoresMeasure()


def _key(row: Row) -> tuple[str, str, int]:
    return row.split, row.shown.pair.id, row.shown.order
