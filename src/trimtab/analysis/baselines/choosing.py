"""Choosing an arm's setting on the prompts that choose: the wording of a system prompt, the cell of a vector."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.baselines.arm_names import ARM, PLAIN
from trimtab.analysis.samples import records
from trimtab.analysis.scores import best_cells, effects


def by_prompt(scores: pd.DataFrame, split: str) -> pd.DataFrame:
    """One score for each arm and prompt of a split: the option orders of a prompt averaged by weight.

    A prompt that lacks one of its orders in an arm, or has a score there that is not finite, gets NaN in that arm.

    Args:
        scores: A samples table with the columns `ARM`, of one model, behavior and scoring.
        split: `select` or `test`.

    Returns:
        The columns `ARM`, layers, strength, scale, prompt_id, score, weight (of the prompt).
    """
    rows = scores[scores["split"] == split]
    finite = np.isfinite(rows["score"].to_numpy(float))
    rows = rows.assign(
        weighted=np.where(finite, rows["weight"] * rows["score"], 0.0), broken=~finite, rows=1,
    )  # fmt: skip
    keys = [*ARM, "layers", "strength", "scale", "prompt_id"]
    sums = rows.groupby(keys, observed=True, sort=False)[["weighted", "weight", "broken", "rows"]].sum().reset_index()
    orders = rows.drop_duplicates(["prompt_id", "order"]).groupby("prompt_id", observed=True).size()
    whole = (sums["broken"] == 0) & (sums["rows"] == sums["prompt_id"].map(orders)) & (sums["weight"] > 0)
    score = (sums["weighted"] / sums["weight"].where(sums["weight"] > 0)).where(whole)
    found: pd.DataFrame = sums[keys].assign(score=score, weight=sums["weight"] / sums["rows"])
    return found


def toward(side: str) -> float:
    """The sign of an effect that goes where a side is to go."""
    return 1.0 if side == "for" else -1.0


def choosing_effects(scores: pd.DataFrame) -> pd.DataFrame:
    """The mean effect of every arm on the prompts that choose, toward its side; the largest first.

    Args:
        scores: As for `by_prompt`, the plain model among the arms.

    Returns:
        The columns `ARM`, layers, strength, scale, effect. Arms without any prompt in common with the plain model are
        left out; of equal ones the first in the table comes first.
    """
    table = by_prompt(scores, "select")
    plain = table[table["arm"] == PLAIN].set_index("prompt_id")["score"]
    rows = []
    keys = [*ARM, "layers", "strength", "scale"]
    for _, mine in table[table["arm"] != PLAIN].groupby(keys, sort=False, observed=True):
        moved = mine["score"].to_numpy(float) - plain.reindex(mine["prompt_id"]).to_numpy(float)
        known = np.isfinite(moved)
        if known.any():
            first = records(mine.head(1)[keys])[0]
            mean = float(np.average(moved[known], weights=mine["weight"].to_numpy(float)[known]))
            rows.append({**first, "effect": toward(str(first["side"])) * mean})
    found: pd.DataFrame = pd.DataFrame(rows, columns=[*keys, "effect"])
    ranked: pd.DataFrame = found.sort_values("effect", ascending=False, kind="stable").reset_index(drop=True)
    return ranked


def chosen_wording(scores: pd.DataFrame, side: str) -> str:
    """The system prompt with the largest effect on the prompts that choose; "" where none was scored."""
    found = choosing_effects(scores)
    mine = found[(found["side"] == side) & (found["wording"] != "")]
    return "" if mine.empty else str(mine["wording"].iloc[0])


def ranked_cells(samples: pd.DataFrame) -> list[dict[str, Any]]:
    """The cells of a sweep of the prompts that choose, as the sweep of a study chooses: the best first.

    Args:
        samples: Of one vector; rows of other splits do not count.

    Returns:
        The best cell, then the best of each other layer by delta: rows of an effects table.
    """
    select = samples[samples["split"] == "select"]
    table = effects(select, draws=0)
    best = records(best_cells(table))
    if not best:
        return []
    measure = str(best[0]["chosen_by"])
    ranked = table[table[measure].notna()].sort_values(
        [measure, "layer", "layers", "strength"], ascending=[False, True, True, True]
    )
    return records(ranked.drop_duplicates("layers"))
