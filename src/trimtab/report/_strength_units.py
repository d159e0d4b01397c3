"""The strength of a setting in other units: of the vector, of the residual stream's norm, of its effect on tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from trimtab.analysis.replies import SPEAKER
from trimtab.analysis.samples import present

DOSES = ("alpha", "relative", "kl")
"""Columns of the units: of the vector, of the residual stream's norm, nats of divergence of the next token."""

SIGNED = ("alpha", "relative")
"""Units in which a strength has a sign; a divergence has none."""

AT = ("scale", "positions", "layers", "strength")


def dosed(cells: pd.DataFrame, dose: pd.DataFrame | None) -> pd.DataFrame:
    """The cells with the `DOSES` beside their strength; without, where none was measured."""
    if dose is None:
        return cells
    on = [*present(cells, SPEAKER), *AT]
    beside: pd.DataFrame = cells.merge(dose[[*on, *DOSES]].drop_duplicates(on), on=on, how="left")
    return beside


def measured_doses(table: pd.DataFrame) -> list[str]:
    """Those of the `DOSES` that a table has numbers for."""
    return [name for name in DOSES if name in table.columns and table[name].notna().any()]


def signed_doses(row: Mapping[str, Any], units: Iterable[str]) -> dict[str, float]:
    """The doses of a row that are known, each with the sign of its strength, by the unit."""
    signs = {unit: 1.0 if unit in SIGNED else math.copysign(1.0, row["strength"]) for unit in units}
    return {unit: sign * row[unit] for unit, sign in signs.items() if math.isfinite(row[unit])}
