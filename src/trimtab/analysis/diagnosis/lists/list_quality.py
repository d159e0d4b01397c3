"""How stable the vector of two lists is, and by how many examples, from resamples of each list on its own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.diagnosis._split_halves import draw_splits
from trimtab.analysis.diagnosis.curve import CURVE, DRAWS, MULTIPLES, SIZES, curve_point, middle_and_ends, predicted
from trimtab.analysis.diagnosis.lists._list_halves import half_cosines, half_stability
from trimtab.analysis.diagnosis.lists.list_states import ListStates, coefficients
from trimtab.analysis.diagnosis.quality import QUALITY, SHUFFLES
from trimtab.stats.bootstrap import Array

MIN_OF_A_LIST = 2
"""Examples of the shorter list in the smallest sets of the curve."""


def list_quality(d: ListStates, *, splits: int = 20, seed: int = 0) -> pd.DataFrame:
    """The quality of the vector between two lists at each layer.

    - `stability`: mean cosine of the vectors of two halves over `splits` random splits, each list halved on its own,
      with a jackknife of two samples.
    - `length_correlation`: rank correlation, within the lists, of an example's projection on the vector of the *others*
      with its number of tokens; `length_p` by shuffling within the lists, two-sided. That one list is longer than the
      other does not count here: see `list_surface`.

    Args:
        d: The states.
        splits: Half splits.
        seed: Of splits and shuffles.

    Returns:
        The columns of `pair_quality`, a row for each layer; `pairs` is the number of examples of both lists. NaN in
        all columns that need to know which two texts belong together: consistency, signal to noise, normalisation and
        the letter's.
    """
    halves = draw_splits(d.side, d.n_examples, splits, np.random.default_rng(seed))
    by_length = _Within(d, d.examples["tokens"].to_numpy(np.float64), np.random.default_rng((seed, 2)))
    rows = []
    for layer, depth in enumerate(d.depth):
        row: dict[str, Any] = {"layer": layer, "depth": depth, "pairs": d.n_examples}
        gram = _gram(d, layer)
        if min(d.sizes) > 1:
            found = half_stability(d, gram, halves)
            row |= {"stability": found.mean, "stability_low": found.low, "stability_high": found.high}
            row |= by_length.correlation(projections_on_others(d, gram))
        rows.append(row)
    table: pd.DataFrame = pd.DataFrame(rows).reindex(columns=list(QUALITY))
    return table


def list_curve(d: ListStates, *, seed: int = 0) -> pd.DataFrame:
    """Cosine of the vectors from two disjoint sets of both lists, by layer and number of examples.

    Both lists shrink alike, so the sets hold them in their proportion. Beyond halves it is predicted as for pairs (see
    `pair_curve`): the noise of a difference of means falls with the size of both lists as that of a mean of pairs does.

    Returns:
        The columns of `pair_curve`; `pairs` is the number of examples of both lists. No rows where a list has one.
    """
    half = d.n_examples // 2
    if min(d.sizes) < 2:
        empty: pd.DataFrame = pd.DataFrame(columns=list(CURVE)).astype({"extrapolated": bool})
        return empty
    rng = np.random.default_rng(seed)
    drawn = {int(m): draw_splits(d.side, 2 * int(m), DRAWS, rng) for m in _sizes(d, half)}
    rows: list[dict[str, Any]] = []
    for layer, depth in enumerate(d.depth):
        gram = _gram(d, layer)
        known = {m: middle_and_ends(half_cosines(d, gram, splits)) for m, splits in drawn.items()}
        rows += [curve_point(layer, depth, m, cosines, False) for m, cosines in known.items()]
        for m in (k * d.n_examples for k in MULTIPLES):
            rows.append(curve_point(layer, depth, m, [predicted(one, half, m) for one in known[half]], True))
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(CURVE))
    return table


def projections_on_others(d: ListStates, gram: Array) -> Array:
    """Projection of each example on the direction between the lists without it: [examples]; 0 where there is none."""
    others = coefficients(d, 1.0 - np.eye(d.n_examples))
    seen = others @ gram
    along, length = np.diag(seen), np.sqrt(np.maximum((seen * others).sum(axis=1), 0.0))
    return np.asarray(np.divide(along, length, out=np.zeros_like(along), where=length > 0))


def _gram(d: ListStates, layer: int) -> Array:
    states = d.centred_at(layer)
    return np.asarray(states @ states.T)


def _sizes(d: ListStates, half: int) -> NDArray[np.int64]:
    """Set sizes up to half of the examples, evenly spaced in ratio, with some of the shorter list in each."""
    least = min(half, max(4, math.ceil(MIN_OF_A_LIST * d.n_examples / min(d.sizes))))
    return np.unique(np.geomspace(least, half, SIZES).round().astype(np.int64))


class _Within:
    """Rank correlation with one variable within the lists, and how large it would be by chance."""

    def __init__(self, d: ListStates, variable: Array, rng: np.random.Generator):
        self._sides = (d.positive, ~d.positive)
        self._ranks = self._ranked(variable)
        self._shuffled = np.zeros((SHUFFLES, len(variable)))
        for side in self._sides:
            orders = np.argsort(rng.random((SHUFFLES, int(side.sum()))), axis=1)
            self._shuffled[:, side] = self._ranks[side][orders]

    def correlation(self, values: Array) -> dict[str, float]:
        """Correlation of ranks within the lists, and its p; {} where either does not vary."""
        ranks = self._ranked(values)
        scale = float(np.sqrt((ranks @ ranks) * (self._ranks @ self._ranks)))
        if not scale > 0:
            return {}
        observed = float(ranks @ self._ranks)
        reached = int((np.abs(self._shuffled @ ranks) >= abs(observed) * (1 - 1e-12)).sum())
        return {"length_correlation": observed / scale, "length_p": (1 + reached) / (1 + SHUFFLES)}

    def _ranked(self, variable: Array) -> Array:
        """Ranks in each list as a share of its length, about their middle: both lists count by their size."""
        ranks = np.zeros(len(variable))
        for side in self._sides:
            own = pd.Series(variable[side]).rank().to_numpy(np.float64)
            ranks[side] = (own - own.mean()) / len(own)
        return ranks
