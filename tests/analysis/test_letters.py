from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import best_cells, effects, option_blindness, order_effects
from trimtab.stats.bootstrap import wilson


def unsteered(make, content, letter):
    """Scores of a model that likes the positive option by `content` and option A by `letter`."""
    given = make({(-1, 0): content + letter}, label="A", order=0)
    swapped = make({(-1, 0): content - letter}, label="B", order=1)
    return pd.concat([given, swapped])


def verdict(make, content, letter):
    return option_blindness(unsteered(make, content, letter)).iloc[0]


def test_a_model_that_reads_prefers_the_same_option_in_both_orders(make):
    row = verdict(make, np.linspace(-3, 3, 60), np.full(60, 0.1))
    assert (row["verdict"], row["blind"], row["n"]) == ("reads", False, 60)
    assert row["share"] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("varied", [False, True])
def test_a_model_that_follows_the_letter_is_blind(make, varied):
    rng = np.random.default_rng(0)
    letter = rng.normal(2, 0.5, 60) if varied else np.full(60, 2.0)
    row = verdict(make, np.zeros(60), letter)
    assert (row["verdict"], row["blind"], row["share"], row["accuracy"]) == ("blind", True, 0.0, 0.5)


def test_content_under_a_strong_letter_preference_is_not_called_blind(make):
    row = verdict(make, np.random.default_rng(0).normal(0, 1, 80), np.full(80, 5.0))
    assert (row["verdict"], row["blind"]) == ("letter first", False)
    assert row["share_centred"] == 1.0


def test_guessing_is_unclear(make):
    rng = np.random.default_rng(1)
    row = verdict(make, rng.normal(size=100), rng.normal(size=100))
    assert (row["verdict"], row["blind"]) == ("unclear", False)


def test_one_order_says_nothing(make):
    assert option_blindness(make({(-1, 0): [1, 2]})).empty


def test_open_pairs_have_no_letters(make):
    table = unsteered(make, np.ones(5), np.ones(5)).assign(scoring="text")
    assert option_blindness(table).empty
    assert order_effects(table, best_cells(effects(table))).empty


def test_delta_by_order_shows_a_steered_letter(make):
    rng = np.random.default_rng(2)
    zero, noise = rng.normal(size=(2, 40))
    given = make({(-1, 0): zero, (4, 1): zero + 2, (4, -1): zero - 2 + 0.1 * noise}, order=0)
    swapped = make({(-1, 0): zero, (4, 1): zero - 1, (4, -1): zero + 1}, order=1)
    table = pd.concat([given, swapped])
    row = order_effects(table, best_cells(effects(table))).iloc[0]
    assert row["n"] == 40
    assert row["delta_given"] == pytest.approx(4, abs=0.1)
    assert row["delta_swapped"] == pytest.approx(-2)
    assert row["difference"] == pytest.approx(row["delta_given"] + 2)
    assert row["difference_low"] < row["difference"] < row["difference_high"]


def test_wilson_matches_published_values():
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
