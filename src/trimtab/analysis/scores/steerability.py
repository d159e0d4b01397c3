"""Steerability: how steadily each single prompt follows the strength."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trimtab.analysis.samples import present, prompt_scores, records, scores_at
from trimtab.analysis.scores.choice import OWNER
from trimtab.stats.bootstrap import wilson

MEASURES = ["n", "slope", "anti", "anti_low", "anti_high"]


def steerability(samples: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """Steerability at the layers of the best cells: the slope of each prompt's score over strength.

    Returns:
        One row for each row of `best`: model, behavior, …, n (prompts), the mean slope, and `anti`: the share
        of prompts with a negative slope (*anti-steerable*) with Wilson's 95% interval.
    """
    owner = present(best, OWNER)
    rows = scores_at(prompt_scores(samples), best).dropna(subset=["score"])
    by = ["cell", "prompt_id"]
    centred = rows[["strength", "score"]] - rows.groupby(by)[["strength", "score"]].transform("mean")
    rows = rows.assign(product=centred["strength"] * centred["score"], square=centred["strength"] ** 2)
    sums = rows.groupby(by, sort=False)[["product", "square"]].sum()
    slopes = (sums["product"] / sums["square"].where(sums["square"] > 0)).dropna().reset_index(name="slope")
    cells = records(best[[*owner, "split", "scale", "positions", "layers"]])
    found = []
    for cell, table in slopes.groupby("cell"):
        n, anti = len(table), int(np.sum(table["slope"] < 0))
        numbers = (n, table["slope"].mean(), anti / n, *wilson(anti, n))
        found.append(cells[int(str(cell))] | dict(zip(MEASURES, numbers, strict=True)))
    result: pd.DataFrame = pd.DataFrame(found, columns=[*owner, "split", "scale", "positions", "layers", *MEASURES])
    return result
