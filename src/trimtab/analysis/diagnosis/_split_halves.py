"""Two disjoint sets of pairs, and how well the vectors made from them agree, all from inner products."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trimtab.stats.bootstrap import LEVEL, Array


class Splits(NamedTuple):
    """Repeated draws of two disjoint sets of pairs: 1 where a pair is in a set, [draws, n_pairs] each."""

    first: Array
    second: Array


def draw_splits(strata: Array, pairs: int, draws: int, rng: np.random.Generator) -> Splits:
    """Draws of two disjoint sets, together `pairs` of the pairs, every stratum spread evenly over both.

    The sets differ by one pair at most in size, and by one pair at most in each stratum.

    Args:
        strata: Which stratum each pair belongs to: [n_pairs].
        pairs: How many pairs to draw; all of them make half splits.
        draws: How many draws.
        rng: Where chance comes from.
    """
    sets = np.zeros((2, draws, len(strata)))
    for draw in range(draws):
        drawn = _stratified(strata, rng)[:pairs]
        # Each stratum is a run, so that every other pair of the whole takes half of each.
        runs = drawn[np.argsort(strata[drawn], kind="stable")]
        sets[0, draw, runs[0::2]] = 1
        sets[1, draw, runs[1::2]] = 1
    return Splits(*sets)


def _stratified(strata: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """A random order of the pairs, every beginning of which holds the strata in their proportion."""
    place = np.empty(len(strata))
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        place[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(place, kind="stable").astype(np.int64)


def split_cosines(gram: Array, weight: Array, splits: Splits) -> Array:
    """Cosine of the two sets' weighted sums in each draw: [draws]; NaN where a set has no direction."""
    first, second = splits.first * weight, splits.second * weight
    seen = first @ gram
    return cosine_of((seen * second).sum(1), (seen * first).sum(1), ((second @ gram) * second).sum(1))


class Stability(NamedTuple):
    """Mean cosine over half splits with its 95% interval."""

    mean: float
    low: float
    high: float


def stability(gram: Array, weight: Array, splits: Splits) -> Stability:
    """Mean cosine of the vectors from two halves, with an interval from leaving out one pair at a time.

    The interval is a delete-one jackknife (Efron & Stein 1981): every pair in turn is taken out of the half it is in,
    in the same splits. A bootstrap would put copies of one pair into both halves, which then agree about themselves.
    """
    cosine = split_cosines(gram, weight, splits)
    mean = float(cosine.mean())
    without = _without_one(gram, weight, splits).mean(axis=0)
    n = len(without)
    squares = float(((without - without.mean()) ** 2).sum())
    reach = NormalDist().inv_cdf(0.5 + LEVEL / 2) * math.sqrt((n - 1) / n * squares)
    return Stability(mean, *(float(np.clip(end, -1, 1)) for end in (mean - reach, mean + reach)))


def _without_one(gram: Array, weight: Array, splits: Splits) -> Array:
    """The cosine of each draw without each of the pairs: [draws, n_pairs]."""
    first, second = splits.first * weight, splits.second * weight
    by_first, by_second = first @ gram, second @ gram
    own = np.diag(gram)
    # Taking pair k out of a set subtracts what it shares with the other set, and from the square of its own.
    across = (by_first * second).sum(1)[:, None] - first * by_second - second * by_first
    within = [
        (seen * chosen).sum(1)[:, None] - 2 * chosen * seen + chosen**2 * own
        for chosen, seen in ((first, by_first), (second, by_second))
    ]
    return cosine_of(across, *within)


def cosine_of(across: Array, first: Array, second: Array) -> Array:
    """Inner products over the root of two squared lengths, in [−1, 1]; NaN where a length is 0."""
    squares = first * second
    known = (first > 0) & (second > 0)
    cosine = np.divide(across, np.sqrt(np.where(known, squares, 1.0)), out=np.full_like(across, np.nan), where=known)
    return np.asarray(np.clip(cosine, -1, 1))
