"""Which way of making a vector of the same pairs steers best: each method at its own best cell, against the mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.cells import CellScores, cell_scores
from trimtab.analysis.samples import checked, present, records
from trimtab.analysis.scores.choice import OWNER, best_cells
from trimtab.analysis.scores.effects import effects
from trimtab.errors import SettingError
from trimtab.stats.bootstrap import Array, intervals, spread

REFERENCE = "mean"
"""The method that the others are compared with."""

METHOD_EFFECTS = (
    "engine", "model", "behavior", "scoring", "method", "draws", "layer", "layers", "depth", "strength", "held_out",
    "n", "delta", "delta_low", "delta_high", "glass", "glass_low", "glass_high", "glass_least", "glass_most",
    "difference", "difference_low", "difference_high", "same_cell", "same_cell_low", "same_cell_high",
)  # fmt: skip
"""A row for each method. One that draws, such as `random`, stands for all its `draws`: its numbers are their means,
each of them at its own best cell.

- `layer`, `layers`, `depth`, `strength`: the best cell, chosen as `best_cells` does. For several draws `layers` names
  all that were chosen, `depth` is their mean, and `layer` and `strength` are NaN where they differ.
- `held_out`: whether the numbers come from other prompts ("test") than those the cell was chosen on.
- `n`: prompts; `delta`, `glass`: as in `effects`, by the unsteered spread, with 95% intervals.
- `glass_least`, `glass_most`: least and largest Glass's Δ among the draws.
- `difference`: Glass's Δ minus the mean's, each at its own best cell.
- `same_cell`: Glass's Δ minus the mean's, both at the mean's best cell.

Both differences are paired: their intervals draw the same prompts for both sides, and the spread with them. They are
NaN for the mean itself, and where it was not run. All intervals are BCa bootstraps over prompts that take the chosen
cells, and the draws, as given.
"""


@dataclass(frozen=True, eq=False)
class _Run:
    """One method, or one of its draws: its best cell, and the scores of the prompts it is measured on."""

    best: dict[str, Any]
    scores: CellScores

    def deltas(self, cell: dict[str, Any]) -> pd.Series[float]:
        """Score at +α minus score at −α of every prompt in a cell; NaN where it was not measured."""
        cells = self.scores.cells
        here = np.flatnonzero((cells["layers"] == cell["layers"]) & (cells["strength"] == cell["strength"]))
        values = np.full(len(self.scores.prompts), np.nan)
        if len(here):
            deltas = (self.scores.upper - self.scores.lower)[:, here[0]]
            values = np.where(self.scores.complete[:, here[0]], deltas, np.nan)
        found: pd.Series[float] = pd.Series(values, index=self.scores.prompts)
        return found


def method_effects(samples: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How well the vectors of several methods steer.

    Args:
        samples: from `trimtab.evaluation.methods.compare_methods`: a samples table with a column `method`, in which
            several draws of one method are numbered, as "single 1", "single 2".
        draws: bootstrap resamples.
        seed: of the resamples.

    Returns:
        `METHOD_EFFECTS`, and first `run` where the samples have it; methods in the order of the samples. Prompts that
        lack a score in any method's best cell count for none.

    Raises:
        SettingError: for a table without the column `method`, or without those of samples.
        DataError: for rows that are there twice.
    """
    if "method" not in checked(samples).columns:
        raise SettingError("these samples name no method; make them with trimtab.evaluation.methods.compare_methods")
    owner = present(samples, OWNER)
    rows = [
        {**dict(zip(owner, key, strict=True)), **row}
        for key, table in samples.groupby(owner, sort=False)
        for row in _compared(table, draws, seed)
    ]
    columns = [*(name for name in owner if name not in METHOD_EFFECTS), *METHOD_EFFECTS]
    result: pd.DataFrame = pd.DataFrame(rows, columns=columns)
    return result


