"""Are more pairs worth writing? How steady the vector is by the number of pairs it is made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.diagnosis._split_halves import draw_splits, split_cosines
from trimtab.analysis.diagnosis.differences import PairDifferences
from trimtab.stats.bootstrap import Array, percentiles

CURVE = ("layer", "depth", "pairs", "stability", "low", "high", "extrapolated", "to_truth")

SIZES = 6
"""Set sizes that are measured; between them the curve has no surprises."""
SMALLEST = 4
"""Pairs in the smallest set measured, where there are enough."""
DRAWS = 40
"""Couples of disjoint sets of each size; their middle 95% needs this many."""
MULTIPLES = (1, 2, 4)
"""Extrapolated: all the pairs there are, and multiples of their number."""


def pair_curve(d: PairDifferences, *, seed: int = 0) -> pd.DataFrame:
    """Cosine of the vectors from two disjoint sets of m pairs each, by layer and m.

    Up to half of the pairs it is measured, on sets stratified by label. From all pairs on it is predicted from the half
    splits by the formula of Spearman (1910) and Brown (1910), r_m = mρ / (1 + (m − 1)ρ): the cosine of two means of m
    independent differences has this form, ρ being the mean's share of a difference's squared length. Halves that point
    apart have nothing in common to extrapolate, so a negative cosine predicts 0.

    Returns:
        The columns `CURVE`, by layer and `pairs` (m): `stability`, the mean over 40 draws; `low` and `high`, the middle
        95% of the draws (where `extrapolated`, the same of the half splits carried over; they tell how much the draw
        matters, and are no interval of the mean); `to_truth` = √r_m: the expected cosine of a vector from m pairs with
        the one from infinitely many such pairs. No rows for a single pair; NaN where all rows have one label.
    """
    half = d.n_pairs // 2
    if not half:
        empty: pd.DataFrame = pd.DataFrame(columns=list(CURVE)).astype({"extrapolated": bool})
        return empty
    rng = np.random.default_rng(seed)
    drawn = {int(m): draw_splits(d.strata, 2 * int(m), DRAWS, rng) for m in _sizes(half)}
    rows: list[dict[str, Any]] = []
    for layer, depth in enumerate(d.depth):
        balanced = d.balanced_at(layer)
        gram = balanced @ balanced.T
        nothing = np.full(DRAWS, np.nan)
        cosines = {
            m: nothing if d.letter_hides_all else split_cosines(gram, d.pair_weight, splits)
            for m, splits in drawn.items()
        }
        rows += [curve_point(layer, depth, m, middle_and_ends(cosine), False) for m, cosine in cosines.items()]
        known = middle_and_ends(cosines[half])
        for m in (k * d.n_pairs for k in MULTIPLES):
            rows.append(curve_point(layer, depth, m, [predicted(cosine, half, m) for cosine in known], True))
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(CURVE))
    return table


def predicted(cosine: float, pairs: int, wanted: int) -> float:
    """The cosine of two vectors from `wanted` pairs each, from that of two vectors from `pairs` each."""
    known = np.maximum(cosine, 0.0)
    ratio = wanted / pairs
    return float(ratio * known / (1 + (ratio - 1) * known))


def curve_point(layer: int, depth: float, pairs: int, cosines: Sequence[float], extrapolated: bool) -> dict[str, Any]:
    """A row of the curve from a mean cosine and the two ends of the draws."""
    to_truth = float(np.sqrt(np.maximum(cosines[0], 0.0)))
    return dict(zip(CURVE, (layer, depth, pairs, *cosines, extrapolated, to_truth), strict=True))


def _sizes(half: int) -> NDArray[np.int64]:
    """Set sizes up to half of the pairs, evenly spaced in ratio."""
    return np.unique(np.geomspace(min(SMALLEST, half), half, SIZES).round().astype(np.int64))


def middle_and_ends(cosine: Array) -> tuple[float, float, float]:
    """Mean and middle 95% of the draws; NaN where there are none."""
    known = cosine[np.isfinite(cosine)]
    return (float(known.mean()), *percentiles(known)) if len(known) else (np.nan, np.nan, np.nan)
