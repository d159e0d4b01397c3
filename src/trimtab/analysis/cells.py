"""Scores as matrices: the prompts and cells of one model, behavior and split, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.formatting import plain, signed_strength
from trimtab.analysis.samples import BASELINE, CELL, checked, present, prompt_scores
from trimtab.stats.bootstrap import Array

GROUP = (*BASELINE, "scale", "positions")
"""What the cells of one matrix have in common."""

FULL, UPPER, LOWER = "−α to +α", "0 to +α", "−α to 0"
"""What a delta compares: both signs of a strength, or one of them with the unsteered scores."""


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
    mirrored: bool
    """Whether deltas go from −α to +α. If not, every cell is compared with the unsteered scores, the one with both
    signs too: half a range beside a whole one would look like half an effect."""

    @property
    def compared(self) -> NDArray[np.str_]:
        """What each cell's delta compares, one of `FULL`, `UPPER`, `LOWER`: [n_cells]."""
        if self.mirrored:
            return np.full(len(self.cells), FULL)
        return np.where(self.has_plus, UPPER, LOWER)

    @property
    def upper(self) -> Array:
        """The upper end of each delta."""
        return np.where(self.compared == LOWER, self.zero[:, None], self.plus)

    @property
    def lower(self) -> Array:
        """The lower end of each delta."""
        return np.where(self.compared == UPPER, self.zero[:, None], self.minus)

    @property
    def negative(self) -> Array:
        """Scores at −α, whose spread Δ may divide by; the unsteered one stands in where −α was not run."""
        return np.where(self.has_minus, self.minus, self.zero[:, None])

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which prompts count in which cell: those with both ends, and with a baseline where there is any."""
        both = np.isfinite(self.upper - self.lower)
        known = np.isfinite(self.zero)
        return both & known[:, None] if known.any() else both


def sized(strength: float, compared: str) -> str:
    """A cell's strength for people: ±0.2 where both signs were compared, +0.2 or −0.2 where one was."""
    return f"{ {FULL: '±', UPPER: '+', LOWER: '−'}[compared] }{plain(strength)}"


def setting_in_words(values: Mapping[str, Any]) -> str:
    """Name a setting that was checked, and what chose it: at layer 17, relative strength ±0.1 (chosen by scores).

    Args:
        values: layers, scale, strength, `chosen_by` and, where it may be both signs, `compared`.
    """
    layers, compared = str(values["layers"]), values.get("compared")
    name = f"layers {layers.replace('+', ' + ')}" if "+" in layers else f"layer {layers}"
    strength = sized(values["strength"], compared) if compared else signed_strength(values["strength"])
    return f"{name}, {values['scale']} strength {strength} ({chosen_in_words(values['chosen_by'])})"


def chosen_in_words(chosen_by: str) -> str:
    """What chose a setting that was checked."""
    words = {"scores": "chosen by scores", "replies": "recommended by replies"}
    return words.get(chosen_by, "chosen by scores, recommended by replies too")


def ends(strength: float, compared: str) -> tuple[float, float]:
    """The strengths that a delta subtracts, upper and lower; 0 is unsteered."""
    return {FULL: (strength, -strength), UPPER: (strength, 0.0), LOWER: (0.0, -strength)}[compared]


def is_mirrored(samples: pd.DataFrame) -> bool:
    """Whether every steered cell of a samples table was run at both signs of its strength.

    Only then are deltas taken from −α to +α; one cell without its mirror, and all of the table's are taken against the
    unsteered scores, so that whatever is compared within it is of one kind. Without any unsteered scores there is
    nothing else to take than the whole range.
    """
    steered = samples[samples["strength"] != 0]
    if len(steered) == len(samples):
        return True
    by = [*present(samples, GROUP), "layers", steered["strength"].abs().rename("size")]
    signs = (steered["strength"] > 0).groupby([steered[n] if isinstance(n, str) else n for n in by], observed=True)
    return bool((signs.nunique() == 2).all())


def cell_scores(samples: pd.DataFrame, mirrored: bool | None = None) -> Iterator[CellScores]:
    """The matrices of a samples table, in the order of the samples.

    Args:
        samples: The samples table.
        mirrored: Whether deltas go from −α to +α, or start at the unsteered scores; by default as `is_mirrored` says
            of this table. Give it where the table is a part of what will be compared.
    """
    checked(samples)
    whole = is_mirrored(samples) if mirrored is None else mirrored
    scores = prompt_scores(samples)
    group, owner = present(scores, GROUP), present(scores, BASELINE)
    zeros = {
        _key(key): rows.set_index("prompt_id")["score"]
        for key, rows in scores[scores["strength"] == 0].groupby(owner, observed=True)
    }
    nothing = pd.Series(dtype=float)
    for key, rows in scores[scores["strength"] != 0].groupby(group, observed=True, sort=False):
        values = _key(key)
        mine = zeros.get(values[: len(owner)], nothing)
        yield _matrices(rows, mine, dict(zip(group, values, strict=True)), whole)


def _matrices(rows: pd.DataFrame, zero: pd.Series[float], owner: dict[str, Any], mirrored: bool) -> CellScores:
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
        mirrored=mirrored,
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
