"""The letter-free difference of a pair is the one that extraction makes its vectors of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from trimtab.analysis.diagnosis import PairDifferences
from trimtab.data import Behavior, Pair, letter_sign, present
from trimtab.errors import DataError
from trimtab.vectors import StateDifferences

KINDS = ["open", "choice", "words"]


def made(kind, i):
    if kind == "open":
        return Pair(f"p{i}", f"question {i}", "yes", "no")
    words, listed = (("No", "Yes"), False) if kind == "words" else (("this", "that"), True)
    positive = words[i % 3 > 0]
    return Pair(f"p{i}", f"question {i}", positive, words[positive == words[0]], words, listed)


@pytest.mark.parametrize("balance", ["both_orders", "off"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::trimtab.errors.TrimtabWarning")
def test_balanced_is_that_of_extraction(planted, kind, balance):
    pairs = tuple(made(kind, i) for i in range(11))
    shown = tuple(present(Behavior("b", pairs), "text" if kind == "open" else "choice", balance))
    states = np.random.default_rng(0).normal(1, 1, (len(shown), 3, 5)).astype(np.float32)
    kept = StateDifferences(torch.from_numpy(states), torch.ones(len(shown), 3), shown, (), balance, 0, None)
    weight, sign = np.array([s.weight for s in shown]), np.array([float(letter_sign(s)) for s in shown])
    d = PairDifferences(states, kept.pair.numpy(), weight, sign, np.ones(3), planted(11).pairs)
    np.testing.assert_allclose(d.balanced(), kept.balanced().numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_balanced_adds_up_to_the_vector(planted, kind):
    d = planted(13, kind=kind, signal=1)
    for layer in range(d.n_layers):
        mean = d.pair_weight @ d.balanced_at(layer) / d.n_pairs
        np.testing.assert_allclose(mean, d.weight @ d.difference[:, layer] / d.n_pairs, atol=1e-6)


@pytest.mark.parametrize("kind", ["choice", "words"])
def test_no_letter_however_long_shows_in_the_balanced_differences(planted, kind):
    short, long = (planted(20, kind=kind, signal=1, letter=letter) for letter in (0.0, 100.0))
    np.testing.assert_allclose(short.balanced(), long.balanced(), atol=1e-4)


def test_rows_of_a_pair_may_stand_in_any_order(planted):
    d = planted(10, kind="choice")
    order = np.random.default_rng(1).permutation(len(d.pair))
    parts = {name: getattr(d, name)[order] for name in ("difference", "pair", "weight", "sign")}
    np.testing.assert_allclose(replace(d, **parts).balanced(), d.balanced(), atol=1e-6)


def test_states_that_overflow_are_refused_by_name(planted):
    d = planted(10)
    broken = d.difference.copy()
    broken[4, 2, 0] = np.inf
    with pytest.raises(DataError, match=r"1 of the pairs .* \(p4\); load the model in float32"):
        replace(d, difference=broken)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weight": np.ones(9)}, "10 rows, but 9 entries in weight"),
        ({"residual_norm": np.ones(2)}, "6 layers, but 2 residual norms"),
        ({"pair": np.arange(10) + 1}, "numbered from 0"),
        ({"weight": np.zeros(10)}, "above 0"),
        ({"difference": np.zeros((10, 6), np.float32)}, "d_model"),
    ],
)
def test_parts_that_do_not_fit_are_refused(planted, changes, said):
    with pytest.raises(DataError, match=said):
        replace(planted(10), **changes)


def test_a_table_of_pairs_without_a_column_is_refused_by_name(planted):
    d = planted(10)
    with pytest.raises(DataError, match="lacks the columns label"):
        replace(d, pairs=d.pairs.drop(columns="label"))
