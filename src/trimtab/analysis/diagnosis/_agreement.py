"""How well each pair agrees with the others, how long its difference is, and whether the pairs agree at all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trimtab.analysis.diagnosis.differences import DEEP, PairDifferences
from trimtab.analysis.diagnosis.quality import projections
from trimtab.stats.bootstrap import Array

FLIPS = 200
"""Random signs behind the p of agreement; with that many, p is never below 0.005."""

ROBUST = 1.4826
"""Standard deviation of normal numbers over their median absolute deviation."""


class Agreement(NamedTuple):
    """Means over the layers of depth ≥ 1/3."""

    cosine: Array
    """Cosine of a pair's difference with the mean of the others: [n_pairs]."""
    length: Array
    """Length of a pair's difference over the median length, as a geometric mean over layers: [n_pairs]."""
    p: float
    """Share of random signs of the differences with which the middle cosine is as large."""


def agreement(d: PairDifferences, *, seed: int = 0) -> Agreement:
    """How each pair stands to the others, and whether they agree more than differences of random sign do."""
    signs = 1.0 - 2.0 * np.random.default_rng(seed).integers(2, size=(FLIPS, d.n_pairs))
    ways: Array = np.concatenate([np.ones((1, d.n_pairs)), signs])
    layers = np.flatnonzero(d.depth >= DEEP)
    cosine, log_length = np.zeros(ways.shape), np.zeros(d.n_pairs)
    for layer in layers:
        balanced = d.balanced_at(int(layer))
        gram = balanced @ balanced.T
        norm = np.sqrt(np.diag(gram))
        cosine += np.divide(projections(gram, d.pair_weight, ways), norm, out=np.zeros_like(cosine), where=norm > 0)
        # A pair without any difference at a layer has length 0 there, and so on average.
        with np.errstate(divide="ignore", invalid="ignore"):
            log_length += np.log(norm / np.median(norm))
    middle = np.median(cosine, axis=1)
    p = float((1 + (middle[1:] >= middle[0] - 1e-9).sum()) / len(middle))
    return Agreement(cosine[0] / len(layers), np.exp(log_length / len(layers)), p)


def robust_z(values: Array) -> Array:
    """Distances from the median in robust standard deviations (median absolute deviation): [n]."""
    centred = values - np.median(values)
    spread = ROBUST * float(np.median(np.abs(centred)))
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0))
