"""A linear probe at every layer: which way round is a pair that the probe has not seen?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.analysis.diagnosis.differences import PairDifferences
from trimtab.stats.bootstrap import Array, wilson

PENALTY = 1.0
"""C of the logistic regression, for states whose mean distance from their pair's centre is 1. It shrinks: with fewer
pairs than dimensions an unpenalised fit has no solution."""
TOLERANCE = 1e-6
"""Largest change of a coefficient, in units of the largest possible one, at which the fit has converged."""
MAX_STEPS = 2000
"""Never reached by states of mean length 1: about 10 steps do where there is nothing to find, 250 for 1500 pairs that
all agree."""


@dataclass(frozen=True, eq=False)
class Probed:
    """What a probe at one layer finds in the pairs it has not seen, and what it finds where there is nothing."""

    accuracy: Array
    """Share of held-out pairs classified right: as labelled, then under each random labelling, [1 + permutations]."""
    low: float
    high: float
    """Wilson's 95% interval of the first."""


def probe(d: PairDifferences, layer: int, folds: NDArray[np.int64], groups: NDArray[np.int64], flips: Array) -> Probed:
    """Cross-validated accuracy of a logistic probe for the sign of a pair, as labelled and under flipped labels.

    The two states of a pair lie at ±difference/2 about its centre. A logistic regression with an L2 penalty and no
    intercept on them, scaled to a mean length of 1, is fitted without a fold's pairs and says for each of these which
    state is the positive one. Its direction lies in the span of the pairs, so all is done with inner products, and all
    labellings are fitted at once (`fit`).

    Args:
        d: The differences.
        layer: Where.
        folds: Fold of each pair: [n_pairs].
        groups: Pairs that are nearly the same share a group; the interval counts them as one, more or less (Kish's
            effective number, 1965).
        flips: +1 or −1 for each pair under each labelling: [n_pairs, 1 + permutations], the first all +1.
    """
    balanced, weight = d.balanced_at(layer), d.pair_weight
    length = float(np.linalg.norm(balanced, axis=1).mean())
    scaled = balanced / length if length > 0 else balanced
    gram = scaled @ scaled.T
    right = np.zeros(flips.shape, dtype=bool)
    for fold in np.unique(folds):
        test, train = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        found = fit(gram[np.ix_(train, train)], weight[train], flips[train])
        right[test] = (gram[np.ix_(test, train)] @ found) * flips[test] > 0
    accuracy = weight @ right / weight.sum()
    in_group = np.bincount(groups, weight)
    effective = round(float(in_group.sum() ** 2 / (in_group**2).sum()))
    return Probed(accuracy, *wilson(round(float(accuracy[0]) * effective), effective))


def fit(gram: Array, weight: Array, labels: Array) -> Array:
    """Coefficients of the states in the direction of an L2 logistic regression without intercept, for each labelling.

    Minimises 2C Σᵢ wᵢ log(1 + exp(−yᵢ w·xᵢ)) + |w|²/2, w = Σᵢ aᵢ xᵢ, both states of a pair counted. The Hessian is
    bounded by its value at w = 0, and steps with that bound never overshoot (Böhning & Lindsay 1988). The bound does
    not depend on the labels, so one matrix is inverted for all of them; scikit-learn would fit each from the start.

    Args:
        gram: Inner products of the states xᵢ, of mean length 1: [n, n].
        weight: Weight of each pair: [n].
        labels: +1 or −1: [n, labellings].

    Returns:
        a: [n, labellings].
    """
    scale = 2 * PENALTY * weight[:, None]
    step = np.linalg.inv(np.eye(len(gram)) + scale / 4 * gram)
    found = np.zeros_like(labels)
    moving = np.arange(labels.shape[1])
    for _ in range(MAX_STEPS):
        label, now = labels[:, moving], found[:, moving]
        change = step @ (scale * label / (1 + np.exp(label * (gram @ now))) - now)
        found[:, moving] = now + change
        moving = moving[np.abs(change).max(axis=0) > TOLERANCE * 2 * PENALTY]
        if not len(moving):
            break
    return found


def make_folds(groups: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A fold for each pair, groups undivided, folds of about the same size: [n_pairs]."""
    sizes = np.bincount(groups)
    fold_of = np.zeros(len(sizes), dtype=np.int64)
    filled = np.zeros(min(folds, len(sizes)))
    shuffled = rng.permutation(len(sizes))
    # The largest groups first, each into the emptiest fold.
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    return fold_of[groups]


def make_flips(groups: NDArray[np.int64], permutations: int, rng: np.random.Generator) -> Array:
    """Labellings of the pairs: all as they are, then random ones in which groups turn round whole.

    Where there is nothing to find, each pair is as likely the other way round: [n_pairs, 1 + permutations].
    """
    signs = 1.0 - 2.0 * rng.integers(2, size=(int(groups.max()) + 1, permutations))
    return np.concatenate([np.ones((len(groups), 1)), signs[groups]], axis=1)
