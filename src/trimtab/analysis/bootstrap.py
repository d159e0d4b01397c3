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
    """Percentile bootstrap of the weighted mean of each column, and of that mean over a spread drawn with it.

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
    mean, deviation = resampled(difference, ends, weight, draws=draws, seed=seed)
    if deviation is None:
        return _percentiles(mean), unknown
    # A resample of one prompt only, n times, has no spread and no ratio.
    scale = np.sqrt(np.mean([[spread(column, weight) ** 2 for column in end.T] for end in ends], axis=0))
    usable = (deviation > 1e-9 * scale) & (scale > 0)
    ratio = np.divide(mean, deviation, out=np.full_like(mean, np.nan), where=np.broadcast_to(usable, mean.shape))
    return _percentiles(mean), _percentiles(ratio)


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


def _percentiles(values: Array) -> Interval:
    """The ends of each column, without the resamples that gave nothing."""
    nothing = np.isnan(values).all(axis=0)
    if not len(values) or nothing.all():
        return Interval(np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan))
    kept = np.where(nothing, 0.0, values)
    ends = np.array([50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    low, high = (np.nanpercentile if np.isnan(kept).any() else np.percentile)(kept, ends, axis=0)
    return Interval(np.where(nothing, np.nan, low), np.where(nothing, np.nan, high))
