"""Imports a table of answers by layer as a table of rates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from trimtab.analysis import RATES
from trimtab.importing._external_samples import refuse_strengths
from trimtab.importing._external_table import ExternalTable
from trimtab.steering import UNSTEERED_LAYER
from trimtab.store.table_schemas import MAX_LAYERS, MAX_VALUE

WIDE = ("rate_minus", "rate_zero", "rate_plus")
"""Columns of a wide table: the rates at −α, 0 and +α side by side."""
TARGETS = ("model", "behavior", "layer", "strength", "rate", "validity", "n", *WIDE)
_CELL = ["model", "behavior", "layer", "strength"]


def rates_of(table: ExternalTable, alpha: float, n_layers: Mapping[str, int]) -> pd.DataFrame:
    """Return the rates in an external table, a row for each cell.

    Args:
        table: The table. Its problems are collected there; if there are any, the result is meaningless.
        alpha: Strength of the outer columns of a wide table.
        n_layers: Number of layers of each model.
    """
    table.require("model", "behavior", "layer")
    layer = table.numbers("layer")
    owner = pd.DataFrame({name: table.texts(name) for name in ("model", "behavior")})
    owner = owner.assign(layer=layer, n=_counts(table), validity=_shares(table, "validity"))
    if any(table.column(name) is not None for name in WIDE):
        table.require(*WIDE)
        sides = [(-alpha, WIDE[0]), (0.0, WIDE[1]), (alpha, WIDE[2])]
        parts = [owner.assign(strength=strength, rate=_shares(table, name)) for strength, name in sides]
    else:
        table.require("strength", "rate")
        strength = table.numbers("strength")
        refuse_strengths(table, strength)
        parts = [owner.assign(strength=strength, rate=_shares(table, "rate"))]
    _check_layers(table, parts[0], n_layers)
    if not table.incomplete:
        again = parts[0].duplicated(_CELL).to_numpy()
        table.refuse(again, lambda i: f"an earlier row has the same {', '.join(_CELL)}")
    rates: pd.DataFrame = pd.concat(parts, ignore_index=True)
    rates["layer"] = rates["layer"].where(rates["layer"].between(0, MAX_LAYERS), UNSTEERED_LAYER).astype(int)
    rates["depth"] = (rates["layer"] + 1) / rates["model"].map(n_layers)
    ordered: pd.DataFrame = rates[list(RATES)]
    return ordered


def _counts(table: ExternalTable) -> pd.Series[float]:
    values = table.numbers("n")
    table.refuse(
        ~np.isnan(values) & ~((values >= 0) & (values <= MAX_VALUE)),
        lambda i: f"n {values[i]:g} is not a number of prompts",
    )
    return pd.Series(values)


def _shares(table: ExternalTable, target: str) -> pd.Series[float]:
    values = table.numbers(target)
    table.refuse(
        np.isfinite(values) & ((values < 0) | (values > 1)) | np.isinf(values),
        lambda i: f"{target} {values[i]:g} is not a share from 0 to 1",
    )
    return pd.Series(values)


def _check_layers(table: ExternalTable, rows: pd.DataFrame, n_layers: Mapping[str, int]) -> None:
    layer = rows["layer"].to_numpy(float)
    everywhere = (rows["strength"] == 0).to_numpy() & (np.isnan(layer) | (layer == UNSTEERED_LAYER))
    whole = (layer >= 0) & (layer < MAX_LAYERS) & (layer == np.floor(layer))
    table.refuse(~whole & ~everywhere, lambda i: f"layer {layer[i]:g} is not a whole number from 0 on")
    count = rows["model"].map(n_layers).to_numpy(float)
    table.refuse(
        layer >= count, lambda i: f"layer {layer[i]:g}, but {rows['model'][i]} has layers 0 to {count[i] - 1:.0f}"
    )
