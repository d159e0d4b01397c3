"""Every measure of the pairs against plain loops, and what it says where the answer is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from trimtab.analysis.diagnosis import QUALITY, pair_quality
from trimtab.analysis.diagnosis._split_halves import draw_splits

KINDS = ["open", "choice", "words"]


def cosine(a, b):
    return a @ b / math.sqrt((a @ a) * (b @ b))


def slow(d, layer, seed=0):
    """All measures of one layer, couple by couple and pair by pair."""
    rows, weight = d.balanced_at(layer), d.pair_weight
    couples = list(itertools.combinations(range(d.n_pairs), 2))
    mean = sum(w * row for w, row in zip(weight, rows, strict=True)) / weight.sum()
    norms = [math.sqrt(row @ row) for row in rows]
    unit_mean = sum(w * row / norm for w, row, norm in zip(weight, rows, norms, strict=True)) / weight.sum()
    middle = sum(w * norm for w, norm in zip(weight, norms, strict=True)) / weight.sum()
    squares = sum(w * (norm - middle) ** 2 for w, norm in zip(weight, norms, strict=True))
    found = {
        "consistency": sum(weight[i] * weight[j] * cosine(rows[i], rows[j]) for i, j in couples)
        / sum(weight[i] * weight[j] for i, j in couples),
        "signal_to_noise": math.sqrt(mean @ mean)
        / math.sqrt(squares / (weight.sum() - (weight**2).sum() / weight.sum())),
        "normalisation": cosine(mean, unit_mean),
    }
    first = {int(pair): row for row, pair in reversed(list(enumerate(d.pair)))}
    given = np.array([d.difference[first[pair], layer] for pair in range(d.n_pairs)], dtype=np.float64)
    for name, strata, vectors, counts in (
        ("stability", d.strata, rows, weight),
        ("stability_random", np.zeros(d.n_pairs), given, np.ones(d.n_pairs)),
    ):
        splits = draw_splits(strata, d.n_pairs, 20, np.random.default_rng(seed))
        found[name] = np.mean(
            [cosine(counts * a @ vectors, counts * b @ vectors) for a, b in zip(*splits, strict=True)]
        )
    along = []
    for i in range(d.n_pairs):
        others = sum(weight[j] * rows[j] for j in range(d.n_pairs) if j != i)
        along.append(rows[i] @ others / math.sqrt(others @ others))
    found["length_correlation"] = spearmanr(along, d.pairs["positive_tokens"] - d.pairs["negative_tokens"])[0]
    if d.sign.any():
        shown = d.difference[:, layer].astype(np.float64)
        axis = sum(w * s * row for w, s, row in zip(d.weight, d.sign, shown, strict=True)) / d.weight.sum()
        found["letter_cosine"] = abs(cosine(axis, d.weight @ shown))
        found["letter_share"] = (
            axis @ axis * d.weight.sum() / sum(w * (row @ row) for w, row in zip(d.weight, shown, strict=True))
        )
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_plain_loops(planted, kind):
    d = planted(17, kind=kind, signal=0.5, seed=1)
    table = pair_quality(d, draws=20)
    assert tuple(table.columns) == QUALITY
    for layer, row in table.iterrows():
        for name, value in slow(d, layer).items():
            assert row[name] == pytest.approx(value, abs=1e-6), name


def test_open_pairs_have_no_letter_and_one_stability(planted):
    table = pair_quality(planted(20))
    assert table[["letter_cosine", "letter_share"]].isna().all(axis=None)
    for end in ("", "_low", "_high"):
        np.testing.assert_array_equal(table[f"stability{end}"], table[f"stability_random{end}"])


def test_letter_swamps_random_halves_and_not_the_stratified_ones(planted):
    table = pair_quality(planted(60, kind="choice", signal=1.5, letter=20))
    assert (table["letter_share"] > 0.9).all()
    assert (table["stability_random"] < 0).all()
    assert (table["stability"] > 0.9).all()


def test_a_planted_layer_stands_out_in_every_measure(planted):
    table = pair_quality(planted(60, signal=1, at=3)).set_index("layer")
    for name in ("consistency", "stability", "signal_to_noise"):
        assert table[name].idxmax() == 3
        assert table.loc[3, f"{name}_low"] > table.drop(3)[name].max()


def test_noise_agrees_by_nothing(planted):
    """In particular, a pair that a resample draws twice does not agree with itself."""
    table = pair_quality(planted(60, d_model=400, n_layers=30))
    assert (table["consistency_low"] < 0).all()
    assert ((table["consistency_low"] < 0) & (table["consistency_high"] > 0)).mean() > 0.9
    assert ((table["stability_low"] < 0) & (table["stability_high"] > 0)).mean() > 0.85
    # Resamples that counted copies as agreement would have their mean difference's length √2 times too long.
    middle = (table["signal_to_noise_low"] + table["signal_to_noise_high"]) / 2
    assert (middle / table["signal_to_noise"]).mean() == pytest.approx(1.05, abs=0.15)


@pytest.mark.parametrize("name", ["consistency", "stability"])
def test_intervals_hold_the_mean_of_many_data_sets(planted, name):
    """Layers are data sets of their own here; the true value is nearly their mean."""
    table = pair_quality(planted(40, n_layers=300, d_model=20, signal=0.6), draws=200)
    inside = (table[f"{name}_low"] <= table[name].mean()) & (table[name].mean() <= table[f"{name}_high"])
    assert inside.mean() > 0.92


def test_projection_that_follows_length_is_found(planted, retold):
    d = planted(80, signal=1, at=4, seed=2)
    longer = np.round(10 * d.balanced_at(4) @ d.vector(4)).astype(int)
    told = retold(d, positive_tokens=100 + longer, negative_tokens=100)
    row = pair_quality(told).loc[4]
    assert row["length_correlation"] > 0.8
    assert row["length_p"] < 0.001


def test_p_of_length_is_small_as_often_as_it_says(planted):
    p = pair_quality(planted(30, n_layers=400), draws=5)["length_p"]
    assert (p < 0.1).mean() == pytest.approx(0.1, abs=0.05)


def test_completions_of_one_length_have_no_correlation_with_it(planted, retold):
    table = pair_quality(retold(planted(20), positive_tokens=3, negative_tokens=3))
    assert table[["length_correlation", "length_p"]].isna().all(axis=None)


def test_where_every_answer_is_the_same_word_only_the_letter_is_told(planted):
    d = planted(20, kind="words")
    same = type(d)(d.difference, d.pair, np.ones(20), np.ones(20), d.residual_norm, d.pairs)
    table = pair_quality(same)
    assert table["letter_cosine"].tolist() == pytest.approx([1] * 6)
    assert table.drop(columns=["layer", "depth", "pairs", "letter_cosine", "letter_share"]).isna().all(axis=None)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_hardly_any_pairs_give_what_there_is(planted, n):
    table = pair_quality(planted(n))
    assert len(table) == 6
    assert table["consistency"].isna().all() == (n == 1)


def test_a_pair_without_any_difference_agrees_with_nothing(planted):
    d = planted(6, signal=5)
    d.difference[0] = 0
    rows = d.balanced_at(0)[1:]
    expected = sum(cosine(a, b) for a, b in itertools.combinations(rows, 2)) / 15
    assert pair_quality(d).loc[0, "consistency"] == pytest.approx(expected)


def test_the_seed_decides_everything(planted):
    d = planted(20)
    assert pair_quality(d, seed=1).equals(pair_quality(d, seed=1))
    assert not pair_quality(d, seed=1).equals(pair_quality(d, seed=2))
