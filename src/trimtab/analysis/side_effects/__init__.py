"""Side effects: shifts of other behaviors, their costs, tasks of harnesses, neutral replies, random directions."""

from trimtab.analysis.side_effects.neutral_replies import neutral_changes
from trimtab.analysis.side_effects.random_directions import (
    NULL_TESTS,
    NULLS,
    THE_VECTOR,
    null_effects,
    null_findings,
    null_tests,
)
from trimtab.analysis.side_effects.shifts import COUPLE, EASY, SHIFTS, SIDE_CELLS, side_cells, side_shifts
from trimtab.analysis.side_effects.side_choice import Limits, selective_settings
from trimtab.analysis.side_effects.side_findings import chosen_cells, of_signs, side_findings, signed_cells
from trimtab.analysis.side_effects.side_gaps import side_gaps
from trimtab.analysis.side_effects.task_changes import TASK_CHANGES, task_changes, task_findings

__all__ = [
    "COUPLE",
    "EASY",
    "NULLS",
    "NULL_TESTS",
    "SHIFTS",
    "SIDE_CELLS",
    "TASK_CHANGES",
    "THE_VECTOR",
    "Limits",
    "chosen_cells",
    "neutral_changes",
    "null_effects",
    "null_findings",
    "null_tests",
    "of_signs",
    "selective_settings",
    "side_cells",
    "side_findings",
    "side_gaps",
    "side_shifts",
    "signed_cells",
    "task_changes",
    "task_findings",
]
