"""Which cells are worth more prompts: the rule by which a search drops the rest."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.replies.reply_cells import OWNER
from trimtab.analysis.samples import present

Array = NDArray[np.float64]

HALVINGS = 3
NEIGHBOURS = 2.0
"""Prompts that a cell's neighbours in the grid weigh as much as: a few replies say little, and settings next to each
other do much the same."""
NEAR = (1.0, 0.7)
"""Standard deviations of a neighbour's weight, in steps of layers and of strengths."""
COST = 0.25
"""Points of change, for each prompt asked, that a point of coherence under the floor costs: lenient while little is
known, strict at the end."""


def rounds(prompts: int) -> list[int]:
    """Prompts that cells have been asked after each round: doubled each time, while the cells are halved.

    Successive halving (Jamieson & Talwalkar 2016) in four rounds from 9 prompts on. For a multiple of 8 it takes 5
    sixteenths of the replies that the whole grid takes, for other numbers a little more.
    """
    first = max(2, -(-prompts // 2**HALVINGS))
    steps = [first * 2**step for step in range(HALVINGS) if first * 2**step < prompts]
    return [*steps, prompts]


def survivors(cells: pd.DataFrame, floor: float, asked: int) -> pd.DataFrame:
    """The better half of the cells in each direction, rounded up.

    Change and coherence of a cell are drawn toward those of its neighbours, which weigh as `NEIGHBOURS` prompts. Cells
    rank by change in the direction of their sign, less a cost for the coherence that they lack; those without any
    judgement come last.

    Args:
        cells: What `reply_cells` returned, of one split; those dropped before may still be in it.
        floor: Coherence that the setting to use must keep.
        asked: Prompts asked so far: cells with fewer were dropped before.
    """
    owner = present(cells, OWNER)
    survivors_of_each = []
    for _, mine in cells.groupby([*owner, np.sign(cells["strength"])], sort=False, observed=True):
        going_on = (mine["prompts"] >= asked).to_numpy(bool)
        near = _nearness(mine)[np.ix_(going_on, going_on)]
        live = mine[going_on]
        gain = _drawn(live["change"].to_numpy(float) * np.sign(live["strength"].to_numpy(float)), near, asked)
        coherence = _drawn(live["coherence"].to_numpy(float), near, asked)
        worth = gain - COST * asked * np.maximum(0.0, floor - coherence)
        ranked = live.assign(worth=np.where(np.isfinite(worth), worth, -np.inf), size=live["strength"].abs())
        ranked = ranked.sort_values(["worth", "size", "layer", "layers"], ascending=[False, True, True, True])
        survivors_of_each.append(ranked.index[: -(-len(ranked) // 2)])
    table: pd.DataFrame = cells.loc[sorted(index for some in survivors_of_each for index in some)]
    return table


def _nearness(cells: pd.DataFrame) -> Array:
    """Weights of the cells in each other, [cells, cells], by steps in the grid; none in themselves."""
    ranks = [steps.rank(method="dense").to_numpy(float) for steps in (cells["layer"], cells["strength"].abs())]
    distance: Array = sum(((rank[:, None] - rank) / width) ** 2 for rank, width in zip(ranks, NEAR, strict=True))
    weights: Array = np.exp(-distance / 2)
    np.fill_diagonal(weights, 0.0)
    return weights


def _drawn(values: Array, near: Array, asked: int) -> Array:
    """Values drawn toward the mean of their neighbours; unknown ones stay unknown, and draw none."""
    known = np.isfinite(values)
    weights = near * known
    total = weights.sum(1)
    mean = weights @ np.where(known, values, 0.0) / np.maximum(total, 1e-12)
    pull = NEIGHBOURS * np.minimum(1.0, total)
    drawn: Array = (asked * values + pull * mean) / (asked + pull)
    return drawn
