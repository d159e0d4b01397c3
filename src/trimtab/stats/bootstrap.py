"""Intervals: weighted means and spreads of resampled prompts, for all cells at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 0.95
BLOCK = 4_000_000
"""Numbers in one block of resampling counts; bounds the memory however many prompts there are."""


class Interval(NamedTuple):
    """The two ends of an interval, one number for each cell."""

    low: Array
    high: Array


def spread(values: Array, weight: Array) -> float:
    """Weighted standard deviation; with equal weights the one with ddof 1. NaN for fewer than two values."""
    if len(values) < 2:
        return float("nan")
    variance = float(_variance(weight[None, :], (weight**2)[None, :], (values - values.mean())[:, None])[0, 0])
    if np.isnan(variance):
        return variance
    deviation = float(np.sqrt(max(variance, 0.0)))
    # Equal scores leave rounding noise behind; dividing by it would invent an effect.
    return deviation if deviation > 1e-9 * max(1.0, float(np.abs(values).max())) else 0.0


def intervals(
    difference: Array, ends: Sequence[Array], weight: Array, *, draws: int, seed: int
) -> tuple[Interval, Interval]:
    """95% bootstrap intervals of the weighted mean of each column, and of that mean over a spread drawn with it.

    Bias-corrected and accelerated percentiles (BCa; Efron 1987), accelerated by the jackknife: Δ is a ratio,
    and plain percentiles of few prompts miss it on one side.

    Args:
        difference: One column for each cell, one row for each prompt: [n_prompts, n_cells].
        ends: Scores whose spread the mean is divided by: [n_prompts, n_cells] or, for all cells, [n_prompts, 1].
            Several: the root mean square of their standard deviations. None: there is no ratio.
        weight: Weight of each prompt: [n_prompts].
        draws: How many resamples.
        seed: Seed; the same prompts are drawn for every cell.
    """
    n_prompts, n_cells = difference.shape
    unknown = Interval(np.full(n_cells, np.nan), np.full(n_cells, np.nan))
    if n_prompts < 2 or draws < 2:
        return unknown, unknown
    every = np.ones((1, n_prompts))
    mean, deviation = counted(every, difference, ends, weight)
    drawn_mean, drawn_deviation = resampled(difference, ends, weight, draws=draws, seed=seed)
    left_mean, left_deviation = _without_one(difference, ends, weight)
    by_mean = _bca(mean[0], drawn_mean, left_mean)
    if deviation is None or drawn_deviation is None or left_deviation is None:
        return by_mean, unknown
    # Equal scores leave rounding noise behind, and a resample of one prompt only, n times, no spread at all.
    scale = np.sqrt(np.mean([[spread(column, weight) ** 2 for column in end.T] for end in ends], axis=0))
    ratios = [
        over(m, np.where((d > 1e-9 * scale) & (scale > 0), d, 0.0))
        for m, d in ((mean, deviation), (drawn_mean, drawn_deviation), (left_mean, left_deviation))
    ]
    return by_mean, _bca(ratios[0][0], ratios[1], ratios[2])


def over(mean: Array, deviation: Array) -> Array:
    """Means in units of a spread, [rows, n_cells] over [rows, n_cells or 1]; NaN where there is none."""
    wide = np.broadcast_to(deviation, mean.shape)
    return np.divide(mean, wide, out=np.full_like(mean, np.nan), where=wide > 0)


def resampled(
    difference: Array, ends: Sequence[Array], weight: Array, *, draws: int, seed: int
) -> tuple[Array, Array | None]:
    """Means and spreads of each resample, [draws, n_cells] and [draws, n_cells or 1]; see `intervals`."""
    counts = _counts(len(difference), draws, np.random.default_rng(seed))
    means, deviations = zip(*(counted(block, difference, ends, weight) for block in counts), strict=True)
    return np.concatenate(means), np.concatenate(deviations) if ends else None


def counted(counts: Array, difference: Array, ends: Sequence[Array], weight: Array) -> tuple[Array, Array | None]:
    """Means, and spreads of `ends`, with each prompt counted so often: a row for each row of `counts`."""
    drawn, squared = counts * weight, counts * weight**2
    mean = (drawn @ difference) / drawn.sum(axis=1, keepdims=True)
    if not ends:
        return mean, None
    variance = np.mean([_variance(drawn, squared, end - end.mean(axis=0)) for end in ends], axis=0)
    return mean, np.sqrt(np.maximum(variance, 0.0))


def weighted_mean(values: Array, weight: Array) -> float:
    """Weighted mean of the values [n]."""
    return float((values * weight).sum() / weight.sum())


def drawn_counts(n: int, draws: int, rng: np.random.Generator, together: NDArray[np.int64] | None = None) -> Array:
    """How often each of n values is drawn, resample by resample: [draws, n].

    Args:
        n: how many values there are, at least one.
        draws: how many resamples.
        rng: draws them.
        together: number of the group of each value, [n], 0 … groups−1: groups are drawn as a whole, because what they
            hold is not independent. None: each value on its own.
    """
    groups = np.arange(n) if together is None else together
    found: Array = np.concatenate(list(_counts(int(groups.max()) + 1, draws, rng)))[:, groups]
    return found


def drawn_means(values: Array, weight: Array, counts: Array) -> Array:
    """Weighted mean of each resample [draws]; `counts` [draws, n] is how often each value is in it."""
    means: Array = (counts @ (values * weight)) / (counts @ weight)
    return means


def drawn_spreads(values: Array, weight: Array, counts: Array) -> Array:
    """Standard deviation (ddof 1, as `spread`) of each resample [draws]; NaN for one value drawn again and again."""
    variance = _variance(counts * weight, counts * weight**2, (values - values.mean())[:, None])[:, 0]
    deviation = np.sqrt(np.maximum(variance, 0.0))
    scale = max(1.0, float(np.abs(values).max())) if len(values) else 1.0
    return np.asarray(np.where(deviation > 1e-9 * scale, deviation, np.nan))


def percentiles(drawn: Array) -> tuple[float, float]:
    """The two ends of the plain 95% percentile interval of resampled numbers [draws]; those not known do not count."""
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share; it stays honest near 0 and 1 and for small n."""
    if n == 0:
        return float("nan"), float("nan")
    z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
    share = hits / n
    centre = share + z**2 / (2 * n)
    reach = z * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    # At 0 and n hits one end is exactly 0 or 1; rounding must not move it.
    low = 0.0 if hits == 0 else (centre - reach) / (1 + z**2 / n)
    high = 1.0 if hits == n else (centre + reach) / (1 + z**2 / n)
    return low, high


