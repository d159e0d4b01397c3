"""One panel for each model and behavior, and the cells that were the best of the sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from trimtab.analysis.samples import present, records
from trimtab.analysis.side_effects import signed_cells

SUBJECT = ("run", "model", "chosen_by", "behavior")
"""Whose numbers a row has; `run` is there only where several runs are in one report, `chosen_by` only where settings
were checked: what chose them."""


@dataclass(frozen=True)
class Panel:
    """The rows of one model and behavior."""

    title: str
    """What sets it apart from the other panels of the table: the behavior, and more where more varies."""
    subject: dict[str, str]
    """Its values of `SUBJECT`."""
    rows: pd.DataFrame

    @property
    def behavior(self) -> str:
        """Whose vector it is about."""
        return self.subject["behavior"]


def panels(table: pd.DataFrame, *, by: tuple[str, ...] = SUBJECT) -> list[Panel]:
    """The table in parts, in its own order; none of an empty one.

    Args:
        table: with those columns of `SUBJECT` that it has.
        by: what splits it; without the behavior a panel is a model.
    """
    columns = present(table, by)
    if table.empty:
        return []
    varying = [name for name in columns if name == columns[-1] or table[name].nunique() > 1]
    found = []
    for _, rows in table.groupby(columns, sort=False):
        first = records(rows.head(1))[0]
        title = " · ".join(str(first[name]) for name in varying)
        found.append(Panel(title, {name: str(first[name]) for name in columns}, rows))
    return found


def at_best_cells(table: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """The rows of cells that were the best of the sweep, at both ends of the strength.

    Args:
        table: with `layers` and a `strength` that keeps its sign.
        best: from `best_cells` or `chosen_cells`; what chose the cell comes along.
    """
    if table.empty or best.empty:
        nothing: pd.DataFrame = table.iloc[:0]
        return nothing
    keys = [*present(table, SUBJECT), "layers"]
    if "chosen_by" in best.columns:
        cells: pd.DataFrame = table.merge(signed_cells(best), on=[*keys, "scale", "strength"])
        return cells
    chosen = best[[*keys, "strength"]].rename(columns={"strength": "size"}).drop_duplicates()
    sized = table.assign(size=table["strength"].abs())
    found: pd.DataFrame = sized.merge(chosen, on=[*keys, "size"]).drop(columns="size")
    return found


def unmeasured(table: pd.DataFrame, best: pd.DataFrame) -> list[str]:
    """Titles of the panels of which no cell was the best of the sweep: a check may look at other layers."""
    by = tuple(name for name in SUBJECT if name != "chosen_by")
    there = [panel.subject for panel in panels(at_best_cells(table, best), by=by)]
    return [panel.title for panel in panels(table, by=by) if panel.subject not in there]


def best_of(panel: Panel, best: pd.DataFrame) -> dict[str, Any] | None:
    """The best cell of the sweep of a panel's model and behavior; None where nothing was swept."""
    for row in records(best):
        if all(str(row[name]) == value for name, value in panel.subject.items()):
            return row
    return None
