"""The measure of doses: which cells are measured on neutral prompts, as work that planning counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trimtab.data import NEUTRAL_PROMPTS
from trimtab.evaluation import Grid
from trimtab.evaluation.dose import TOKENS
from trimtab.steering import SCALES
from trimtab.study._unscored import prompts_of
from trimtab.study.measures._stored_tables import growing_tables
from trimtab.study.measures.base import Measure, Subject, Unit
from trimtab.study.measures.grids import reply_grid, swept_grid
from trimtab.study.measures.work import ReadTexts
from trimtab.study.settings.study_file import Study

CALIBRATION_PASSES = 4
"""Passes over the neutral prompts that calibrating took in trials."""


class DoseMeasure(Measure[Any]):
    """How far each cell moves the model; its settings are the study's own keys, and `Doses` makes its table."""

    name = "dose"
    tables = growing_tables("dose")
    grows = True
    needs_scores = False

    def units(self, settings: None, subject: Subject) -> Iterator[Unit]:
        """One unit for each grid whose doses are measured; none where the study steers nothing."""
        study, replies = subject.study, subject.study.replies
        if not study.sweep:
            return
        grids = [swept_grid(study, subject.n_layers, subject.directed)]
        covered = (subject.model, subject.setting.label, subject.behavior.is_choice)
        if replies is not None and replies.covers(*covered) and prompts_of(subject.behavior):
            grids.append(reply_grid(study, replies, subject.n_layers, subject.directed))
        for grid in dict.fromkeys(grids):
            if is_measured(study, grid):
                passes = 1 + CALIBRATION_PASSES * SCALES.get(grid.scale).in_nats
                work = ReadTexts(NEUTRAL_PROMPTS, grid, chat=True, reply_tokens=TOKENS, passes=passes)
                yield Unit("dose", (work,), grid=grid)


DOSE = DoseMeasure()


def is_measured(study: Study, grid: Grid) -> bool:
    """Whether the doses of a grid are measured: if the study wants them or the strengths are doses."""
    return study.dose or SCALES.get(grid.scale).in_nats
