"""Scores: every held-out pair, unsteered and in every cell of the sweep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trimtab.engines import seconds_of
from trimtab.evaluation import shown_rows
from trimtab.study.measures._stored_tables import growing_tables
from trimtab.study.measures.base import Measure, Subject, Unit
from trimtab.study.measures.context import Context
from trimtab.study.measures.scores.sweep_rows import RowClaims, SweepTask, score_rows
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
            vectors = context.folder.vector_file(model.name, subject.name)
            task = SweepTask(
                subject.name, piece.rows, piece.scoring, piece.grid, vectors, model.fingerprint, model.template_hash
            )
            clock = seconds_of(model)
            started = clock()
            try:
                while not self._score(task, context):
                    pass  # a process that shared the sweep has died, and its rows are to be scored here
            finally:
                context.add_seconds("sweep", clock() - started, model.name, subject.name)

    @staticmethod
    def _score(task: SweepTask, context: Context) -> bool:
        """Score rows until all are on disk, or taken by others and written by them; false if they were given back."""
        model, sharing = context.model, context.sharing
        done = task.on_disk(context.folder, model.name)
        finished, cells, rows = len(done), 1 + len(task.grid.steered), len(task.rows)
        what = sweeping(task.behavior, model.name)

        def advance(more: int) -> None:
            nonlocal finished
            finished += more
            context.progress(what, finished * cells, rows * cells)

        def all_finished(count: int) -> None:
            advance(count - finished)

        advance(0)
        claims = RowClaims(done) if sharing is None else sharing.offer(task, done)
        score_rows(model, context.vector, task, context.folder, claims, advance)
        return sharing is None or sharing.wait(task, all_finished)


SCORES = ScoresMeasure()
