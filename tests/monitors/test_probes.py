"""Probes against scikit-learn's own pipeline, and the curve from scores to probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.monitors._probes import FOLDS, STRENGTHS, fit_probe, platt

Array = NDArray[np.float64]
WIDTH = 12


def planted(n: int = 120, lift: float = 2.0, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.bool_], Array]:
    """States of very different scales, whose third number tells; labels; weights."""
    rng = np.random.default_rng(seed)
    positive = np.tile([True, False], n // 2)
    states = rng.normal(size=(n, WIDTH))
    states[:, 3] += lift * positive
    states = states * np.logspace(-2, 3, WIDTH) + 5
    return states.astype(np.float32), positive, rng.uniform(0.5, 1.5, n)


def folds(n: int) -> NDArray[np.int64]:
    return np.arange(n) // 2 % FOLDS


def test_the_planted_direction_is_found() -> None:
    states, positive, weight = planted()
    probe = fit_probe(states, positive, weight, folds(120))
    by_scale = np.abs(probe.weight) * states.std(axis=0)
    assert by_scale.argmax() == 3
    fresh, labels, _ = planted(seed=1)
    assert (((fresh @ probe.weight + probe.bias) > 0) == labels).mean() > 0.75


def test_it_equals_scikit_learns_pipeline_on_the_states_as_they_are() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    states, positive, weight = planted()
    probe = fit_probe(states, positive, weight, folds(120))
    scaler = StandardScaler()
    model = make_pipeline(scaler, LogisticRegression(C=probe.strength, max_iter=1000, tol=1e-8))
    model.fit(
        states, positive, standardscaler__sample_weight=weight, logisticregression__sample_weight=weight
    )  # fmt: skip
    np.testing.assert_allclose(states @ probe.weight + probe.bias, model.decision_function(states), atol=2e-2)


def test_the_scale_of_a_feature_does_not_matter() -> None:
    states, positive, weight = planted()
    grown = states * np.logspace(2, -2, WIDTH, dtype=np.float32)
    plain, scaled = (fit_probe(s, positive, weight, folds(120)) for s in (states, grown))
    np.testing.assert_allclose(grown @ scaled.weight + scaled.bias, states @ plain.weight + plain.bias, atol=1e-2)


def test_noise_gets_the_strongest_penalty_and_a_planted_direction_a_weaker_one() -> None:
    states, positive, weight = planted(lift=0.0)
    assert fit_probe(states, positive, weight, folds(120)).strength <= STRENGTHS[1]
    states, positive, weight = planted(lift=4.0)
    assert fit_probe(states, positive, weight, folds(120)).strength >= STRENGTHS[3]


def test_a_feature_that_never_changes_is_no_trouble() -> None:
    states, positive, weight = planted()
    states[:, 0] = 7.0
    assert np.isfinite(fit_probe(states, positive, weight, folds(120)).weight).all()


def test_platt_scaling_is_the_curve_of_least_loss() -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(0)
    positive = np.tile([True, False], 30)
    score, weight = rng.normal(size=60) + positive, rng.uniform(0.5, 1.5, 60)
    above, below = weight[positive].sum(), weight[~positive].sum()
    target = np.where(positive, (above + 1) / (above + 2), 1 / (below + 2))

    def loss(curve: Array) -> float:
        logit = curve[0] * score + curve[1]
        return float(weight @ (target * np.logaddexp(0, -logit) + (1 - target) * np.logaddexp(0, logit)))

    best = minimize(loss, [1.0, 0.0]).x
    np.testing.assert_allclose(platt(score, positive, weight), best, rtol=1e-2, atol=1e-3)


def test_platt_scaling_stays_finite_where_scores_separate_the_texts() -> None:
    positive = np.tile([True, False], 8)
    curve = platt(np.where(positive, 1.0, -1.0), positive, np.ones(16))
    sure = 1 / (1 + np.exp(-(curve.slope + curve.offset)))
    assert sure == pytest.approx(9 / 10, abs=0.005)  # eight of eight, and one more on each side


def test_scores_that_point_the_wrong_way_become_one_half() -> None:
    positive = np.tile([True, False], 8)
    assert platt(np.where(positive, -1.0, 1.0), positive, np.ones(16)) == (0.0, 0.0)
