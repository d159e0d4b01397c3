"""How well projections on a vector tell the two sides of a contrast apart, layer by layer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trimtab.stats.bootstrap import Array
from trimtab.stats.detection import auroc_with_interval

PROJECTION_COLUMNS = ("split", "example", "group", "side", "layer", "depth", "projection")
"""Of `trimtab.evaluation.projections`: one row for each example and layer. `side`: 1 positive, −1 negative; `group`:
what is resampled as a whole; `projection`: of the example's state on the unit direction, divided by the mean norm of
the residual stream."""


OWNER = ("model", "behavior", "engine")
DRAWS = 1000
"""Resamples of a report, which has an interval for each layer."""


def separation(projections: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How well each layer's direction tells positive from negative examples.

    Args:
        projections: columns in `PROJECTION_COLUMNS`.
        draws: resamples for the intervals.
        seed: of the resamples.

    Returns:
        One row for each split and layer: split, layer, depth, n_positive, n_negative, auroc (the probability that a
        positive example projects further than a negative one; 0.5 is chance) with auroc_low and auroc_high, and gap,
        the difference of the means in standard deviations within the sides (Cohen's d).
    """
    rows = []
    for (split, layer), part in projections.groupby(["split", "layer"], sort=False, observed=True):
        values = part["projection"].to_numpy(dtype=float)
        positive = part["side"].to_numpy() > 0
        found, low, high = auroc_with_interval(values, positive, part["group"].tolist(), draws=draws, seed=seed)
        rows.append(
            {
                "split": split, "layer": layer, "depth": part["depth"].iloc[0],
                "n_positive": int(positive.sum()), "n_negative": int((~positive).sum()),
                "auroc": found, "auroc_low": low, "auroc_high": high,
                "gap": _gap(values[positive], values[~positive]),
            }
        )  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def separations(examples: pd.DataFrame) -> pd.DataFrame:
    """`separation` of each model and behavior of a run, below each other.

    Args:
        examples: rows of `PROJECTION_COLUMNS` with the columns in `OWNER`.

    Returns:
        The columns of `OWNER` and of `separation`, and `chosen`: whether it is the layer that `select` chose.
    """
    found = []
    for owner, rows in examples.groupby(list(OWNER), sort=False, observed=True):
        table = separation(rows, draws=DRAWS)
        for place, (name, value) in enumerate(zip(OWNER, owner, strict=True)):
            table.insert(place, name, str(value))
        found.append(table.assign(chosen=table["layer"] == best_layer(table)["layer"]))
    together: pd.DataFrame = pd.concat(found, ignore_index=True)
    return together


def reported(separated: pd.DataFrame) -> pd.DataFrame:
    """The chosen layer of each model and behavior, on the examples that report.

    Args:
        separated: from `separations`, of one run or with a column `run`.

    Returns:
        A row each, with `held_out`: whether other examples chose the layer.
    """
    keys = [name for name in ("run", *OWNER) if name in separated.columns]
    rows = [best_layer(table) for _, table in separated.groupby(keys, sort=False, observed=True)]
    found: pd.DataFrame = pd.DataFrame(rows).reset_index(drop=True)
    return found


def best_layer(separated: pd.DataFrame) -> pd.Series:
    """The layer that tells the sides of `select` apart best, as measured on `test` where there is one.

    Args:
        separated: from `separation`.

    Returns:
        The row of the reporting split, with `held_out`: whether other examples chose the layer.
    """
    chosen_by = separated[separated["split"] == "select"]
    # Where several layers make no mistake, the one with the widest gap.
    layer = chosen_by.sort_values(["auroc", "gap"], ascending=False, kind="stable").iloc[0]["layer"]
    test = separated[(separated["split"] == "test") & (separated["layer"] == layer)]
    held_out = len(test) > 0
    row = (test if held_out else chosen_by[chosen_by["layer"] == layer]).iloc[0]
    found: pd.Series = pd.concat([row, pd.Series({"held_out": held_out})])
    return found


def _gap(positive: Array, negative: Array) -> float:
    freedom = len(positive) + len(negative) - 2
    if min(len(positive), len(negative)) < 2:
        return float("nan")
    within = ((positive - positive.mean()) ** 2).sum() + ((negative - negative.mean()) ** 2).sum()
    apart = float(positive.mean() - negative.mean())
    spread = float(np.sqrt(within / freedom))
    return apart / spread if spread > 0 else float("nan")
