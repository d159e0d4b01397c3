"""What the answer letters do: effects by option order, and whether the unsteered model reads the options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.cells import ends
from trimtab.analysis.samples import checked, present, records, rows_at, unsteered
from trimtab.analysis.scores.choice import OWNER
from trimtab.stats.bootstrap import intervals, wilson

BLINDNESS = [
    "n", "share", "low", "high", "share_centred", "centred_low", "centred_high", "verdict", "blind",
    "mean_score", "accuracy",
]  # fmt: skip
ORDERS = ["n", "delta_given", "delta_swapped", "difference", "difference_low", "difference_high"]


def order_effects(samples: pd.DataFrame, best: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Delta by option order at the best cells: the options as given, swapped, and the difference of the two.

    A vector that carries the behavior moves both alike. One that carries the letter moves them apart.

    Returns:
        One row for each choice-scored row of `best` that has prompts in both orders: model, behavior, …,
        layers, layer, strength, split, n, delta_given, delta_swapped, difference and its 95% bootstrap
        interval.
    """
    cells = best[best["scoring"] == "choice"].reset_index(drop=True)
    keys = [*present(cells, OWNER), "split", "scale", "positions", "layers", "layer", "strength"]
    rows = rows_at(samples, cells)
    found = []
    for number, cell in enumerate(records(cells)):
        table = rows[rows["cell"] == number]
        sides = _sides(table, *ends(float(cell["strength"]), str(cell["compared"])))
        if sides is None or sides.empty:
            continue
        given, swapped, weight = (sides[name].to_numpy(float) for name in (0, 1, "weight"))
        interval, _ = intervals((given - swapped)[:, None], (), weight, draws=draws, seed=seed)
        share = weight / weight.sum()
        numbers = (len(sides), share @ given, share @ swapped, share @ (given - swapped))
        values = [*numbers, interval.low[0], interval.high[0]]
        found.append({name: cell[name] for name in keys} | dict(zip(ORDERS, values, strict=True)))
    result: pd.DataFrame = pd.DataFrame(found, columns=[*keys, *ORDERS])
    return result


def _sides(rows: pd.DataFrame, above: float, below: float) -> pd.DataFrame | None:
    """Score at one strength minus that at another, by prompt and order (columns 0 and 1), and the prompt's weight."""
    if rows["order"].nunique() < 2:
        return None
    scores = rows.pivot_table(index=["prompt_id", "order"], columns="strength", values="score")
    if not {above, below} <= set(scores.columns):
        return None
    weight = rows.groupby("prompt_id")["weight"].first()
    sides: pd.DataFrame = (scores[above] - scores[below]).unstack("order").dropna()
    sides["weight"] = weight.reindex(sides.index)
    return sides


def option_blindness(samples: pd.DataFrame) -> pd.DataFrame:
    """Whether the unsteered model distinguishes the two options, or follows the letters.

    `share` is the share of prompts at which the same option, by content, is preferred in both orders. A model
    that follows the letter has a share near 0; one that guesses, 0.5; one that reads, near 1. `share_centred`
    is the same after the model's constant preference for a letter has been subtracted: it shows content that
    a strong letter preference covers. Both come with Wilson's 95% interval. The verdict:

    * "reads": the interval of `share` lies above 0.5.
    * "letter first": it lies below 0.5, but that of `share_centred` lies above: the content counts less than
      the letter.
    * "blind": it lies below 0.5, and `share_centred` is not shown to be above. `blind` is True here only.
    * "unclear": it holds 0.5, as guessing would, or as too few prompts do.

    Nothing is chosen here, so prompts of all splits count.

    Returns:
        One row for each model and behavior with unsteered choice rows in both orders, with n, the shares, the
        verdict, the mean unsteered score and the accuracy (share of rows, both orders, with a score above 0).
    """
    rows = unsteered(checked(samples))
    rows = rows[(rows["scoring"] == "choice") & np.isfinite(rows["score"])]
    keys = present(rows, OWNER)
    found = []
    for key, table in rows.groupby(keys, sort=False):
        scores = table.pivot_table(index="prompt_id", columns="order", values="score")
        if not {0, 1} <= set(scores.columns) or (scores := scores[[0, 1]].dropna()).empty:
            continue
        values = key if isinstance(key, tuple) else (key,)
        both = table[table["prompt_id"].isin(scores.index)]
        found.append({**dict(zip(keys, values, strict=True)), **_blindness(scores, both)})
    result: pd.DataFrame = pd.DataFrame(found, columns=[*keys, *BLINDNESS])
    return result


def _blindness(scores: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    """The numbers of one model and behavior; `scores` is prompts by orders."""
    share, low, high = _same_option(scores)
    # +1 where the positive option is A: the part of a score that the letter alone would explain.
    sign = rows["label"].map({"A": 1.0, "B": -1.0})
    centred = (float("nan"),) * 3
    if sign.notna().all():
        letter = float((sign * rows["score"]).mean())
        plain = rows.assign(score=rows["score"] - sign * letter)
        centred = _same_option(plain.pivot_table(index="prompt_id", columns="order", values="score")[[0, 1]])
    verdict = "reads" if low > 0.5 else "unclear"
    if high < 0.5:
        verdict = "letter first" if centred[1] > 0.5 else "blind"
    values = [len(scores), share, low, high, *centred, verdict, verdict == "blind"]
    values += [float(scores.to_numpy().mean()), float((scores.to_numpy() > 0).mean())]
    return dict(zip(BLINDNESS, values, strict=True))


def _same_option(scores: pd.DataFrame) -> tuple[float, float, float]:
    """Share of prompts with one option preferred in both orders, with its interval; a tie prefers none."""
    hits = int((scores[0] * scores[1] > 0).sum())
    return (hits / len(scores), *wilson(hits, len(scores)))
