"""Tests that stay honest for a handful of models: every rearrangement is tried."""

from __future__ import annotations

import math
from itertools import combinations, permutations
from statistics import NormalDist

import numpy as np
import pandas as pd

from trimtab.stats.bootstrap import LEVEL, Array

MAX_PERMUTATIONS = 50_000
"""Beyond this many arrangements, this many random ones are drawn, with a fixed seed."""

MIN_CORRELATED = 8
"""Of fewer values a correlation can be nearly anything: of seven with r 0.7, its interval is −0.1 to 0.95."""


def exchange_p(a: Array, b: Array) -> tuple[float, float]:
    """Two-sided p of a difference of means when labels are exchanged, and the least p these sizes could give."""
    values, size = np.concatenate([a, b]), len(a)
    count = math.comb(len(values), size)
    if count <= MAX_PERMUTATIONS:
        chosen = np.array(list(combinations(range(len(values)), size)))
    else:
        rng = np.random.default_rng(0)
        chosen = np.argsort(rng.random((MAX_PERMUTATIONS, len(values))), axis=1)[:, :size]
        chosen[0] = np.arange(size)
    sums = values[chosen].sum(axis=1)
    differences = np.abs(sums / size - (values.sum() - sums) / len(b))
    observed = abs(a.mean() - b.mean())
    p = float((differences >= observed - 1e-12 * max(1.0, observed)).mean())
    # Groups of one size can swap names, which gives the same absolute difference.
    least = (2 if len(a) == len(b) else 1) / min(count, MAX_PERMUTATIONS)
    return p, min(1.0, least)


def permutation_p(x: Array, y: Array) -> float:
    """Two-sided p of a correlation when one side is rearranged."""
    centred_x, centred_y = x - x.mean(), y - y.mean()
    if math.factorial(len(y)) <= MAX_PERMUTATIONS:
        orders = np.array(list(permutations(range(len(y)))))
    else:
        orders = np.argsort(np.random.default_rng(0).random((MAX_PERMUTATIONS, len(y))), axis=1)
        orders[0] = np.arange(len(y))
    products = np.abs(centred_y[orders] @ centred_x)
    observed = abs(float(centred_x @ centred_y))
    return float((products >= observed - 1e-12 * max(1.0, observed)).mean())


def spearman(x: Array, y: Array) -> float:
    """Correlation of the ranks, equal values sharing their mean rank; NaN for too few of them."""
    if len(x) < MIN_CORRELATED:
        return float("nan")
    ranks = [pd.Series(values).rank().to_numpy(float) for values in (x, y)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def pearson(x: Array, y: Array, *, least: int = MIN_CORRELATED) -> tuple[float, float, float]:
    """Correlation with its 95% interval; NaN where one side does not vary, or there are fewer values than `least`."""
    if len(x) < max(least, 2) or np.ptp(x) == 0 or np.ptp(y) == 0:
        return (float("nan"),) * 3
    r = float(np.corrcoef(x, y)[0, 1])
    return r, *fisher_interval(r, len(x))


def fisher_interval(r: float, n: int) -> tuple[float, float]:
    """95% interval of a correlation by Fisher's z (Fisher 1921); NaN below 4 points, where z has no spread."""
    if n < 4 or abs(r) >= 1:
        return float("nan"), float("nan")
    reach = NormalDist().inv_cdf(0.5 + LEVEL / 2) / math.sqrt(n - 3)
    return math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach)
