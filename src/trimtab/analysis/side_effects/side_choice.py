"""Which cell to use when side effects count: the strongest push that moves little else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.samples import records
from trimtab.analysis.side_effects.side_findings import MAX_EASY_LOSS, MAX_PERPLEXITY


@dataclass(frozen=True)
class Limits:
    """What a cell may do besides what it is for."""

    side: float = 0.5
    """Side effect ÷ intended effect."""
    perplexity: float = MAX_PERPLEXITY
    """Of plain text, as a multiple of the unsteered model's."""
    easy: float = MAX_EASY_LOSS
    """Loss of easy questions, as a share of all."""


SETTINGS = (
    "model", "behavior", "direction", "scale", "layers", "layer", "depth", "strength", "intended", "intended_low",
    "intended_high", "side", "perplexity", "easy", "easy_before", "within", "cells", "reason",
)  # fmt: skip


def selective_settings(cells: pd.DataFrame, limits: Limits | None = None) -> pd.DataFrame:
    """In each direction the cell with the largest intended effect among those that keep within the limits.

    Only cells whose intended effect is shown to be above 0 (its interval is) are candidates. What a cell was not
    measured on does not hold it back. Chosen and measured on the same prompts, so the largest intended
    effect of many is too large: selection optimism.

    Args:
        cells: from `side_cells`.
        limits: the defaults if None.

    Returns:
        The columns `SETTINGS`: a row for each model, behavior and direction (1 or −1). `within`: cells within the
        limits, out of `cells`; `reason`: why there is none to use, "" where there is one.
    """
    bounds = limits or Limits()
    signs = np.sign(cells["strength"]).astype(int)
    rows: list[dict[str, Any]] = []
    for (model, behavior, direction), mine in cells.groupby(["model", "behavior", signs], sort=False, observed=True):
        moving = mine[mine["intended_low"] > 0]
        within = moving[
            ~(moving["side"] > bounds.side * moving["intended"])
            & ~(moving["perplexity"] > bounds.perplexity)
            & ~(moving["easy"] < moving["easy_before"] - bounds.easy)
        ]
        found: dict[str, Any] = {"model": model, "behavior": behavior, "direction": direction}
        if len(within):
            found |= records(within.sort_values(["intended", "layer"], ascending=[False, True]).head(1))[0]
        reason = "" if len(within) else "no cell moves that way" if moving.empty else "every cell moves too much else"
        rows.append({**found, "within": len(within), "cells": len(mine), "reason": reason})
    table: pd.DataFrame = pd.DataFrame(rows).reindex(columns=list(SETTINGS))
    return table
