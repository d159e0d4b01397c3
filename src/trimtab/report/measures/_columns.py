"""Columns that the tables of several measures share."""

from __future__ import annotations

import pandas as pd

from trimtab.analysis.cells import sized
from trimtab.analysis.formatting import signed_strength
from trimtab.analysis.samples import present
from trimtab.report.charts.panels import SUBJECT
from trimtab.report.tables import Column, word


def subject_columns(frame: pd.DataFrame) -> list[Column]:
    """The behavior, and the run, the model and what chose the setting where there are several."""
    names = [n for n in present(frame, SUBJECT) if n == "behavior" or frame[n].nunique() > 1]
    return [word(name, name.replace("_", " ")) for name in names]


def choice_columns(frame: pd.DataFrame) -> list[Column]:
    """What chose the setting, where it is the same in all rows, so that `subject_columns` leave it out."""
    return [word("chosen_by", "chosen by")] if len(frame) and frame["chosen_by"].nunique() == 1 else []


def setting_columns() -> list[Column]:
    """Layer and signed strength with its scale."""
    return [
        Column("layer", lambda row: str(row["layers"])),
        Column("strength", lambda row: f"{signed_strength(row['strength'])} {row['scale']}"),
    ]


def checked_columns() -> list[Column]:
    """Layer and strength, at one sign or at both, with its scale."""
    return [
        Column("layer", lambda row: str(row["layers"])),
        Column("strength", lambda row: f"{sized(row['strength'], row['compared'])} {row['scale']}"),
    ]
