"""Two disjoint halves of each list, and how well the vectors made from them agree, all from inner products."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from trimtab.analysis.diagnosis._split_halves import Splits, Stability, cosine_of
from trimtab.analysis.diagnosis.lists.list_states import ListStates, coefficients
from trimtab.stats.bootstrap import LEVEL, Array

MIN_EACH = 4
"""Examples of a list from which both of its halves have one left when another is taken out."""


def half_cosines(d: ListStates, gram: Array, splits: Splits) -> Array:
    """Cosine of the two sets' differences of means in each draw: [draws]; NaN where a set lacks a list."""
    first, second = (coefficients(d, chosen) for chosen in splits)
    seen = first @ gram
    return cosine_of((seen * second).sum(1), (seen * first).sum(1), ((second @ gram) * second).sum(1))


def half_stability(d: ListStates, gram: Array, splits: Splits) -> Stability:
    """Mean cosine of the vectors from halves of both lists, with an interval from leaving out one example at a time.

    The interval is a delete-one jackknife of two samples (Arvesen 1969): every example in turn is taken out of the half
    it is in, and the variances of the two lists add up. Examples of one list are never weighed against those of the
    other, as there are no pairs.

    Returns:
        NaN ends where a list has fewer than 4 examples.
    """
    mean = float(half_cosines(d, gram, splits).mean())
    if min(d.sizes) < MIN_EACH:
        return Stability(mean, math.nan, math.nan)
    without = np.mean(list(_without_one(d, gram, splits)), axis=0)
    squares = 0.0
    for side in (d.positive, ~d.positive):
        own, n = without[side], int(side.sum())
        squares += (n - 1) / n * float(((own - own.mean()) ** 2).sum())
    reach = NormalDist().inv_cdf(0.5 + LEVEL / 2) * math.sqrt(squares)
    return Stability(mean, *(float(np.clip(end, -1, 1)) for end in (mean - reach, mean + reach)))


def _without_one(d: ListStates, gram: Array, splits: Splits) -> Iterator[Array]:
    """For each draw of halves its cosine without each of the examples: [examples]."""
    own = np.diag(gram)
    for first, second in zip(splits.first, splits.second, strict=True):
        vectors = [coefficients(d, chosen[None])[0] for chosen in (first, second)]
        seen = [gram @ vector for vector in vectors]
        squares = [float(vector @ by) for vector, by in zip(vectors, seen, strict=True)]
        across = np.full(d.n_examples, float(vectors[0] @ seen[1]))
        within = [np.full(d.n_examples, square) for square in squares]
        for half, chosen in enumerate((first, second)):
            for side, sign in ((d.positive, 1.0), (~d.positive, -1.0)):
                members = np.flatnonzero(chosen * side > 0)
                weight = chosen * d.weight * side
                mean = weight / weight.sum()
                # Without k the mean moves from x_k by this share of their distance.
                share = sign * d.weight[members] / (weight.sum() - d.weight[members])
                by_mean = gram @ mean
                moved = [float(mean @ by) - by[members] for by in seen]
                apart = float(mean @ by_mean) - 2 * by_mean[members] + own[members]
                across[members] += share * moved[1 - half]
                within[half][members] += 2 * share * moved[half] + share**2 * apart
        yield cosine_of(across, *within)
