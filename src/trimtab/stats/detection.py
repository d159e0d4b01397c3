"""How well a score separates positive from negative texts, and whether its probabilities are calibrated."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.formatting import fixed, percent, with_interval
from trimtab.stats.bootstrap import BLOCK, LEVEL, Array, percentiles, weighted_mean, wilson

BINS = 10
"""Of equal width, between probability 0 and 1."""

RELIABILITY = ["low", "high", "n", "predicted", "observed", "observed_low", "observed_high"]


@dataclass(frozen=True)
class Detection:
    """What a detector is worth on some scored items, texts or tokens."""

    groups: int
    """Prompts; they are resampled whole."""
    items: int
    auroc: float
    auroc_low: float
    auroc_high: float
    brier: float
    """Mean squared error of the probabilities (Brier 1950); 0.25 for saying one half every time."""
    calibration_error: float
    """Expected calibration error."""
    calibration_limit: float
    """The error that a detector whose probabilities are right stays below 95% of the time; NaN where not known."""
    confidence: float
    """Mean probability of the side that is called."""
    accuracy: float
    """Share of items on the side that is called."""

    @property
    def tells_apart(self) -> bool:
        """Whether it is shown to be better than chance."""
        return self.auroc_low > 0.5

    @property
    def is_calibrated(self) -> bool:
        """Whether the error is no larger than chance explains, as far as that is known."""
        return not self.calibration_error > self.calibration_limit

    def remarks(self) -> list[str]:
        """What to be warned of, in words."""
        found = []
        around = f"AUROC {with_interval(self.auroc, self.auroc_low, self.auroc_high, limits=(0.5, 1.0))}"
        if self.auroc_high < 0.5:
            found.append(f"{around}: the wrong way round; it calls negative texts positive")
        elif not self.tells_apart:
            found.append(f"{around}: not shown to be better than chance")
        if not self.is_calibrated:
            limit = [self.calibration_limit]
            how = "over-confident" if self.confidence > self.accuracy else "under-confident"
            found.append(
                f"calibration breaks: its probabilities are off by {fixed(self.calibration_error, 2, limit)} on "
                "average (up "
                f"to {fixed(self.calibration_limit)} would be chance); it is {how}, "
                f"{percent(self.confidence, [self.accuracy])} sure "
                f"and {percent(self.accuracy)} right"
            )
        return found


def detection(
    score: Array,
    probability: Array,
    positive: NDArray[np.bool_],
    group: Sequence[Hashable],
    weight: Array,
    *,
    independent: bool = True,
    draws: int = 2000,
    seed: int = 0,
) -> Detection:
    """Measure a detector.

    The interval of the AUROC is a 95% percentile bootstrap over groups. Where every group agrees perfectly, resampling
    is no evidence about other groups; the far end is then Wilson's for as many successes as there are
    groups.

    The calibration limit is found by redrawing every label with its own probability (consistency resampling, Bröcker &
    Smith 2007), which takes items for independent.

    Args:
        score: what ranks the items, higher for positive [n].
        probability: of being positive [n].
        positive: whether they are [n].
        group: the prompt of each; both texts of a pair share it [n].
        weight: of each item [n].
        independent: whether items can be right or wrong on their own; tokens of one text cannot, and have no limit.
        draws: resamples.
        seed: of the resamples.
    """
    rng = np.random.default_rng(seed)
    members = pd.factorize(pd.Series(list(group), dtype=object))[0]
    n_groups = int(members.max()) + 1
    exact = auroc(score, positive, weight)
    low, high = _auroc_ends(exact, score, positive, weight, members, n_groups, draws, rng)
    called = np.maximum(probability, 1 - probability)
    right = np.where(probability == 0.5, 0.5, (probability > 0.5) == positive)
    return Detection(
        groups=n_groups,
        items=len(score),
        auroc=exact,
        auroc_low=low,
        auroc_high=high,
        brier=weighted_mean((probability - positive) ** 2, weight),
        calibration_error=calibration_error(probability, positive, weight),
        calibration_limit=_calibration_limit(probability, weight, draws, rng) if independent else float("nan"),
        confidence=weighted_mean(called, weight),
        accuracy=weighted_mean(right, weight),
    )


def auroc(score: Array, positive: NDArray[np.bool_], weight: Array | None = None) -> float:
    """Probability that a positive item scores above a negative one, ties counted half; NaN without both kinds.

    The area under the receiver operating characteristic as Mann and Whitney's statistic (Hanley & McNeil 1982).
    """
    counts = np.ones((1, len(score))) if weight is None else weight[None]
    return float(_aurocs(score, positive, counts)[0])


def auroc_with_interval(
    score: Array, positive: NDArray[np.bool_], group: Sequence[Hashable], *, draws: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """The AUROC and its 95% percentile interval over resampled groups.

    Groups of both kinds, as the two sides of a pair, are drawn as wholes. Where every group is of one kind, as with two
    lists without pairs, the groups of each kind are drawn apart, so that a resample has as many of each.

    Args:
        score: what ranks the items, higher for positive [n].
        positive: whether they are [n].
        group: of each item [n].
        draws: resamples.
        seed: of the resamples.
    """
    rng = np.random.default_rng(seed)
    members = pd.factorize(pd.Series(list(group), dtype=object))[0]
    n_groups = int(members.max()) + 1
    ones = np.ones(len(score))
    exact = auroc(score, positive)
    kinds = np.bincount(members, positive, n_groups) / np.bincount(members, minlength=n_groups)
    if np.isin(kinds, (0.0, 1.0)).all():
        fewest = int(min(kinds.sum(), n_groups - kinds.sum()))
        if fewest < 2:
            return exact, float("nan"), float("nan")
        if exact in (0.0, 1.0):  # no more evidence than the shorter list has
            return exact, *wilson(fewest * int(exact), fewest)
        drawn = _aurocs(score, positive, _drawn_apart(kinds > 0.5, draws, rng)[:, members])
        return exact, *percentiles(drawn)
    return exact, *_auroc_ends(exact, score, positive, ones, members, n_groups, draws, rng)


def _drawn_apart(positive: NDArray[np.bool_], draws: int, rng: np.random.Generator) -> Array:
    """How often each group is drawn, the positive ones and the negative ones apart [draws, groups]."""
    counts = np.zeros((draws, len(positive)))
    for kind in (positive, ~positive):
        n = int(kind.sum())
        counts[:, kind] = rng.multinomial(n, np.full(n, 1 / n), size=draws)
    return counts


def calibration_error(probability: Array, positive: NDArray[np.bool_], weight: Array) -> float:
    """Mean gap between what is predicted and what is so, over bins of equal width (Naeini et al. 2015, section 3)."""
    return float(_gaps(probability, positive[None].astype(np.float64), weight)[0])


def reliability(probability: Array, positive: NDArray[np.bool_]) -> pd.DataFrame:
    """The observed rate in each bin of predicted probabilities: a row for each bin that holds items.

    Returns:
        `RELIABILITY`: the bin's ends, n, mean probability, share of positives and its 95% interval (Wilson).
    """
    bins = _bins(probability)
    rows = []
    for number in np.unique(bins):
        here = bins == number
        hits, n = int(positive[here].sum()), int(here.sum())
        ends = (float(number / BINS), float((number + 1) / BINS))
        rows.append((*ends, n, float(probability[here].mean()), hits / n, *wilson(hits, n)))
    table: pd.DataFrame = pd.DataFrame(rows, columns=RELIABILITY)
    return table


def _bins(probability: Array) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    return numbers


def _aurocs(score: Array, positive: NDArray[np.bool_], counts: Array) -> Array:
    """AUROC with each item counted so often: one for each row of `counts` [draws, n]."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0])
    sorted_counts, sorted_positive = counts[:, order], positive[order]
    above = np.add.reduceat(sorted_counts * sorted_positive, starts, axis=1)
    below = np.add.reduceat(sorted_counts * ~sorted_positive, starts, axis=1)
    beaten = below.cumsum(1) - below / 2
    possible = above.sum(1) * below.sum(1)
    won = (above * beaten).sum(1)
    areas: Array = np.divide(won, possible, out=np.full(len(counts), np.nan), where=possible > 0)
    return areas


