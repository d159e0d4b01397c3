"""Paired tests: right on their own, and honest about the number of layers tried."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import permutation_test

from trimtab.analysis import best_cells, effects
from trimtab.stats.significance import sign_flip


def ones(n):
    return np.ones(n)


def test_few_prompts_are_tested_exactly_as_scipy_does():
    x = np.random.default_rng(0).normal(0.5, 1, 9)
    p, adjusted = sign_flip(x[:, None], ones(9))
    theirs = permutation_test((x,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert p[0] == pytest.approx(theirs.pvalue)
    assert adjusted[0] == p[0]


def test_many_prompts_are_tested_by_chance_close_to_scipy():
    rng = np.random.default_rng(1)
    x = rng.normal(0.3, 1, 40)
    theirs = permutation_test((x,), np.mean, permutation_type="samples", n_resamples=20_000, rng=rng)
    assert sign_flip(x[:, None], ones(40))[0][0] == pytest.approx(theirs.pvalue, abs=0.01)


def test_the_correction_is_that_of_every_pattern_written_out():
    x = np.random.default_rng(2).normal(0.4, 1, (8, 3))
    patterns = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1).T
    statistic = np.abs(patterns @ x) / np.sqrt((x**2).sum(axis=0))
    observed = np.abs(x.sum(axis=0)) / np.sqrt((x**2).sum(axis=0))
    expected = [(statistic.max(axis=1) >= o - 1e-9).mean() for o in observed]
    assert sign_flip(x, ones(8))[1] == pytest.approx(expected)


def test_layers_that_move_as_one_are_not_paid_for_twice():
    x = np.random.default_rng(3).normal(0.4, 1, (10, 1))
    p, adjusted = sign_flip(np.repeat(x, 30, axis=1), ones(10))
    assert (adjusted == p).all()


def test_weights_and_scale():
    x = np.array([1.0, 2, -1, 3, 2, 2])
    doubled = sign_flip(np.array([2.0, 2, -1, 3, 2, 2])[:, None], ones(6))[0]
    assert sign_flip(x[:, None], np.array([2.0, 1, 1, 1, 1, 1]))[0] == doubled
    assert sign_flip(7 * x[:, None], ones(6))[0] == sign_flip(x[:, None], ones(6))[0]


def test_a_missing_prompt_is_done_without():
    x = np.array([1.0, 2, 3, 2, 1])
    both = np.column_stack([x, x])
    both[4, 1] = np.nan
    p, _ = sign_flip(both, ones(5))
    assert p.tolist() == [2 / 32, 2 / 16]


def test_nothing_measured_and_nothing_moved():
    p, adjusted = sign_flip(np.array([[np.nan, 0.0], [np.nan, 0.0]]), ones(2))
    assert np.isnan(p[0])
    assert np.isnan(adjusted[0])
    assert p[1] == adjusted[1] == 1


def test_noise_is_called_an_effect_at_the_stated_rate_and_no_more(make):
    """150 sweeps of nothing, 12 layers each, the best layer chosen and judged on the same prompts."""
    rng = np.random.default_rng(4)
    found = 0
    for run in range(150):
        zero = rng.normal(size=14)
        drift = rng.normal(size=14)  # neighbouring layers go together
        cells = {(layer, a): zero + a * (drift + rng.normal(size=14)) for layer in range(12) for a in (1, -1)}
        best = best_cells(effects(make({(-1, 0): zero} | cells), draws=2, seed=run)).iloc[0]
        assert not best["held_out"]
        found += bool(best["moved"])
    # Two-sided 5% for the largest delta either way: the best is the largest *positive* one, so about 2.5%.
    assert found / 150 <= 0.05


def test_a_real_effect_among_many_layers_is_found(make):
    rng = np.random.default_rng(5)
    zero = rng.normal(size=30)
    cells = {(layer, a): zero + a * (layer == 6) * 0.5 + rng.normal(0, 0.5, 30) for layer in range(12) for a in (1, -1)}
    best = best_cells(effects(make({(-1, 0): zero} | cells), draws=2)).iloc[0]
    assert (best["layer"], best["moved"]) == (6, True)
