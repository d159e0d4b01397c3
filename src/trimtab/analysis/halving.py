"""Which cells are worth more prompts: the rule by which a search drops the rest."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from trimtab.analysis.reply_cells import OWNER
from trimtab.analysis.samples import present

START = 2
"""Prompts of the first round."""
COST = 0.5
"""Points of change that a point of coherence under the floor costs."""


def rounds(prompts: int) -> list[int]:
    """Prompts that cells have been asked after each round: doubled each time, while the cells are halved.

    Successive halving (Jamieson & Talwalkar 2016): every round costs about as much as the others, so that 16 prompts
    take 5 sixteenths of the replies of all cells.
    """
    steps = [START]
    while steps[-1] < prompts:
        steps.append(min(2 * steps[-1], prompts))
    return steps if prompts > START else [prompts]


def survivors(cells: pd.DataFrame, floor: float) -> pd.DataFrame:
    """The better half of the cells in each direction, rounded up, with what few prompts say.

    Cells rank by their change in the direction of their sign, less `COST` points for each point of coherence that they
    lack; so far too little is known to drop a cell for a coherence just under the floor. Cells without a judgement come
    last.

    Args:
        cells: What `reply_cells` returned, of one split.
        floor: Coherence that the setting to use must keep.
    """
    owner = present(cells, OWNER)
    gain = cells["change"] * np.sign(cells["strength"])
    worth = gain - COST * (floor - cells["coherence"]).clip(lower=0)
    ranked = cells.assign(worth=worth.fillna(-np.inf), size=cells["strength"].abs(), upward=cells["strength"] > 0)
    ranked = ranked.sort_values(["worth", "size", "layer", "layers"], ascending=[False, True, True, True], kind="stable")
    groups = ranked.groupby([*owner, "upward"], observed=True)
    half = np.ceil(groups["worth"].transform("size") / 2)
    kept: pd.DataFrame = ranked[groups.cumcount() < half].drop(columns=["worth", "size", "upward"]).sort_index()
    return kept


def share_of_grid(prompts: int) -> float:
    """Replies that halving takes ÷ those of the whole grid."""
    steps, left, total, before = rounds(prompts), 1.0, 0.0, 0
    for asked in steps:
        total += left * (asked - before)
        left, before = left / 2, asked
    return total / prompts if not math.isclose(prompts, 0) else 1.0
