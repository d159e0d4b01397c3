"""Scores as matrices: the prompts and cells of one model, behavior and split, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.bootstrap import Array
from trimtab.analysis.samples import BASELINE, CELL, present, prompt_scores

GROUP = (*BASELINE, "scale", "positions")
"""What the cells of one matrix have in common."""


@dataclass(frozen=True, eq=False)
class CellScores:
    """Scores of the same prompts in every cell of a group; NaN where a prompt was not, or not fully, measured."""

    owner: dict[str, Any]
    """The columns of `GROUP` that the samples have."""
    cells: pd.DataFrame
    """A row for each column of the matrices: layers, layer, depth, strength (α > 0)."""
    prompts: pd.Index[Any]
    """Id of each prompt, sorted."""
    weight: Array
    """Weight of each prompt: [n_prompts]."""
    zero: Array
    """Unsteered scores: [n_prompts]."""
    plus: Array
    """Scores at +α: [n_prompts, n_cells]."""
    minus: Array
    """Scores at −α: [n_prompts, n_cells]."""

    has_plus: NDArray[np.bool_]
    """Cells that were run at +α, whatever came of it: [n_cells]."""
    has_minus: NDArray[np.bool_]
    """Cells that were run at −α: [n_cells]."""

    @property
    def upper(self) -> Array:
        """The upper end of each delta; the unsteered score stands in where +α was not run."""
        return np.where(self.has_plus, self.plus, self.zero[:, None])

    @property
    def lower(self) -> Array:
        """The lower end of each delta; the unsteered score stands in where −α was not run."""
        return np.where(self.has_minus, self.minus, self.zero[:, None])

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which prompts count in which cell: those with both ends, and with a baseline where there is any."""
        both = np.isfinite(self.upper - self.lower)
        known = np.isfinite(self.zero)
        return both & known[:, None] if known.any() else both


def cell_scores(samples: pd.DataFrame) -> Iterator[CellScores]:
    """The matrices of a samples table, in the order of the samples."""
    scores = prompt_scores(samples)
    group, owner = present(scores, GROUP), present(scores, BASELINE)
    zeros = {
        _key(key): rows.set_index("prompt_id")["score"]
        for key, rows in scores[scores["strength"] == 0].groupby(owner, observed=True)
    }
    nothing = pd.Series(dtype=float)
    for key, rows in scores[scores["strength"] != 0].groupby(group, observed=True, sort=False):
        values = _key(key)
        yield _matrices(rows, zeros.get(values[: len(owner)], nothing), dict(zip(group, values, strict=True)))


def _matrices(rows: pd.DataFrame, zero: pd.Series[float], owner: dict[str, Any]) -> CellScores:
    rows = rows.assign(
        size=rows["strength"].abs(), layers=rows["layers"].astype(str), prompt_id=rows["prompt_id"].astype(str)
    )
    cells = rows[[*CELL[2:], "size"]].drop_duplicates(["layers", "size"]).sort_values(["layer", "layers", "size"])
    # Sorted, so that resamples do not depend on the order in which a run wrote its rows.
    prompts = pd.Index(sorted(rows["prompt_id"].unique()))
    wanted = pd.MultiIndex.from_frame(cells[["layers", "size"]])
    return CellScores(
        owner=owner,
        cells=cells.rename(columns={"size": "strength"}).reset_index(drop=True),
        prompts=prompts,
        weight=rows.groupby("prompt_id")["weight"].first().reindex(prompts).to_numpy(float),
        zero=zero.set_axis(zero.index.astype(str)).reindex(prompts).to_numpy(float),
        plus=_matrix(rows[rows["strength"] > 0], prompts, wanted),
        minus=_matrix(rows[rows["strength"] < 0], prompts, wanted),
        has_plus=_run(rows[rows["strength"] > 0], wanted),
        has_minus=_run(rows[rows["strength"] < 0], wanted),
    )


def _run(rows: pd.DataFrame, cells: pd.MultiIndex) -> NDArray[np.bool_]:
    """Which cells there are rows of. A score that is no number was measured all the same: nothing stands in for it."""
    return np.asarray(cells.isin(pd.MultiIndex.from_frame(rows[["layers", "size"]])))


def _matrix(rows: pd.DataFrame, prompts: pd.Index[Any], cells: pd.MultiIndex) -> Array:
    """Scores as [n_prompts, n_cells]; NaN where a prompt lacks a cell."""
    table = pd.Series(
        rows["score"].to_numpy(float),
        index=pd.MultiIndex.from_arrays([rows["prompt_id"], rows["layers"], rows["size"]]),
    ).unstack([1, 2])
    matrix: Array = table.reindex(index=prompts, columns=cells).to_numpy(float)
    return matrix


def _key(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)
