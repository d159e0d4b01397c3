"""The probe: the same as scikit-learn's in all dimensions, and honest about pairs that are nearly the same."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from trimtab.analysis.diagnosis._probe import PENALTY, fit, make_flips, make_folds, probe


def sklearn_probe(rows, weight, labels):
    """Both states of each pair as points of their own, all dimensions, scikit-learn's solver."""
    states, classes = np.concatenate([rows, -rows]), np.concatenate([labels, -labels])
    model = LogisticRegression(C=PENALTY, fit_intercept=False, tol=1e-10, max_iter=10_000)
    return model.fit(states, classes, sample_weight=np.concatenate([weight, weight])).coef_[0]


@pytest.mark.parametrize(("n", "d_model", "mean"), [(12, 30, 0.2), (40, 5, 0.2), (100, 20, 5)])
def test_fit_in_the_span_of_the_pairs_is_the_fit_in_all_dimensions(n, d_model, mean):
    rng = np.random.default_rng(0)
    rows, weight = rng.normal(mean, 1, (n, d_model)), rng.uniform(0.5, 2, n)
    rows /= np.linalg.norm(rows, axis=1).mean()
    labels = np.stack([np.ones(n), *(1.0 - 2.0 * rng.integers(2, size=(3, n)))], axis=1)
    found = fit(rows @ rows.T, weight, labels)
    for way, coefficients in zip(labels.T, found.T, strict=True):
        np.testing.assert_allclose(rows.T @ coefficients, sklearn_probe(rows, weight, way), atol=2e-3)


@pytest.mark.parametrize("kind", ["open", "choice", "words"])
def test_accuracy_is_that_of_a_loop_over_folds(planted, kind):
    d = planted(23, kind=kind, signal=0.6)
    groups = np.arange(23)
    folds, flips = make_folds(groups, 5, np.random.default_rng(0)), make_flips(groups, 6, np.random.default_rng(1))
    states = d.balanced_at(2) / np.linalg.norm(d.balanced_at(2), axis=1).mean()
    for way, accuracy in zip(flips.T, probe(d, 2, folds, groups, flips).accuracy, strict=True):
        right = 0.0
        for fold in range(5):
            train = folds != fold
            direction = sklearn_probe(states[train], d.pair_weight[train], way[train])
            hits = states[~train] @ direction * way[~train] > 0
            right += d.pair_weight[~train][hits].sum()
        assert accuracy == pytest.approx(right / 23)


def test_folds_keep_groups_together_and_are_of_one_size():
    groups = np.array([0] * 7 + [1] * 3 + list(range(2, 32)))
    folds = make_folds(groups, 5, np.random.default_rng(0))
    assert all(len(set(folds[groups == group])) == 1 for group in range(32))
    assert np.bincount(folds).tolist() == [8] * 5


def test_there_are_no_more_folds_than_groups():
    assert set(make_folds(np.array([0, 0, 1, 2]), 5, np.random.default_rng(0))) == {0, 1, 2}


def test_groups_turn_round_whole_and_the_first_labelling_is_the_true_one():
    groups = np.array([0, 0, 1, 2, 2, 2])
    flips = make_flips(groups, 50, np.random.default_rng(0))
    assert (flips[:, 0] == 1).all()
    assert (flips[0] == flips[1]).all()
    assert (flips[3] == flips[5]).all()
    assert set(flips[2]) == {1, -1}


def test_twenty_copies_of_a_pair_widen_the_interval(planted):
    d = planted(40, signal=0.8)
    alone, copies = np.arange(40), np.r_[np.zeros(21, int), np.arange(1, 20)]
    flips = np.ones((40, 1))
    narrow, wide = (probe(d, 0, alone % 5, groups, flips) for groups in (alone, copies))
    assert narrow.accuracy == wide.accuracy
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_layer_without_any_difference_is_never_right(planted):
    d = planted(10)
    d.difference[:, 0] = 0
    assert probe(d, 0, np.arange(10) % 5, np.arange(10), np.ones((10, 1))).accuracy[0] == 0
