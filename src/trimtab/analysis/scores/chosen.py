"""A chosen cell on the prompts that report it: against the other cells there, at its two ends, and in its tail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.cells import CellScores, cell_scores
from trimtab.analysis.claims import ALPHA
from trimtab.analysis.samples import present, records
from trimtab.analysis.scores.choice import AT, OWNER
from trimtab.stats.bootstrap import Array, drawn_counts, intervals, percentiles
from trimtab.stats.significance import sign_flip

LOW_TAIL = 0.05
"""The quantile whose fall is measured."""

CHECKS = [
    "others", "other_layers", "alike", "ahead", "margin", "behind_p", "rival_layers", "rival_strength", "rival_delta",
    "rival_glass", "rival_p", "up", "up_low", "up_high",
    "down", "down_low", "down_high", "tail", "tail_low", "tail_high",
]  # fmt: skip


def chosen_checks(samples: pd.DataFrame, best: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Check chosen cells on the prompts that they are reported on.

    A cell is the best on the prompts that chose it; on others another cell may do as much. The `rival` is the cell with
    the largest delta among the others of the same split, where that is larger than the chosen cell's; `rival_p` is of a
    paired sign-flip test of the difference, corrected for all of the other cells (max-T).

    Args:
        samples: The samples table.
        best: What `best_cells` returned.
        draws: Bootstrap resamples.
        seed: Of the resamples and the tests.

    Returns:
        A row for each row of `best`: model, behavior, … and `CHECKS`. `others`: other cells measured on these prompts;
        `other_layers`: their layers, or sets of layers, without the chosen one. Of these, `ahead` are shown to do more
        than the chosen cell at some strength, and `alike` are not distinguished from it (p ≥ 0.05, corrected as
        `rival_p`). `margin`: by how much the chosen cell's delta exceeds that of the best other layer, and `behind_p`
        the largest p of the differences to other layers.
        `up`: mean score at +α minus unsteered; `down`: unsteered minus mean score at −α; `tail`: 5th percentile of the
        prompts' scores at +α minus that of the unsteered ones, paired; each with its 95% bootstrap interval, and NaN
        where an end was not run.
    """
    owner = present(best, OWNER)
    matrices = list(cell_scores(samples))
    found = []
    for row in records(best):
        mine = [m for m in matrices if all(m.owner[name] == row[name] for name in (*owner, "split"))]
        found.append({name: row[name] for name in owner} | _checks(mine, row, draws, seed))
    result: pd.DataFrame = pd.DataFrame(found, columns=[*owner, *CHECKS])
    return result


def _checks(groups: Sequence[CellScores], row: dict[str, Any], draws: int, seed: int) -> dict[str, Any]:
    own = next(
        (m for m in groups if m.owner["scale"] == row["scale"] and m.owner["positions"] == row["positions"]), None
    )
    if own is None:
        return {}
    here = _column(own, row)
    if here is None:
        return {}
    found = _rival(groups, own, here, row, seed)
    for name, upper, lower, run in (
        ("up", own.plus[:, here], own.zero, own.has_plus[here]),
        ("down", own.zero, own.minus[:, here], own.has_minus[here]),
    ):
        if run:
            found |= _mean(name, upper - lower, own.weight, draws, seed)
    if own.has_plus[here]:
        found |= _tail(own.plus[:, here], own.zero, draws, seed)
    return found


def _column(scores: CellScores, row: dict[str, Any]) -> int | None:
    cells = scores.cells
    at = np.flatnonzero((cells["layers"] == str(row["layers"])) & (cells["strength"] == row["strength"]))
    return int(at[0]) if len(at) else None


