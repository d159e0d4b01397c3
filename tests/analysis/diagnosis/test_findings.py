"""A planted confound is named in the sentences, and good pairs are called good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trimtab.analysis.diagnosis import (
    diagnosis_findings,
    layer_heuristics,
    pair_curve,
    pair_flags,
    pair_quality,
)


def diagnosed(d):
    """What is found, by code; the last of several."""
    tables = pair_quality(d, draws=50), pair_curve(d), layer_heuristics(d, permutations=99), pair_flags(d)
    found = diagnosis_findings(*tables, d)
    rank = ["problem", "caution", "good"]
    assert [f.level for f in found] == sorted((f.level for f in found), key=rank.index)
    assert all(f.text.endswith(".") and f.advice.endswith(".") and "nan" not in f.text for f in found)
    return {f.code: f for f in found}


def levels(found):
    return {code: diagnosis.level for code, diagnosis in found.items()}


def copies(d, times):
    """The first pair so many times more."""
    again = np.r_[np.arange(d.n_pairs), np.zeros(times, int)]
    n = len(again)
    pairs = d.pairs.iloc[again].assign(prompt_id=[f"p{i}" for i in range(n)]).reset_index(drop=True)
    return type(d)(d.difference[again], np.arange(n), np.ones(n), np.zeros(n), d.residual_norm, pairs)


def test_good_pairs_have_nothing_wrong_with_them(planted):
    found = diagnosed(planted(80, signal=1.5))
    assert levels(found) == {"stable": "good", "more_pairs": "good", "probe": "good"}
    assert "100%" in found["probe"].text


def test_good_choice_pairs_are_told_that_their_letter_is_balanced_out(planted):
    found = diagnosed(planted(80, kind="choice", signal=2, letter=30))
    assert levels(found) == {"stable": "good", "more_pairs": "good", "probe": "good", "letter_confound": "good"}
    assert "letter-balanced and stratified 0.9" in found["letter_confound"].text


def test_noise_is_called_noise(planted):
    found = diagnosed(planted(60, n_layers=12))
    assert found["noise"].level == "problem"
    assert found["unstable"].level == "problem"
    assert "corrected for 12 layers" in found["noise"].text


def test_all_positives_longer(planted, retold):
    d = planted(60, signal=1.5)
    found = diagnosed(retold(d, positive_tokens=d.pairs["negative_tokens"] * 3))
    assert found["length_confound"].level == "caution"
    assert "In 100% of the pairs the positive completion is the longer one" in found["length_confound"].text
    assert "3.0 times as long" in found["length_confound"].text


def test_all_positives_shorter(planted, retold):
    d = planted(60, signal=1.5)
    found = diagnosed(retold(d, negative_tokens=d.pairs["positive_tokens"] * 2))
    assert "the negative completion is the longer one, in the middle 2.0 times" in found["length_confound"].text


def test_one_token_more_in_every_positive_is_no_confound(planted, retold):
    d = planted(60, signal=1.5)
    assert "length_confound" not in diagnosed(retold(d, positive_tokens=d.pairs["negative_tokens"] + 1))


def test_a_vector_that_follows_length(planted, retold):
    rng, d = np.random.default_rng(0), planted(80, signal=1)
    extra = rng.integers(-15, 16, 80)
    direction = d.difference.mean(axis=0) / np.linalg.norm(d.difference.mean(axis=0), axis=-1, keepdims=True)
    d.difference[:] += (0.1 * extra[:, None, None] * direction).astype(np.float32)
    found = diagnosed(retold(d, positive_tokens=30 + extra, negative_tokens=30))
    assert found["length_confound"].level == "problem"
    assert "rank correlation 0.9" in found["length_confound"].text


def test_all_positives_a_in_both_orders(planted):
    d = planted(60, kind="choice", signal=1.5)
    one_letter = replace(d, sign=np.tile([1.0, -1.0], 60), pairs=d.pairs.assign(label="A"))
    axis = np.eye(40, dtype=np.float32)[0] * 9
    states = planted(120, signal=1.5, seed=3).difference[d.pair] + one_letter.sign[:, None, None] * axis
    found = diagnosed(replace(one_letter, difference=states.astype(np.float32)))
    assert found["letter_confound"].level == "caution"
    assert "The positive answer is “A” in every pair. Each was shown in both orders" in found["letter_confound"].text
    assert "|cosine| 0.9" in found["letter_confound"].text


def test_all_positives_a_shown_once_cannot_be_judged(planted):
    d = planted(60, signal=1.5)
    found = diagnosed(replace(d, sign=np.ones(60), pairs=d.pairs.assign(label="A")))
    assert levels(found)["letter_confound"] == "problem"
    assert not {"stable", "probe", "noise"} & set(found)


def test_uneven_letters_without_balance(planted):
    d = planted(50, signal=0.5)
    sign = np.resize([1.0, 1.0, -1.0], 50)
    states = d.difference + sign[:, None, None] * np.eye(40, dtype=np.float32)[0] * 9
    labels = np.where(sign > 0, "A", "B")
    found = diagnosed(replace(d, difference=states, sign=sign, pairs=d.pairs.assign(label=labels)))
    assert found["letter_confound"].level == "problem"
    assert "uneven and were not balanced (A 34, B 16)" in found["letter_confound"].text


def test_one_pair_twenty_times_more(planted):
    found = diagnosed(copies(planted(60, signal=1.5), 20))
    assert found["duplicates"].level == "problem"
    assert "20 of 80 pairs repeat another almost exactly (p0 comes 21 times)" in found["duplicates"].text


def test_ten_flipped_pairs(planted, flipped):
    found = diagnosed(flipped(planted(100, signal=1), [*range(40, 50)]))
    assert found["disagreeing_pairs"].level == "caution"
    assert "10 of 100 pairs stand apart" in found["disagreeing_pairs"].text
    assert "pointing against it: 10." in found["disagreeing_pairs"].text


def test_all_positives_begin_with_the_same_token(planted, retold):
    found = diagnosed(retold(planted(40, signal=1.5), positive_first=" Sure"))
    assert found["first_token"].level == "caution"
    assert "100% of the positive completions begin with “sure”, of the negative ones 0%" in found["first_token"].text


def test_both_sides_may_begin_alike(planted, retold):
    found = diagnosed(retold(planted(40, signal=1.5), positive_first="The", negative_first="The"))
    assert "first_token" not in found


def test_completions_that_are_the_same_after_their_first_token(planted, retold):
    d = planted(40, signal=1.5)
    rest = d.pairs["positive"]
    told = {"positive": "Yes, " + rest, "negative": "No, " + rest, "positive_first": "Yes", "negative_first": "No"}
    found = diagnosed(retold(d, **told))
    assert found["first_token"].level == "problem"
    assert "the same after their first token" in found["first_token"].text


def test_two_pairs_as_long_as_all_others_together(planted):
    d = planted(60, signal=1)
    d.difference[:2] = 60 * planted(2, seed=8).difference
    found = diagnosed(d)
    assert found["norm_dominated"].level == "caution"
    assert "p0" in found["norm_dominated"].text
    assert "p1" in found["norm_dominated"].text


@pytest.mark.parametrize(("n", "warned"), [(30, True), (40, False)])
def test_fewer_pairs_than_dimensions(planted, n, warned):
    found = diagnosed(planted(n, signal=1.5, d_model=40))
    assert ("few_pairs" in found) == warned
    if warned:
        assert "fewer pairs (30) than dimensions (40)" in found["few_pairs"].text


def test_more_pairs_are_worth_writing_while_the_vector_gains_by_them(planted):
    found = diagnosed(planted(24, signal=0.35, d_model=20))
    assert found["more_pairs"].level == "caution"
    assert "worth writing" in found["more_pairs"].advice
    assert "with 48" in found["more_pairs"].text


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_hardly_any_pairs_are_diagnosed_without_breaking(planted, n):
    assert diagnosed(planted(n, signal=3)) is not None


def test_a_label_spelled_in_open_pairs_is_a_problem_before_anything_is_called_good(planted):
    d = planted(60, kind="words", signal=1.5, letter=20)
    spelled = replace(d, weight=np.ones(60), spelled=True)
    found = diagnosed(spelled)
    assert found["answer_label"].level == "problem"
    assert "“No” 36, “Yes” 24" in found["answer_label"].text
    assert "good" not in levels(found).values()
    assert "disagreeing_pairs" not in found


def test_a_label_spelled_in_every_pair_hides_everything(planted):
    d = planted(40, kind="words", signal=1.5)
    pairs = d.pairs.assign(label="Yes")
    found = diagnosed(replace(d, weight=np.ones(40), sign=np.ones(40), pairs=pairs, spelled=True))
    assert found["answer_label"].level == "problem"
    assert "“Yes” in every pair" in found["answer_label"].text


def test_a_spelled_label_that_hardly_matters_is_not_mentioned(planted):
    d = planted(60, kind="words", signal=2.5, letter=0.1)
    assert "answer_label" not in diagnosed(replace(d, weight=np.ones(60), spelled=True))
