"""Tails: what the mean hides at the two ends of the prompts."""

from __future__ import annotations

import pandas as pd

from trimtab.analysis.samples import present, prompt_scores, scores_at
from trimtab.analysis.scores.choice import OWNER

QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
MEASURES = ["layers", "strength", "n", "mean", "sd", *QUANTILES]


def tails(samples: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation and quantiles of the prompts' scores, by strength, at each best cell's layers.

    Quantiles count every prompt once, whatever its weight.

    Returns:
        A row for each row of `best` and each strength that was run there, the unsteered 0 among them: model, behavior,
        …, and `MEASURES`.
    """
    owner = present(best, OWNER)
    rows = scores_at(prompt_scores(samples), best).dropna(subset=["score"])
    by = rows.groupby(["cell", "strength"])["score"]
    table = by.agg(n="size", mean="mean", sd="std").join(by.quantile(list(QUANTILES.values())).unstack())
    table = table.rename(columns={value: name for name, value in QUANTILES.items()}).reset_index()
    cells = best.reset_index(drop=True)[[*owner, "layers"]]
    joined = cells.merge(table, left_index=True, right_on="cell")
    result: pd.DataFrame = joined.reset_index(drop=True).reindex(columns=[*owner, *MEASURES])
    return result