def _auroc_ends(
    exact: float,
    score: Array,
    positive: NDArray[np.bool_],
    weight: Array,
    members: NDArray[np.int64],
    n_groups: int,
    draws: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    if not np.isfinite(exact) or n_groups < 2:
        return float("nan"), float("nan")
    if exact in (0.0, 1.0):
        return wilson(n_groups * int(exact), n_groups)
    size = max(1, BLOCK // len(score))
    areas = []
    for start in range(0, draws, size):
        times = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=min(size, draws - start))
        areas.append(_aurocs(score, positive, times[:, members] * weight))
    drawn = np.concatenate(areas)
    return percentiles(drawn[np.isfinite(drawn)])


def _gaps(probability: Array, labels: Array, weight: Array) -> Array:
    """Calibration error for each row of labels [draws, n]."""
    inside = np.eye(BINS)[_bins(probability)] * weight[:, None]
    gaps = np.abs((probability - labels) @ inside)
    total: Array = gaps.sum(1) / weight.sum()
    return total


def _calibration_limit(probability: Array, weight: Array, draws: int, rng: np.random.Generator) -> float:
    size = max(1, BLOCK // len(probability))
    blocks = (min(size, draws - start) for start in range(0, draws, size))
    errors = [
        _gaps(probability, (rng.random((rows, len(probability))) < probability).astype(float), weight)
        for rows in blocks
    ]
    return float(np.quantile(np.concatenate(errors), LEVEL))
