"""How much of a cell's effect is left when the same is asked in another way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.bootstrap import Array, drawn_means, over, percentiles, spread, weighted_mean
from trimtab.analysis.cells import CellScores, cell_scores
from trimtab.analysis.findings import Finding
from trimtab.analysis.samples import records

PLAIN_VARIANT = "plain"
"""The prompts as the sweep asked them."""

ROBUSTNESS = (
    "model", "behavior", "kind", "variant", "layers", "layer", "depth", "strength", "scale", "positions", "scoring",
    "n", "delta", "delta_low", "delta_high", "glass", "unsteered", "share", "share_low", "share_high", "verdict",
)  # fmt: skip
HALF = 0.5
"""Below this share of the plain effect a variant counts as one that the effect does not survive."""


def robustness(samples: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """The effect in every variant, and its share of the effect on the plain prompts.

    Where a variant asks the same prompts, both deltas are drawn with the same prompts in each resample, so that the
    share's interval knows that they go together; other items, as in transfer, are drawn on their own. Percentile
    bootstrap, 95%. A share needs something to be a share of: it is NaN where the interval of the plain delta reaches 0.
    Scores of another scoring are of another unit, so for these, and for transfer, the share is one of Glass's Δs.

    Args:
        samples: the samples table with the columns `kind` and `variant`; one cell for each model and behavior.
        draws: resamples.
        seed: of the resamples.

    Returns:
        The columns `ROBUSTNESS`, plain first. `unsteered` is the mean unsteered score. `verdict`: `kept` where the
        share's interval is above a half, `lost` where it is below, `reversed` where the delta's interval has the other
        sign, `unclear` else, `no effect` where there was nothing to keep.
    """
    tables = []
    for _, mine in samples.groupby(["model", "behavior"], sort=False, observed=True):
        plain = _only(mine[mine["kind"] == PLAIN_VARIANT])
        rows = [
            {
                **records(part.head(1)[["kind", "variant"]])[0],
                **_measure(_only(part), plain, part, draws, seed),
            }
            for _, part in mine.groupby("variant", sort=False, observed=True)
        ]
        tables.append(pd.DataFrame(rows))
    columns = list(ROBUSTNESS)
    every = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    table: pd.DataFrame = every.reindex(columns=columns)
    return table


def _only(samples: pd.DataFrame) -> CellScores:
    (scores,) = cell_scores(samples)
    return scores


def _measure(here: CellScores, plain: CellScores, part: pd.DataFrame, draws: int, seed: int) -> dict[str, Any]:
    difference, weight, deviation = _differences(here)
    base, base_weight, base_deviation = _differences(plain)
    paired = here.prompts.equals(plain.prompts) and len(difference) == len(base)
    in_glass = here.owner["scoring"] != plain.owner["scoring"] or part["kind"].iloc[0] == "transfer"
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(difference), size=(draws, len(difference)))
    other = picks if paired else rng.integers(len(base), size=(draws, len(base)))
    drawn, drawn_base = drawn_means(difference, weight, picks), drawn_means(base, base_weight, other)
    delta, base_delta = weighted_mean(difference, weight), weighted_mean(base, base_weight)
    low, high = percentiles(drawn)
    units = (deviation, base_deviation) if in_glass else (1.0, 1.0)
    base_low, base_high = percentiles(drawn_base)
    known = base_low * base_high > 0 and units[0] > 0 and units[1] > 0
    share = share_low = share_high = np.nan
    if known:
        sign = float(np.sign(base_delta))
        share = (delta / units[0]) / (base_delta / units[1])
        shares = over(sign * drawn / units[0], sign * drawn_base / units[1])
        share_low, share_high = percentiles(shares[np.isfinite(shares)])
    return {
        **{name: here.owner[name] for name in ("model", "behavior", "scale", "positions", "scoring")},
        **records(here.cells.head(1))[0],
        "n": len(difference),
        "delta": delta,
        "delta_low": low,
        "delta_high": high,
        "glass": delta / deviation if deviation > 0 else np.nan,
        "unsteered": weighted_mean(here.zero[here.complete[:, 0]], weight),
        "share": share,
        "share_low": share_low,
        "share_high": share_high,
        "verdict": _verdict(known, base_delta, low, high, share_low, share_high),
    }


def _differences(scores: CellScores) -> tuple[Array, Array, float]:
    mask = scores.complete[:, 0]
    weight = scores.weight[mask]
    return (scores.upper - scores.lower)[mask, 0], weight, spread(scores.zero[mask], weight)


def _verdict(known: bool, base: float, low: float, high: float, share_low: float, share_high: float) -> str:
    if not known:
        return "no effect"
    if (high < 0) if base > 0 else (low > 0):
        return "reversed"
    if share_low > HALF:
        return "kept"
    return "lost" if share_high < HALF else "unclear"


def robustness_findings(table: pd.DataFrame) -> list[Finding]:
    """What survives and what does not, a sentence for each model and behavior."""
    found = []
    several = table["model"].nunique() > 1
    for (model, behavior), rows in table.groupby(["model", "behavior"], sort=False, observed=True):
        about = f"{behavior} in {model}" if several else str(behavior)
        tried = rows[rows["kind"] != PLAIN_VARIANT]
        if tried.empty:
            continue
        if (tried["verdict"] == "no effect").all():
            found.append(
                Finding("caution", f"{about}: no clear effect on the plain prompts that could survive anything.")
            )
            continue
        kept = int((tried["verdict"] == "kept").sum())
        worst = records(tried.sort_values("share").head(1))[0]
        gone = tried[tried["verdict"].isin(["lost", "reversed"])]
        least = f"{worst['share']:.0%} [{worst['share_low']:.0%}, {worst['share_high']:.0%}]"
        text = (
            f"{about}: of {len(tried)} other ways of asking, {kept} clearly keep more than half of the effect; least "
            f"is left in “{worst['variant']}”: {least}."
        )
        found.append(Finding("effect" if gone.empty else "caution", text))
        if len(gone):
            named = ", ".join(f"“{name}”" for name in gone["variant"])
            found.append(Finding("caution", f"{about}: the effect does not survive {named}."))
    return found
