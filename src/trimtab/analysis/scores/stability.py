"""Stability of the choice of layer: the choice repeated on resampled prompts, and its selection optimism."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.cells import CellScores, cell_scores
from trimtab.analysis.samples import present, records
from trimtab.analysis.scores.choice import AT, OWNER
from trimtab.stats.bootstrap import LEVEL, Array, counted, over, resampled
from trimtab.stats.selection import fall

TINY = 1e-12

MEASURES = [
    "layers", "candidates", "measure", "same_layer", "depth_low", "depth_high", "naive", "optimism", "honest",
    "held_out", "fall", "fall_p",
]  # fmt: skip


def layer_choice(samples: pd.DataFrame, best: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """The stability of each choice, and its selection optimism.

    The prompts that chose are resampled and the choice is made again on each resample. `same_layer` is the share of
    resamples that pick the same layer; `depth_low` and `depth_high` hold 95% of the depths picked. `naive` is the
    chosen cell's value where it was chosen; `optimism` is by how much the best of a resample exceeds the same cell on
    the prompts resampled from, on average (Efron & Gong 1983, section 7); `honest` is the value on prompts held out,
    or where there are none, naive − optimism. `fall` is by how much less the cell's delta is on prompts held out than
    where it was chosen, beyond the optimism of that delta, and `fall_p` its one-sided p (see `selection.fall`).

    Args:
        samples: The samples table.
        best: What `best_cells` returned.
        draws: Bootstrap resamples.
        seed: Of the resamples.

    Returns:
        A row for each row of `best`: model, behavior, … and `MEASURES`; `measure` says what the values are, "glass"
        or "delta". NaN where fewer than two prompts were measured in all candidates.
    """
    owner = present(best, OWNER)
    matrices = list(cell_scores(samples))
    found = []
    for row in records(best):
        mine = [m for m in matrices if all(m.owner[name] == row[name] for name in owner)]
        choosing = [m for m in mine if m.owner["split"] == row["chosen_on"]]
        tested = [m for m in mine if m.owner["split"] == row["split"]]
        found.append({name: row[name] for name in owner} | _stability(choosing, tested, row, draws, seed))
    result: pd.DataFrame = pd.DataFrame(found, columns=[*owner, *MEASURES])
    return result


def _stability(
    choosing: Sequence[CellScores], tested: Sequence[CellScores], row: dict[str, Any], draws: int, seed: int
) -> dict[str, Any]:
    by = str(row["chosen_by"])
    naive = float(row[f"chosen_{by}"])
    found = {
        "layers": row["layers"],
        "candidates": row["candidates"],
        "measure": by,
        "naive": naive,
        "honest": row[by] if row["held_out"] else np.nan,
        "held_out": row["held_out"],
    }
    field = _field(choosing, tested, row)
    if field is None:
        return found
    every = np.ones((1, len(field.weight)))
    ends = field.ends if by == "glass" else ()
    original_delta, original_spread = counted(every, field.difference, ends, field.weight)
    original = _values(original_delta, original_spread)[0]
    deltas, spreads = resampled(field.difference, ends, field.weight, draws=draws, seed=seed)
    drawn = _values(deltas, spreads)
    known = np.isfinite(drawn).any(axis=1)  # a resample of one prompt only, n times, has no Δ
    drawn, deltas = drawn[known], deltas[known]
    if not len(drawn):
        return found
    picked = np.where(np.isfinite(drawn), drawn, -np.inf).argmax(axis=1)  # the first of equals, as in `best_cells`
    optimism = float(np.nanmean(drawn[np.arange(len(drawn)), picked] - original[picked]))
    delta_optimism = float((deltas[np.arange(len(drawn)), picked] - original_delta[0][picked]).mean())
    depths = field.cells["depth"].to_numpy(float)[picked]
    low, high = np.percentile(depths, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return found | {
        "same_layer": float((field.cells["layers"].to_numpy()[picked] == row["layers"]).mean()),
        "depth_low": float(low),
        "depth_high": float(high),
        "optimism": optimism,
        "honest": row[by] if row["held_out"] else naive - optimism,
        **_fall(field, tested, row, delta_optimism, seed),
    }


def _fall(
    field: _Field, tested: Sequence[CellScores], row: dict[str, Any], optimism: float, seed: int
) -> dict[str, float]:
    """The fall of delta from the prompts that chose to those held out; nothing where none were."""
    cells = field.cells
    here = np.flatnonzero(np.logical_and.reduce([cells[name].astype(str) == str(row[name]) for name in AT]))
    there = [m for m in tested if all(m.owner[name] == row[name] for name in ("scale", "positions"))]
    if not row["held_out"] or not len(here) or not there:
        return {}
    scores = there[0]
    at = np.flatnonzero((scores.cells["layers"] == row["layers"]) & (scores.cells["strength"] == row["strength"]))
    reported = np.where(scores.complete, scores.upper - scores.lower, np.nan)[:, at[0]]
    value, p = fall(field.difference[:, here[0]], reported, optimism, weights=(field.weight, scores.weight), seed=seed)
    return {"fall": value, "fall_p": p}


def _values(mean: Array, deviation: Array | None) -> Array:
    """The means in units of their spread, if there is one to divide by."""
    return mean if deviation is None else over(mean, np.where(deviation > TINY, deviation, 0.0))


@dataclass(frozen=True, eq=False)
class _Field:
    """The cells there were to choose from, in the order of `best_cells`, on the prompts measured in all of them."""

    cells: pd.DataFrame
    difference: Array
    ends: tuple[Array, ...]
    weight: Array


def _field(choosing: Sequence[CellScores], tested: Sequence[CellScores], row: dict[str, Any]) -> _Field | None:
    """None where the candidates were not measured on the same two prompts or more."""
    if not choosing or not all(m.prompts.equals(choosing[0].prompts) for m in choosing):
        return None
    cells = pd.concat([_named(m) for m in choosing], ignore_index=True)
    complete = np.concatenate([m.complete for m in choosing], axis=1)
    wanted: NDArray[np.bool_] = np.asarray(complete.any(axis=0))
    if row["held_out"]:
        also = pd.MultiIndex.from_frame(pd.concat([_named(m) for m in tested])[AT])
        wanted = wanted & pd.MultiIndex.from_frame(cells[AT]).isin(also)
    cells = cells.loc[wanted].sort_values(["layer", "layers", "strength"])
    order = cells.index.to_numpy()
    mask = complete[:, order].all(axis=1)
    if mask.sum() < 2:
        return None
    upper, lower, negative = (
        np.concatenate(part, axis=1)[mask][:, order]
        for part in ([m.upper for m in choosing], [m.lower for m in choosing], [m.negative for m in choosing])
    )
    zero = choosing[0].zero[mask][:, None]
    ends = {"unsteered": (zero,), "negative": (negative,), "pooled": (lower, upper)}[str(row["denominator"])]
    return _Field(cells, upper - lower, ends, choosing[0].weight[mask])


def _named(scores: CellScores) -> pd.DataFrame:
    cells: pd.DataFrame = scores.cells.assign(scale=scores.owner["scale"], positions=scores.owner["positions"])
    return cells
