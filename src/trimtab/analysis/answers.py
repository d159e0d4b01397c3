"""Logit against generation: does what moves inside show in what the model answers?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.cells import ends
from trimtab.analysis.samples import records
from trimtab.stats.bootstrap import Array, wilson
from trimtab.stats.small_samples import pearson, spearman

RATES = ("model", "behavior", "layer", "depth", "strength", "n", "rate", "validity")
"""Columns of a table of answers: the share of valid answers that match the behavior, and the share that are valid.

`n` counts the prompts, NaN where unknown; layer is -1 where strength is 0 and the rate serves all layers."""

CURVES = ["model", "behavior", "layer", "depth", "logit", "generation", "validity", "logit_norm", "generation_norm"]
PAIRS = [
    "model", "behavior", "n_layers", "r", "low", "high", "spearman", "best_logit_layer", "best_generation_layer",
    "delta", "glass", "change", "largest_change",
]  # fmt: skip


def answer_rates(replies: pd.DataFrame) -> pd.DataFrame:
    """Shares of matching and of valid answers in each cell, from replies that have been read.

    A prompt's option orders count as replies of their own, so an interval over them is somewhat too narrow.

    Args:
        replies: model, behavior, layer, layers, depth, strength, and `matched`: 1 or 0, NaN where nothing could be
            read. Cells of several layers are left out: they have no place on a curve over layers.

    Returns:
        `RATES` (rate among the valid replies, n replies asked) and low, high: Wilson's 95% interval of the rate.
    """
    single = replies[~replies["layers"].astype(str).str.contains("+", regex=False)]
    rows = []
    for key, table in single.groupby(["model", "behavior", "layer", "depth", "strength"], sort=True):
        valid = table["matched"].dropna()
        low, high = wilson(int(valid.sum()), len(valid))
        rate = float(valid.mean()) if len(valid) else np.nan
        rows.append((*key, len(table), rate, len(valid) / len(table), low, high))
    result: pd.DataFrame = pd.DataFrame(rows, columns=[*RATES, "low", "high"])
    return result


def answer_ways(replies: pd.DataFrame) -> pd.DataFrame:
    """In how many ways the replies were read: how many by each kind of evidence, and how many not at all and why.

    Args:
        replies: model, behavior, and `why`, as the table `answers` has them.

    Returns:
        model, behavior, why, n; the most frequent first.
    """
    counts = replies.groupby(["model", "behavior", "why"], sort=False).size().rename("n").reset_index()
    ordered = counts.sort_values(["model", "behavior", "n"], ascending=[True, True, False], kind="stable")
    result: pd.DataFrame = ordered.reset_index(drop=True)
    return result


def answer_curves(effects: pd.DataFrame, rates: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """Logit delta and change in answers by layer, side by side, for the models and behaviors that have both.

    The logit side is taken at the scale, positions, strength and split of the best cell; the generation side is the
    difference of the rates at the strengths that the delta compares; where answers were read at one of them only, the
    unsteered rate stands in for the other at every layer. Both are also given scaled to 0–1 between the
    least and the largest of the curve, as shapes to compare.

    Returns:
        `CURVES`, a row for each layer that both sides have.
    """
    tables = []
    for cell in records(best):
        mine = effects.loc[np.logical_and.reduce([effects[n] == cell[n] for n in _SAME if n in effects.columns])]
        change = _changes(rates, cell)
        table = mine[["model", "behavior", "layer", "depth", "delta"]].merge(change, on="layer")
        if len(table):
            table = table.rename(columns={"delta": "logit"}).sort_values("layer")
            tables.append(
                table.assign(logit_norm=_unit(table["logit"]), generation_norm=_unit(table["generation"]))[CURVES]
            )
    result: pd.DataFrame = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=CURVES)
    return result


_SAME = ("run", "engine", "model", "behavior", "scoring", "split", "scale", "positions", "strength")


def answer_agreement(curves: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """How well logit curves predict generation curves, and effect size against change in answers.

    Layers are neighbours, not independent draws: the interval of r (Fisher's z over layers) is narrower than it should
    be, and is given for scale.

    Returns:
        `PAIRS`: for each model and behavior the correlation over layers, the best layers by either, delta and Δ at the
        best cell, `change` in the share of matching answers there, and the `largest_change` over layers.
    """
    rows = []
    for (model, behavior), table in curves.groupby(["model", "behavior"], sort=False):
        cell = records(best[(best["model"] == model) & (best["behavior"] == behavior)].head(1))[0]
        known = table.dropna(subset=["logit", "generation"])
        x, y = known["logit"].to_numpy(float), known["generation"].to_numpy(float)
        r, by_ranks, low, high = _r(x, y)
        at = known[known["layer"] == cell["layer"]]["generation"]
        rows.append(
            {
                "model": model, "behavior": behavior, "n_layers": len(known),
                "r": r, "low": low, "high": high, "spearman": by_ranks,
                "best_logit_layer": int(known["layer"].iloc[x.argmax()]) if len(x) else None,
                "best_generation_layer": int(known["layer"].iloc[y.argmax()]) if len(y) else None,
                "delta": cell["delta"], "glass": cell["glass"],
                "change": float(at.iloc[0]) if len(at) else np.nan, "largest_change": y.max() if len(y) else np.nan,
            }
        )  # fmt: skip
    result: pd.DataFrame = pd.DataFrame(rows, columns=PAIRS)
    return result


def _changes(rates: pd.DataFrame, cell: dict[str, Any]) -> pd.DataFrame:
    """Change of the rate between the strengths that the cell's delta compares, by layer; NaN where one lacks it."""
    mine = rates[(rates["model"] == cell["model"]) & (rates["behavior"] == cell["behavior"])]
    steered = mine[mine["strength"].abs() == cell["strength"]]
    by_strength = steered.pivot_table(index="layer", columns="strength", values="rate", dropna=False)
    zero = mine[mine["strength"] == 0].groupby("layer")["rate"].mean()
    baseline = zero.reindex(by_strength.index).fillna(zero.get(-1, np.nan))
    compared = ends(float(cell["strength"]), str(cell["compared"]))
    upper, lower = (by_strength.get(s, baseline) if s else baseline for s in compared)
    validity = steered.groupby("layer")["validity"].mean()
    table: pd.DataFrame = pd.DataFrame({"generation": upper - lower, "validity": validity}).reset_index()
    return table


def _unit(values: pd.Series[float]) -> pd.Series[float]:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else values * np.nan


def _r(x: Array, y: Array) -> tuple[float, float, float, float]:
    r, low, high = pearson(x, y)
    return r, spearman(x, y) if np.isfinite(r) else float("nan"), low, high