def _compared(table: pd.DataFrame, draws: int, seed: int) -> list[dict[str, Any]]:
    """The rows of one model and behavior."""
    families: dict[str, list[_Run]] = {}
    for name, run in _runs(table).items():
        families.setdefault(re.sub(r" \d+$", "", name), []).append(run)
    if not families:
        return []
    reference = families.get(REFERENCE, [None])[0]
    own = pd.DataFrame({name: _mean([run.deltas(run.best) for run in family]) for name, family in families.items()})
    unknown = pd.Series(np.nan, index=own.index)
    there = own[REFERENCE] if reference else unknown
    same = {
        name: _mean([run.deltas(reference.best) for run in family]) if reference else unknown
        for name, family in families.items()
    }
    prompts = own.index[own.notna().all(axis=1)]
    baseline = next(iter(families.values()))[0].scores
    weight, zero = (
        pd.Series(values, index=baseline.prompts).reindex(prompts).to_numpy(float)
        for values in (baseline.weight, baseline.zero)
    )
    measured = _Measured(prompts, weight, zero, draws, seed)
    rows = []
    for name, family in families.items():
        other = unknown if name == REFERENCE else there
        rows.append(
            {
                "method": name,
                **_cell(family),
                **measured.effect(own[name]),
                **measured.extremes([run.deltas(run.best) for run in family]),
                **measured.contrast("difference", own[name] - other),
                **measured.contrast("same_cell", same[name] - other),
            }
        )
    return rows


def _runs(table: pd.DataFrame) -> dict[str, _Run]:
    """Every method's best cell, with the scores on the prompts that it is reported on."""
    # Each method is a run of its own: the same prompts, scored under other vectors.
    apart = table.assign(run=table["method"])
    matrices = list(cell_scores(apart))
    found = {}
    for best in records(best_cells(effects(apart, draws=0))):
        names = ("run", "split", "scale", "positions")
        scores = next(m for m in matrices if all(m.owner[name] == best[name] for name in names))
        found[str(best["run"])] = _Run(best, scores)
    return found


def _mean(deltas: list[pd.Series[float]]) -> pd.Series[float]:
    """Mean over draws, prompt by prompt; NaN where one of them was not measured."""
    together: pd.Series[float] = pd.concat(deltas, axis=1).mean(axis=1, skipna=False)
    return together


def _cell(family: list[_Run]) -> dict[str, Any]:
    best = pd.DataFrame([run.best for run in family]).sort_values(["layer", "layers"], kind="stable")
    return {
        "draws": len(best),
        "layer": _common(best["layer"]),
        "layers": ", ".join(best["layers"].unique()),
        "depth": float(best["depth"].mean()),
        "strength": _common(best["strength"]),
        "held_out": bool(best["held_out"].all()),
    }


def _common(values: pd.Series[float]) -> float:
    return float(values.iloc[0]) if values.nunique() == 1 else float("nan")


@dataclass(frozen=True, eq=False)
class _Measured:
    """The prompts that count for every method, and what of theirs effects are measured by."""

    prompts: pd.Index[Any]
    weight: Array
    zero: Array
    draws: int
    seed: int

    def effect(self, deltas: pd.Series[float]) -> dict[str, float]:
        """Delta and Glass's Δ with their intervals."""
        delta, by_delta, glass, by_glass = self._sizes(deltas)
        return {
            "n": len(self.prompts), "delta": delta, "delta_low": by_delta[0], "delta_high": by_delta[1],
            "glass": glass, "glass_low": by_glass[0], "glass_high": by_glass[1],
        }  # fmt: skip

    def extremes(self, each: list[pd.Series[float]]) -> dict[str, float]:
        """Least and largest Glass's Δ of several draws."""
        found = [self._glass(deltas.reindex(self.prompts).to_numpy(float)) for deltas in each]
        return {"glass_least": min(found), "glass_most": max(found)}

    def contrast(self, name: str, deltas: pd.Series[float]) -> dict[str, float]:
        """A difference of two Glass's Δ, from differences of two deltas prompt by prompt."""
        _, _, glass, (low, high) = self._sizes(deltas)
        return {name: glass, f"{name}_low": low, f"{name}_high": high}

    def _sizes(self, deltas: pd.Series[float]) -> tuple[float, tuple[float, float], float, tuple[float, float]]:
        values = deltas.reindex(self.prompts).to_numpy(float)
        known = bool(np.isfinite(self.zero).all())
        by_delta, by_glass = (
            (float(found.low[0]), float(found.high[0]))
            for found in intervals(
                values[:, None], (self.zero[:, None],) if known else (), self.weight, draws=self.draws, seed=self.seed
            )
        )
        delta = float(self.weight @ values / self.weight.sum()) if len(values) else float("nan")
        return delta, by_delta, self._glass(values), by_glass

    def _glass(self, values: Array) -> float:
        deviation = spread(self.zero, self.weight)
        return float(self.weight @ values / self.weight.sum()) / deviation if deviation > 0 else float("nan")
