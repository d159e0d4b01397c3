"""How much of a cell's effect survives in other phrasings, system prompts, option orders and on other prompts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from trimtab.analysis.cells import CellScores, cell_scores
from trimtab.analysis.samples import records
from trimtab.stats.bootstrap import (
    Array,
    drawn_counts,
    drawn_means,
    drawn_spreads,
    over,
    percentiles,
    spread,
    weighted_mean,
)

PLAIN_VARIANT = "plain"
"""The kind of the prompts as the sweep presents them."""

ROBUSTNESS = (
    "model", "behavior", "chosen_by", "kind", "variant", "layers", "layer", "depth", "strength", "compared", "scale",
    "positions", "scoring", "n", "delta", "delta_low", "delta_high", "glass", "unsteered", "share", "share_low",
    "share_high", "verdict",
)  # fmt: skip
MIN_PROMPTS = 3
"""Prompts below which a variant is not measured."""
HALF = 0.5
"""Share of the plain effect below which the effect does not survive a variant."""


def robustness(samples: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """The effect in every variant, and its share of the effect on the plain prompts.

    Where a variant has the same prompts, both deltas are resampled with the same prompts, so that the interval of the
    share accounts for their correlation; other items, as in transfer, are resampled on their own. Percentile
    bootstrap, 95%. The share is NaN where the interval of the plain delta reaches 0. Scores of another scoring have
    another unit, so for these, and for transfer, the share is one of Glass's Δs.

    Args:
        samples: the samples table with the columns `kind`, `variant` and `chosen_by`, what chose the cell: one cell
            for each model, behavior and choice.
        draws: resamples.
        seed: of the resamples.

    Returns:
        The columns `ROBUSTNESS`, plain first. `unsteered` is the mean unsteered score. `verdict`: `kept` where the
        share's interval is above a half, `lost` where it is below, `reversed` where the delta's interval has the other
        sign, `unclear` else; `no effect` where the plain prompts show none that could survive, `not measurable` with
        fewer than three prompts or without a spread to measure in.
    """
    tables = []
    for _, mine in samples.groupby(["model", "behavior", "chosen_by"], sort=False, observed=True):
        if not (mine["kind"] == PLAIN_VARIANT).any():
            continue  # the run was stopped while this was measured again; resuming finishes it
        plain = _only(mine[mine["kind"] == PLAIN_VARIANT])
        rows = [
            {
                **records(part.head(1)[["chosen_by", "kind", "variant"]])[0],
                **_measure(_only(part), plain, str(part["kind"].iloc[0]), draws, seed),
            }
            for _, part in mine.groupby("variant", sort=False, observed=True)
        ]
        tables.append(pd.DataFrame(rows))
    columns = list(ROBUSTNESS)
    every = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    table: pd.DataFrame = every.reindex(columns=columns)
    return table


class _Drawn(NamedTuple):
    """The prompts of one variant: the change of each by steering, and the unsteered scores."""

    scores: CellScores
    moved: Array
    zero: Array
    weight: Array
    prompts: tuple[str, ...]

    @property
    def delta(self) -> float:
        return weighted_mean(self.moved, self.weight) if len(self.moved) else np.nan

    @property
    def deviation(self) -> float:
        return spread(self.zero, self.weight)


def _only(samples: pd.DataFrame) -> _Drawn:
    (scores,) = cell_scores(samples)
    # A score that is no number is no unsteered score either: its prompt counts for nothing.
    broken = set(samples.loc[~np.isfinite(samples["score"]), "prompt_id"].astype(str))
    mask = scores.complete[:, 0] & ~np.isin(scores.prompts.to_numpy(str), sorted(broken))
    moved = (scores.upper - scores.lower)[mask, 0]
    return _Drawn(scores, moved, scores.zero[mask], scores.weight[mask], tuple(scores.prompts[mask]))


def _measure(here: _Drawn, plain: _Drawn, kind: str, draws: int, seed: int) -> dict[str, Any]:
    owner = here.scores.owner
    found: dict[str, Any] = {
        **{name: owner[name] for name in ("model", "behavior", "scale", "positions", "scoring")},
        **records(here.scores.cells.head(1))[0],
        "compared": str(here.scores.compared[0]),
        "n": len(here.moved),
        "verdict": "not measurable",
    }
    if len(here.moved) < MIN_PROMPTS or len(plain.moved) < MIN_PROMPTS:
        return found
    # Other pairs may have the ids of these by chance, as line numbers.
    paired = kind != "transfer" and here.prompts == plain.prompts
    rng = np.random.default_rng(seed)
    counts = drawn_counts(len(here.moved), draws, rng)
    other = counts if paired else drawn_counts(len(plain.moved), draws, rng)
    drawn, base = drawn_means(here.moved, here.weight, counts), drawn_means(plain.moved, plain.weight, other)
    low, high = percentiles(drawn)
    base_low, base_high = percentiles(base)
    deviation = here.deviation
    found |= {
        "delta": here.delta,
        "delta_low": low,
        "delta_high": high,
        "glass": here.delta / deviation if deviation > 0 else np.nan,
        "unsteered": weighted_mean(here.zero, here.weight),
    }
    if not base_low * base_high > 0:
        return found | {"verdict": "no effect"}
    sign = float(np.sign(plain.delta))
    share, shares = here.delta / plain.delta, over(sign * drawn, sign * base)
    if owner["scoring"] != plain.scores.owner["scoring"] or kind == "transfer":
        if not (deviation > 0 and plain.deviation > 0):
            return found
        # The unit is measured on these few prompts too, so it is drawn with them.
        share *= plain.deviation / deviation
        shares = shares * drawn_spreads(plain.zero, plain.weight, other) / drawn_spreads(here.zero, here.weight, counts)
    share_low, share_high = percentiles(shares)
    verdict = _verdict(plain.delta, low, high, share_low, share_high)
    return found | {"share": share, "share_low": share_low, "share_high": share_high, "verdict": verdict}


def _verdict(base: float, low: float, high: float, share_low: float, share_high: float) -> str:
    if (high < 0) if base > 0 else (low > 0):
        return "reversed"
    if share_low > HALF:
        return "kept"
    return "lost" if share_high < HALF else "unclear"
