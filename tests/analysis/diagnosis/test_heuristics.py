"""Guessing the layer: each heuristic against its plain definition, on a planted layer, and on noise."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis.diagnosis import HEURISTICS, layer_heuristics
from trimtab.errors import SettingError

COMPONENTS = [f"pc{k}" for k in range(1, 11)]


@pytest.mark.parametrize("kind", ["open", "choice", "words"])
@pytest.mark.parametrize("n", [12, 50])
def test_agrees_with_the_definitions(planted, kind, n):
    d = planted(n, kind=kind, signal=0.5, d_model=20)
    table = layer_heuristics(d, permutations=1)
    assert tuple(table.columns) == HEURISTICS
    vectors = [(d.weight[:, None] * d.difference[:, layer]).sum(0) / n for layer in range(6)]
    for layer, row in table.iterrows():
        # The states of a pair about their own centre.
        states = np.concatenate([d.balanced_at(layer) / 2, -d.balanced_at(layer) / 2])
        shares = np.linalg.svd(states, compute_uv=False) ** 2
        shares = shares / shares.sum()
        np.testing.assert_allclose(row[COMPONENTS].to_numpy(float), shares[:10], atol=1e-9)
        assert row["components_80"] == next(k for k in range(1, 60) if shares[:k].sum() >= 0.8)
        assert row["relative_magnitude"] == pytest.approx(np.linalg.norm(vectors[layer]) / 10, rel=1e-5)
    for layer, (a, b) in enumerate(pairwise(vectors)):
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert table["adjacent_cosine"][layer] == pytest.approx(cosine, abs=1e-5)
    assert np.isnan(table["adjacent_cosine"][5])


@pytest.mark.parametrize("kind", ["open", "choice", "words"])
def test_a_planted_layer_is_found_by_everything_that_looks_for_one(planted, kind):
    table = layer_heuristics(planted(60, kind=kind, signal=1.2, at=3), permutations=99).set_index("layer")
    for name in ("relative_magnitude", "pc1", "probe_accuracy"):
        assert table[name].idxmax() == 3, name
    assert table["components_80"].idxmin() == 3
    assert table.loc[3, "probe_p_max"] == 0.01
    assert table.loc[3, "probe_low"] > table.loc[3, "probe_null_high"]
    assert (table.drop(3)["probe_p_max"] > 0.05).all()


def test_a_direction_that_stays_is_told_by_neighbouring_layers(planted):
    d = planted(60, signal=0)
    d.difference[:, 2:5] += np.eye(40, dtype=np.float32)[0]
    cosine = layer_heuristics(d, permutations=1)["adjacent_cosine"]
    assert (cosine[[2, 3]] > 0.9).all()
    assert (cosine[[0, 1, 4]].abs() < 0.5).all()


def test_noise_is_noise_to_the_probe(planted):
    """200 sets of noise: p below 5% in about 5%, for a layer alone and for the best of them."""
    d, alone, best, accuracy = planted(16, n_layers=2, d_model=12), [], [], []
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(size=d.difference.shape)
        table = layer_heuristics(replace(d, difference=noise), folds=3, permutations=39, seed=seed)
        alone += table["probe_p"].tolist()
        best.append(table["probe_p_max"].min())
        accuracy += table["probe_accuracy"].tolist()
    # Accuracies of few pairs come in steps, so a test at its level stays somewhat below it.
    assert 0.01 < np.mean(np.array(alone) <= 0.05) < 0.07
    assert np.mean(np.array(best) <= 0.05) < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(accuracy) == pytest.approx(0.5, abs=0.02)


def test_copies_of_a_pair_do_not_pass_for_something_that_was_learned(planted, retold):
    """20 pairs of noise, each there three times: in other folds, copies would be recognised."""
    d = planted(20, d_model=200)
    thrice = pd.concat([d.pairs] * 3, ignore_index=True).assign(prompt_id=[f"q{i}" for i in range(60)])
    made = type(d)(np.tile(d.difference, (3, 1, 1)), np.arange(60), np.ones(60), np.zeros(60), d.residual_norm, thrice)
    known = layer_heuristics(made, permutations=19)["probe_accuracy"]
    words = [f"{prompt} {i} {i} {i} {i} {i}" for i, prompt in enumerate(planted(60, seed=1).pairs["prompt"])]
    hidden = layer_heuristics(retold(made, prompt=words, positive=words, negative=words), permutations=19)
    assert known.mean() < 0.65
    assert (hidden["probe_accuracy"] > 0.9).all()


def test_components_beyond_the_pairs_do_not_exist(planted):
    table = layer_heuristics(planted(4), permutations=1)
    assert table["pc4"].notna().all()
    assert table["pc5"].isna().all()


def test_one_pair_has_no_probe(planted):
    table = layer_heuristics(planted(1))
    assert table.filter(like="probe").isna().all(axis=None)
    assert (table["pc1"] == 1).all()


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"permutations": 0}])
def test_impossible_settings_are_refused(planted, wrong):
    with pytest.raises(SettingError, match="at least 2 folds and 1 permutation"):
        layer_heuristics(planted(10), **wrong)