def _rival(groups: Sequence[CellScores], own: CellScores, here: int, row: dict[str, Any], seed: int) -> dict[str, Any]:
    """The cell that does more than the chosen one on the same prompts; of no other prompts, which cannot be paired."""
    mine = np.where(own.complete[:, here], own.upper[:, here] - own.lower[:, here], np.nan)
    alike = [m for m in groups if m.prompts.equals(own.prompts)]
    names = pd.concat(
        [m.cells.assign(scale=m.owner["scale"], positions=m.owner["positions"]) for m in alike], ignore_index=True
    )
    deltas = np.concatenate([np.where(m.complete, m.upper - m.lower, np.nan) for m in alike], axis=1)
    other = np.array([any(str(cell[name]) != str(row[name]) for name in AT) for cell in records(names)])
    found: dict[str, Any] = {"others": int(other.sum())}
    more = deltas[:, other] - mine[:, None]
    mean = _means(more, own.weight)
    if not len(mine) or not np.isfinite(mean).any():
        return found
    _, corrected = sign_flip(more, own.weight, seed=seed)
    found |= _standing(names[other]["layers"].astype(str) != str(row["layers"]), names[other], mean, corrected)
    if not np.nanmax(mean) > 0:
        return found
    top = int(np.nanargmax(mean))
    cell = records(names[other].iloc[[top]])[0]
    known = np.isfinite(mine)
    deviation = row["delta"] / row["glass"] if row["glass"] else np.nan
    delta = float(np.average(mine[known], weights=own.weight[known]) + mean[top])
    return found | {
        "rival_layers": str(cell["layers"]),
        "rival_strength": float(cell["strength"]),
        "rival_delta": delta,
        "rival_glass": delta / deviation if row["denominator"] == "unsteered" else np.nan,
        "rival_p": float(corrected[top]),
    }


def _standing(elsewhere: pd.Series[bool], cells: pd.DataFrame, more: Array, p: Array) -> dict[str, Any]:
    """How other layers compare with the chosen cell, each at all strengths that were measured there."""
    table = pd.DataFrame({"layers": cells["layers"].astype(str).to_numpy(), "more": more, "p": p})
    table = table[elsewhere.to_numpy(bool)].dropna(subset=["more", "p"])
    if table.empty:
        return {"other_layers": 0, "alike": 0, "ahead": 0}
    table = table.assign(open=table["p"] >= ALPHA, ahead=(table["p"] < ALPHA) & (table["more"] > 0))
    layers = table.groupby("layers", sort=False)[["open", "ahead"]].any()
    return {
        "other_layers": len(layers),
        "alike": int((layers["open"] & ~layers["ahead"]).sum()),
        "ahead": int(layers["ahead"].sum()),
        "margin": -float(table["more"].max()),
        "behind_p": float(table["p"].max()),
    }


def _means(values: Array, weight: Array) -> Array:
    """Weighted mean of each column over the prompts that it has."""
    known = np.isfinite(values)
    total = known.T @ weight
    sums = np.where(known, values, 0.0).T @ weight
    means: Array = np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0)
    return means


def _mean(name: str, values: Array, weight: Array, draws: int, seed: int) -> dict[str, float]:
    known = np.isfinite(values)
    if not known.any():
        return {}
    ends, _ = intervals(values[known][:, None], (), weight[known], draws=draws, seed=seed)
    mean = float(np.average(values[known], weights=weight[known]))
    return {name: mean, f"{name}_low": float(ends.low[0]), f"{name}_high": float(ends.high[0])}


def _tail(plus: Array, zero: Array, draws: int, seed: int) -> dict[str, float]:
    """Change of the low quantile, the same prompts drawn on both sides."""
    known: NDArray[np.bool_] = np.isfinite(plus) & np.isfinite(zero)
    if known.sum() < 2:
        return {}
    both = np.stack([plus[known], zero[known]])
    counts = drawn_counts(both.shape[1], draws, np.random.default_rng(seed)).astype(np.int64)
    picks = np.stack([np.repeat(np.arange(both.shape[1]), times) for times in counts])
    drawn = np.quantile(both[0][picks], LOW_TAIL, axis=1) - np.quantile(both[1][picks], LOW_TAIL, axis=1)
    low, high = percentiles(drawn)
    value = float(np.quantile(both[0], LOW_TAIL) - np.quantile(both[1], LOW_TAIL))
    return {"tail": value, "tail_low": low, "tail_high": high}