def _counts(n_prompts: int, draws: int, rng: np.random.Generator) -> Iterator[Array]:
    """How often each prompt is drawn, resample by resample: blocks of [some draws, n_prompts]."""
    block = max(1, BLOCK // n_prompts)
    for start in range(0, draws, block):
        size = min(block, draws - start)
        drawn = rng.integers(n_prompts, size=(size, n_prompts)) + n_prompts * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n_prompts)
        yield counts.reshape(size, n_prompts).astype(np.float64)


def _variance(drawn: Array, drawn_squared: Array, centred: Array) -> Array:
    """Unbiased weighted variance of each column for each row of weights: sum w (x - mean)^2 / (W - sum w^2 / W)."""
    total = drawn.sum(axis=1, keepdims=True)
    mean = (drawn @ centred) / total
    squares = drawn @ centred**2 - total * mean**2
    freedom = np.broadcast_to(total - drawn_squared.sum(axis=1, keepdims=True) / total, squares.shape)
    variance: Array = np.divide(squares, freedom, out=np.full_like(squares, np.nan), where=freedom > 0)
    return variance


def _without_one(difference: Array, ends: Sequence[Array], weight: Array) -> tuple[Array, Array | None]:
    """Means and spreads without each of the prompts in turn: [n_prompts, n_cells] and [n_prompts, n_cells or 1]."""
    n = len(difference)
    size = max(1, BLOCK // n)
    blocks = [
        counted(1.0 - np.eye(min(size, n - start), n, start), difference, ends, weight) for start in range(0, n, size)
    ]
    means, deviations = zip(*blocks, strict=True)
    return np.concatenate(means), np.concatenate(deviations) if ends else None


def _bca(estimate: Array, drawn: Array, left: Array) -> Interval:
    """Ends for each column from its value, its resamples and its jackknife; NaN where there is nothing."""
    ends = [_bca_ends(*column) for column in zip(estimate, drawn.T, left.T, strict=True)]
    return Interval(*np.array(ends, dtype=np.float64).reshape(-1, 2).T)


def _bca_ends(estimate: float, drawn: Array, left: Array) -> tuple[float, float]:
    drawn, left = drawn[np.isfinite(drawn)], left[np.isfinite(left)]
    if len(drawn) < 2 or not np.isfinite(estimate):
        return float("nan"), float("nan")
    normal, tail = NormalDist(), (1 - LEVEL) / 2
    below = ((drawn < estimate).mean() + (drawn <= estimate).mean()) / 2
    bias = normal.inv_cdf(float(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn))))
    pull = left.mean() - left if len(left) else np.zeros(1)
    squares = float((pull**2).sum())
    acceleration = float((pull**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0
    places = []
    for level in (tail, 1 - tail):
        z = bias + normal.inv_cdf(level)
        places.append(normal.cdf(bias + z / (1 - acceleration * z)))
    low, high = np.quantile(drawn, places)
    return float(low), float(high)
