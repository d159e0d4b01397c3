"""Answers: replies to choice questions in every cell, and the options they choose."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from trimtab.errors import RunError, TrimtabWarning
from trimtab.evaluation import AnswerKey, Row, answer_batches, answer_keys, shown_rows
from trimtab.evaluation.option_likelihood import (
    MIN_PRECISION,
    calibration,
    labelled_replies,
    least_margin,
)
from trimtab.store.cached_tables import TableName
from trimtab.store.part_writer import PartWriter
from trimtab.store.table_schemas import Table
from trimtab.study.measures._stored_tables import growing_tables, stored_tables
from trimtab.study.measures.answers.settings import READER, Answers
from trimtab.study.measures.base import Measure, Subject, Unit
from trimtab.study.measures.context import Context
from trimtab.study.measures.work import WriteReplies
from trimtab.study.step_names import answering, calibrating


class AnswersMeasure(Measure[Answers]):
    """Answers to choice questions, read option by option."""

    name = "answers"
    settings = Answers
    tables: ClassVar[Mapping[str, Table]] = {**growing_tables("answers"), **stored_tables("answers")}
    grows = True

    def units(self, settings: Answers, subject: Subject) -> Iterator[Unit]:
        """One unit with every question in every cell."""
        prompts = [row.shown.pair for row in _rows(settings, subject)]
        behind = int(settings.likelihood)
        written = WriteReplies(prompts, "choice", subject.grid, settings.max_new_tokens, read_behind=behind)
        yield Unit("answers", (written,), grid=subject.grid)

    def run(self, settings: Answers, context: Context) -> None:
        """Ask the questions that are not answered in the run folder yet.

        Raises:
            RunError: When an earlier version's rules have read the others.
        """
        subject, model = context.subject, context.model
        rows, grid = _rows(settings, subject), subject.grid
        answers = context.folder.parts("answers")
        done = set[AnswerKey]()
        if answers is not None:
            done = answer_keys(answers[(answers["model"] == model.name) & (answers["behavior"] == subject.name)])
        finished, total, started = len(done), len(rows) * (1 + len(grid.steered)), time.monotonic()
        if settings.reader != READER and finished < total:
            raise RunError(
                f"{context.folder.path}: the answers of {model.name} about {subject.name} were begun by version "
                f"{settings.reader} of the rules that read them, and {finished} of {total} are there; start a new run "
                "in another folder with -o"
            )
        what, before = answering(subject.name, model.name), finished
        context.progress(what, finished, total)

        def written(count: int, of: int) -> None:
            context.progress(what, min(before + count, total - 1), total)  # they are in the table a little later

        parts = PartWriter(context.folder, "answers")
        try:
            for frame in answer_batches(
                model, context.vector, rows, grid, subject.name, max_new_tokens=settings.max_new_tokens, done=done,
                progress=written,
                min_margin=_min_margin(settings, context) if finished < total else math.inf,
            ):  # fmt: skip
                parts.add(frame)
                finished += len(frame)
        finally:
            parts.flush()
            context.progress(what, finished, total)
            context.add_seconds("ask", time.monotonic() - started, model.name, subject.name)


ANSWERS = AnswersMeasure()


def _min_margin(settings: Answers, context: Context) -> float:
    """The margin from which on this model's own reading counts; infinite where it is not wanted or reads badly."""
    if not settings.likelihood:
        return math.inf
    model, subject = context.model, context.subject
    columns = list(ANSWERS.tables["calibration"].schema)
    context.progress(calibrating(model.name), 0, len(labelled_replies()))
    table = context.tables.table(
        TableName("answers", "calibration", model.name, subject.name),
        [model.fingerprint, model.template_hash, [(reply.pair.id, reply.reply) for reply in labelled_replies()]],
        lambda: calibration(model).assign(model=model.name, behavior=subject.name)[columns],
    )
    margin = least_margin(table)
    context.progress(calibrating(model.name), len(table), len(table))
    if math.isinf(margin):
        right = (table["answer"] == table["read"])[table["answer"] != ""].mean()
        warnings.warn(
            f"{subject.name}: no answer is read by likelihood, because {model.name} reads {right:.0%} of the labelled "
            f"replies right and at no margin {MIN_PRECISION:.0%} of them; only rules read its answers",
            TrimtabWarning,
            stacklevel=2,
        )
    return margin


def _rows(settings: Answers, subject: Subject) -> Sequence[Row]:
    """The questions as presented."""
    study, test = subject.study, subject.parts[2]
    asked = replace(test, pairs=test.pairs[: settings.prompts])
    return shown_rows([("test", asked)], "choice", study.balance, study.seed)
