"""The curve over the number of pairs, and what it predicts beyond them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trimtab.analysis.diagnosis import CURVE, pair_curve
from trimtab.analysis.diagnosis.curve import predicted


def at(table, pairs, layer=0):
    return table[(table["layer"] == layer) & (table["pairs"] == pairs)].iloc[0]


def test_sizes_are_measured_up_to_half_and_predicted_from_all_pairs_on(planted):
    table = pair_curve(planted(90))
    assert tuple(table.columns) == CURVE
    first = table[table["layer"] == 0]
    assert first.loc[~first["extrapolated"], "pairs"].tolist() == [4, 6, 11, 17, 28, 45]
    assert first.loc[first["extrapolated"], "pairs"].tolist() == [90, 180, 360]
    assert table["layer"].is_monotonic_increasing


def test_half_splits_of_the_curve_are_those_of_vectors_made_from_disjoint_pairs(planted):
    """An independent draw of sets, and vectors instead of inner products."""
    d = planted(60, signal=0.7, d_model=30)
    rng, rows, cosines = np.random.default_rng(9), d.balanced_at(2), []
    for _ in range(400):
        order = rng.permutation(60)
        a, b = rows[order[:30]].sum(0), rows[order[30:]].sum(0)
        cosines.append(a @ b / np.sqrt((a @ a) * (b @ b)))
    half = at(pair_curve(d), 30, layer=2)
    assert half["stability"] == pytest.approx(np.mean(cosines), abs=0.02)
    assert [half["low"], half["high"]] == pytest.approx(np.percentile(cosines, [2.5, 97.5]), abs=0.06)


def test_more_pairs_are_steadier_where_there_is_something(planted):
    table = pair_curve(planted(120, signal=0.5))
    for _, curve in table.groupby("layer"):
        assert curve["stability"].is_monotonic_increasing


def test_what_it_predicts_from_few_pairs_is_measured_on_many(planted):
    """Layers are data sets of their own here, and their mean is compared."""
    few, many = (planted(n, n_layers=40, signal=0.4, seed=n) for n in (60, 480))
    guess = pair_curve(few).groupby("pairs")["stability"].mean()
    curve = pair_curve(many)
    measured = curve[~curve["extrapolated"]].groupby("pairs")["stability"].mean()
    assert measured.index.max() == 240
    assert guess[240] == pytest.approx(measured[240], abs=0.03)


def test_cosine_with_the_planted_direction_is_the_one_told(planted):
    d, direction = planted(50, n_layers=1), np.eye(40)[0]
    told, real = [], []
    for seed in range(40):
        rows = np.random.default_rng(seed).normal(size=(50, 40)) / np.sqrt(40) + 0.4 * direction
        made = replace(d, difference=rows[:, None].astype(np.float32))
        told.append(at(pair_curve(made), 50)["to_truth"])
        real.append(rows.mean(axis=0) @ direction / np.linalg.norm(rows.mean(axis=0)))
    assert np.mean(told) == pytest.approx(np.mean(real), abs=0.01)


def test_prediction_is_the_spearman_brown_formula():
    assert predicted(0.5, 10, 20) == pytest.approx(2 / 3)
    assert predicted(0.5, 10, 10) == pytest.approx(0.5)
    assert predicted(1.0, 10, 400) == pytest.approx(1)


def test_halves_that_point_apart_predict_nothing():
    assert predicted(-0.4, 10, 40) == 0


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_pairs_have_a_short_curve(planted, n):
    table = pair_curve(planted(n, signal=3))
    assert set(table["pairs"]) == {*range(min(4, n // 2), n // 2 + 1), n, 2 * n, 4 * n}
    assert table["stability"].notna().all()


def test_one_pair_has_no_curve(planted):
    table = pair_curve(planted(1))
    assert tuple(table.columns) == CURVE
    assert table.empty
