"""What a check of side effects did not measure: silence about it would read as nothing found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from trimtab.analysis.findings import Finding
from trimtab.analysis.samples import records


def side_gaps(
    subjects: Iterable[tuple[str, str]],
    cells: pd.DataFrame,
    best: pd.DataFrame,
    neutral: pd.DataFrame,
    tests: pd.DataFrame,
) -> list[Finding]:
    """What is not known of the best cells of checked vectors, a sentence for each that has gaps.

    Args:
        subjects: (model, behavior) of the vectors that were checked.
        cells: from `side_cells`.
        best: from `best_cells`.
        neutral: from `neutral_changes`; without rows where no replies were written.
        tests: from `null_tests`; without rows where no random direction was tried.
    """
    every = list(subjects)
    several = len({model for model, _ in every}) > 1
    found = []
    for model, behavior in every:
        mine, chosen, replied, compared = (_of(table, model, behavior) for table in (cells, best, neutral, tests))
        here = mine[mine["layers"].isin(chosen["layers"]) & mine["strength"].abs().isin(chosen["strength"])]
        absent = {"replies to neutral prompts": replied.empty, "random directions": compared.empty}
        about = f"{behavior} in {model}" if several else behavior
        if mine.empty:
            said = "no shift could be measured: the unsteered scores do not vary, or are no numbers"
        elif here.empty:
            at = records(chosen)[0] if len(chosen) else {}
            where = f"its best cell, layer {at['layers']} at ±{at['strength']:g}," if at else "any best cell"
            said = f"what else moves at {where} was not measured; layers {', '.join(mine['layers'].unique())} were"
        else:
            absent |= {
                "other behaviors": bool(here["side"].isna().any()),
                "plain text": bool(here["perplexity"].isna().any()),
                "easy questions": bool(here["easy"].isna().any()),
            }
            said = ""
        parts = [*([said] if said else []), *_listed(absent)]
        if parts:
            found.append(Finding("caution", f"{about}: {'; '.join(parts)}."))
    return found


def _listed(absent: Mapping[str, bool]) -> Iterator[str]:
    names = [name for name, gone in absent.items() if gone]
    if names:
        yield f"not measured: {', '.join(names)}"


def _of(table: pd.DataFrame, model: str, behavior: str) -> pd.DataFrame:
    rows: pd.DataFrame = table.reindex(columns=["layers", "strength"])
    if not table.empty:
        rows = table[(table["model"] == model) & (table["behavior"] == behavior)]
    return rows
