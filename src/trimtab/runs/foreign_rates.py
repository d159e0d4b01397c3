"""A foreign table of answers by layer as a table of rates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from trimtab.analysis import RATES
from trimtab.evaluation.samples import UNSTEERED
from trimtab.runs.foreign_samples import MOST_LAYERS
from trimtab.runs.foreign_table import ForeignTable

WIDE = ("rate_minus", "rate_zero", "rate_plus")
"""Columns of the rates at −α, 0 and +α, where they stand side by side."""
TARGETS = ("model", "behavior", "layer", "strength", "rate", "validity", "n", *WIDE)
_CELL = ["model", "behavior", "layer", "strength"]


def rates_of(table: ForeignTable, alpha: float, n_layers: Mapping[str, int]) -> pd.DataFrame:
    """The rates in a foreign table, a row for each cell.

    Args:
        table: The table; what is wrong with it is noted there, and the result then means nothing.
        alpha: The strength that the columns of a wide table belong to.
        n_layers: How many layers each model has.
    """
    table.require("model", "behavior", "layer")
    layer = table.numbers("layer")
    owner = pd.DataFrame({name: table.texts(name) for name in ("model", "behavior")})
    owner = owner.assign(layer=layer, n=table.numbers("n"), validity=_shares(table, "validity"))
    if any(table.column(name) is not None for name in WIDE):
        table.require(*WIDE)
        sides = [(-alpha, WIDE[0]), (0.0, WIDE[1]), (alpha, WIDE[2])]
        parts = [owner.assign(strength=strength, rate=_shares(table, name)) for strength, name in sides]
    else:
        table.require("strength", "rate")
        strength = table.numbers("strength")
        table.refuse(~np.isfinite(strength), lambda i: f"strength {strength[i]:g} is not a finite number")
        parts = [owner.assign(strength=strength, rate=_shares(table, "rate"))]
    _check_layers(table, parts[0], n_layers)
    if not table.incomplete:
        again = parts[0].duplicated(_CELL).to_numpy()
        table.refuse(again, lambda i: f"the same {', '.join(_CELL)} stand on a row above")
    rates: pd.DataFrame = pd.concat(parts, ignore_index=True)
    rates["layer"] = rates["layer"].where(rates["layer"].between(0, MOST_LAYERS), UNSTEERED).astype(int)
    rates["depth"] = (rates["layer"] + 1) / rates["model"].map(n_layers)
    ordered: pd.DataFrame = rates[list(RATES)]
    return ordered


def _shares(table: ForeignTable, target: str) -> pd.Series[float]:
    values = table.numbers(target)
    table.refuse(
        np.isfinite(values) & ((values < 0) | (values > 1)) | np.isinf(values),
        lambda i: f"{target} {values[i]:g} is not a share from 0 to 1",
    )
    return pd.Series(values)


def _check_layers(table: ForeignTable, rows: pd.DataFrame, n_layers: Mapping[str, int]) -> None:
    layer = rows["layer"].to_numpy(float)
    everywhere = (rows["strength"] == 0).to_numpy() & (np.isnan(layer) | (layer == UNSTEERED))
    whole = (layer >= 0) & (layer < MOST_LAYERS) & (layer == np.floor(layer))
    table.refuse(~whole & ~everywhere, lambda i: f"layer {layer[i]:g} is not a whole number from 0 on")
    count = rows["model"].map(n_layers).to_numpy(float)
    table.refuse(
        layer >= count, lambda i: f"layer {layer[i]:g}, but {rows['model'][i]} has layers 0 to {count[i] - 1:.0f}"
    )
