"""Cautions about side effects that were not measured: without them, a gap would read as no side effect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from trimtab.analysis.findings import Finding, Subject, caution, picked
from trimtab.analysis.samples import records
from trimtab.analysis.side_effects import _side_sentences as sentences

SETTING = ("layers", "scale", "strength", "compared", "chosen_by")


def side_gaps(
    subjects: Iterable[tuple[str, str]],
    cells: pd.DataFrame,
    best: pd.DataFrame,
    neutral: pd.DataFrame,
    tests: pd.DataFrame,
) -> list[Finding]:
    """Cautions about the chosen cells of vectors whose side effects were not all measured, one for each vector.

    Args:
        subjects: (model, behavior) of the vectors that were checked.
        cells: from `side_cells`.
        best: from `chosen_cells`.
        neutral: from `neutral_changes`; without rows where no replies were written.
        tests: from `null_tests`; without rows where no random direction was tried.
    """
    every = list(subjects)
    named = ("model",) if len({model for model, _ in every}) > 1 else ()
    found = []
    for model, behavior in every:
        mine, chosen, replied, compared = (_of(table, model, behavior) for table in (cells, best, neutral, tests))
        about = Subject(behavior, model, named=named)
        without = {"replies to neutral prompts": replied.empty, "random directions": compared.empty}
        absent = [name for name, empty in without.items() if empty]
        values = {"no_shift": mine.empty, "layers": [], "settings": [], "absent": absent}
        if not mine.empty:
            at = [(row, _at(mine, row)) for row in records(chosen)]
            here = pd.concat([here for _, here in at]) if at else mine.iloc[:0]
            values["layers"] = list(mine["layers"].unique())
            # Without any chosen setting, that itself is the gap.
            values["settings"] = [picked(row, *SETTING) for row, rows in at if rows.empty] if at else [{}]
            if len(here):
                columns = {"other behaviors": "side", "plain text": "perplexity", "easy questions": "easy"}
                values["absent"] = [*absent, *(name for name, column in columns.items() if here[column].isna().any())]
        if values["no_shift"] or values["settings"] or values["absent"]:
            found.append(caution(about, sentences.unmeasured_side_effects, values, "side effects"))
    return found


def _at(cells: pd.DataFrame, setting: dict[str, Any]) -> pd.DataFrame:
    """The rows of a setting, at both signs."""
    here = (cells["layers"] == setting["layers"]) & (cells["scale"] == setting["scale"])
    rows: pd.DataFrame = cells[here & (cells["strength"].abs() == abs(setting["strength"]))]
    return rows


def _of(table: pd.DataFrame, model: str, behavior: str) -> pd.DataFrame:
    rows: pd.DataFrame = table.reindex(columns=["layers", "strength"])
    if not table.empty:
        rows = table[(table["model"] == model) & (table["behavior"] == behavior)]
    return rows
