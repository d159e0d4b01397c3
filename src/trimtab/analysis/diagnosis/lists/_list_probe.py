"""A linear probe between two lists at every layer: which of two texts that it has not seen is the positive one?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trimtab.analysis.diagnosis._probe import fit
from trimtab.analysis.diagnosis.lists.list_states import ListStates
from trimtab.stats.bootstrap import Array


def probe_scores(d: ListStates, layer: int, folds: NDArray[np.int64], labels: Array) -> Array:
    """Scores of held-out examples under each labelling, from a logistic regression with an L2 penalty.

    States are centred at the mean of the fitted examples and scaled to a mean length of 1; there is no intercept, which
    no ranking depends on. Scores of all folds are compared with each other, so each fold's have the same length.

    Args:
        d: The states.
        layer: Where.
        folds: Fold of each example: [examples].
        labels: +1 or −1 for each example under each labelling: [examples, labellings].

    Returns:
        [examples, labellings].
    """
    states = d.centred_at(layer)
    found = np.zeros(labels.shape)
    for fold in np.unique(folds):
        test, train = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        centred = states - states[train].mean(axis=0)
        length = float(np.linalg.norm(centred[train], axis=1).mean())
        scaled = centred / length if length > 0 else centred
        gram = scaled @ scaled[train].T
        weights = fit(gram[train], np.ones(len(train)), labels[train])
        norms = np.sqrt(np.maximum((weights * (gram[train] @ weights)).sum(axis=0), 0.0))
        along = gram[test] @ weights
        found[test] = np.divide(along, norms, out=np.zeros_like(along), where=norms > 0)
    return found


def list_folds(d: ListStates, groups: NDArray[np.int64], folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A fold for each example, groups undivided, each list spread evenly: [examples]."""
    counts = np.stack([np.bincount(groups, side) for side in (d.positive, ~d.positive)], axis=1)
    filled = np.zeros((min(folds, len(counts)), 2))
    fold_of = np.zeros(len(counts), dtype=np.int64)
    shuffled = rng.permutation(len(counts))
    # The largest groups first, each into the fold that has the least of the lists it is in.
    for group in shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]:
        fold_of[group] = (filled / counts.sum(axis=0) @ (counts[group] > 0)).argmin()
        filled[fold_of[group]] += counts[group]
    return fold_of[groups]


def list_labels(d: ListStates, groups: NDArray[np.int64], permutations: int, rng: np.random.Generator) -> Array:
    """The lists as they are, then lists of about the same lengths drawn at random, groups undivided.

    Returns:
        +1 or −1: [examples, 1 + permutations].
    """
    sizes, wanted = np.bincount(groups), d.sizes[0]
    labels = np.ones((d.n_examples, 1 + permutations))
    labels[:, 0] = d.side
    for draw in range(1, 1 + permutations):
        order = rng.permutation(len(sizes))
        # A group is positive if its middle lies in the first part of the order.
        before = np.cumsum(sizes[order]) - sizes[order] / 2
        chosen = np.zeros(len(sizes), dtype=bool)
        chosen[order] = before < wanted
        labels[:, draw] = np.where(chosen[groups], 1.0, -1.0)
    return labels


def shares_in_order(scores: Array, labels: Array) -> Array:
    """Share of couples, one of each list, in which the positive one has the higher score; ties half: [labellings]."""
    found = np.full(scores.shape[1], np.nan)
    for number, (score, label) in enumerate(zip(scores.T, labels.T, strict=True)):
        positive, negative = score[label > 0], np.sort(score[label < 0])
        if len(positive) and len(negative):
            below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
            found[number] = float(below.mean()) / (2 * len(negative))
    return found
