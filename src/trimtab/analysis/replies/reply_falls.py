"""Whether a setting of replies falls from the prompts that chose it to those it is reported on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.replies.reply_cells import OWNER, SPEAKER
from trimtab.analysis.replies.tuning import FALLS, candidates
from trimtab.analysis.samples import present, records
from trimtab.stats.bootstrap import Array, drawn_counts
from trimtab.stats.selection import fall, optimism_of

CELL = ["layers", "strength"]


def with_falls(
    settings: pd.DataFrame, cells: pd.DataFrame, judged: pd.DataFrame, *, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """The settings with how much less they do on the prompts that report them.

    Args:
        settings: What `recommended` returned.
        cells: What it was given.
        judged: The replies that the cells were made from: what `judged_replies` returned.
        draws: Bootstrap resamples behind the optimism.
        seed: Of the resamples and the test.

    Returns:
        The settings with their `FALLS`: `optimism`, what choosing the largest change adds to it on average; `fall`, by
        how much more than that the change is smaller on the held-out prompts, and its one-sided p (see
        `selection.fall`). NaN where nothing was held out.
    """
    rows = [_fall(row, cells, judged, draws, seed) if row["held_out"] else {} for row in records(settings)]
    found = pd.DataFrame(rows, index=settings.index).reindex(columns=list(FALLS)).astype(float)
    table: pd.DataFrame = settings.assign(**{name: found[name] for name in FALLS})
    return table


def _fall(row: dict[str, Any], cells: pd.DataFrame, judged: pd.DataFrame, draws: int, seed: int) -> dict[str, float]:
    direction = int(row["direction"])
    mine = _of(cells, row, present(cells, OWNER))
    fit = candidates(mine[np.sign(mine["strength"]) == direction], direction, float(row["floor"]))
    replies = _of(judged, row, [*present(judged, SPEAKER), "judge", "scale", "positions"])
    changes = replies[replies["strength"] != 0].assign(gain=lambda table: table["change"].astype(float) * direction)
    every = changes[changes["split"] == "select"].pivot_table(index="prompt_id", columns=CELL, values="gain")
    tried = every[[key for key in fit[CELL].itertuples(index=False, name=None) if key in every.columns]].dropna()
    here = (row["layers"], row["strength"])
    if len(tried) < 2 or here not in every.columns:
        return {}
    values: Array = tried.to_numpy(float)
    counts = drawn_counts(len(values), draws, np.random.default_rng(seed))
    optimism = optimism_of(values, np.ones(len(values)), counts)
    there = changes[(changes["split"] == "test") & (changes["layers"] == here[0]) & (changes["strength"] == here[1])]
    reported = there.groupby("prompt_id")["gain"].mean().to_numpy(float)
    value, p = fall(every[here].to_numpy(float), reported, optimism, seed=seed)
    return {"optimism": optimism, "fall": value, "fall_p": p}


def _of(table: pd.DataFrame, row: dict[str, Any], names: list[str]) -> pd.DataFrame:
    rows: pd.DataFrame = table[np.logical_and.reduce([table[name] == row[name] for name in names])]
    return rows
