"""Pairs to look at: what was planted is flagged, and good pairs are left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis.diagnosis import FLAGS, PairDifferences, pair_flags
from trimtab.analysis.diagnosis._near_duplicates import joined, similarity

EDITS = [
    lambda text: text,
    str.upper,
    lambda text: text + "!",
    lambda text: "Well, " + text,
    lambda text: text.replace(" ", "  "),
]


def flagged(table, flag):
    return table.loc[table["flag"] == flag, "prompt_id"].tolist()


def repeated(d, times, edit=lambda text, _: text):
    """The first pair, there so many times more, with its texts edited and its states a little changed."""
    copies = pd.concat([d.pairs.head(1)] * times, ignore_index=True)
    copies["prompt_id"] = [f"copy{i}" for i in range(times)]
    for name in ("prompt", "positive", "negative"):
        copies[name] = [edit(text, i) for i, text in enumerate(copies[name])]
    noise = np.random.default_rng(0).normal(0, 0.02, (times, *d.difference.shape[1:]))
    difference = np.concatenate([d.difference, (d.difference[:1] + noise).astype(np.float32)])
    n = len(difference)
    pairs = pd.concat([d.pairs, copies], ignore_index=True)
    return PairDifferences(difference, np.arange(n), np.ones(n), np.zeros(n), d.residual_norm, pairs)


def test_ten_flipped_pairs_of_a_hundred_disagree_and_no_others(planted, flipped):
    turned = [3, 14, 15, 26, 35, 58, 62, 79, 83, 97]
    d = flipped(planted(100, signal=0.6), turned)
    table = pair_flags(d)
    assert tuple(table.columns) == FLAGS
    assert sorted(flagged(table, "disagrees")) == sorted(f"p{i}" for i in turned)
    assert (table["value"] < 0).all()
    assert table["text"].str.contains("the wrong way round").all()


def test_choice_pairs_disagree_by_what_is_left_without_the_letter(planted, flipped):
    d = flipped(planted(100, kind="choice", signal=0.8, letter=30), [5, 6])
    assert sorted(flagged(pair_flags(d), "disagrees")) == ["p5", "p6"]


def test_a_pair_about_something_else_disagrees_without_pointing_the_other_way(planted):
    d = planted(80, signal=2)
    d.difference[7] = np.random.default_rng(5).normal(size=d.difference[7].shape) / np.sqrt(40)
    row = pair_flags(d).iloc[0]
    assert row["prompt_id"] == "p7"
    assert abs(row["value"]) < 0.3


@pytest.mark.parametrize("signal", [0.0, 0.3, 0.6, 2.0])
def test_good_pairs_are_left_alone(planted, signal):
    """1,000 pairs of each kind; the rule's false alarms are at most 4 in 1,000."""
    alarms = sum(len(pair_flags(planted(100, signal=signal, seed=seed, n_layers=3))) for seed in range(10))
    assert alarms <= 6


def test_where_nothing_agrees_nothing_is_said_to_disagree(planted):
    """One pair points against the mean of the others, but this mean is noise."""
    for signal, expected in ((0.0, []), (0.6, ["p0"])):
        d = planted(60, signal=signal)
        d.difference[0] = -d.difference[1:].sum(axis=0) / 8
        assert flagged(pair_flags(d), "disagrees") == expected


@pytest.mark.parametrize(("turned", "expected"), [(slice(0, 4), []), (slice(4, 14), ["p7"])])
def test_layers_before_a_third_of_the_depth_do_not_count(planted, turned, expected):
    d = planted(60, signal=1.5, n_layers=14)
    d.difference[7, turned] *= -1
    assert flagged(pair_flags(d), "disagrees") == expected


@pytest.mark.parametrize("edit", range(len(EDITS)))
def test_one_pair_there_twenty_times_is_a_duplicate_whatever_the_trivial_edit(planted, edit):
    d = repeated(planted(60, signal=0.5), 20, lambda text, _: EDITS[edit](text))
    table = pair_flags(d)
    duplicates = table[table["flag"] == "duplicate"]
    assert duplicates["prompt_id"].tolist() == [f"copy{i}" for i in range(20)]
    assert set(duplicates["other"]) == {"p0"}
    assert "nearly the same as p0" in duplicates["text"].iloc[0]


def test_half_the_text_and_the_same_states_are_a_duplicate_too(planted):
    """The last three words of nine of each text are others."""
    words = ["zig", "zag", "zug", "zeg", "zog"]
    d = repeated(planted(60, signal=0.5), 1, lambda text, _: " ".join([*text.split()[:6], *words[:2]]))
    assert flagged(pair_flags(d), "duplicate") == ["copy0"]
    other = d.difference.copy()
    other[-1] = planted(1, seed=9).difference
    assert flagged(pair_flags(replace(d, difference=other)), "duplicate") == []


def test_the_same_states_under_other_texts_are_no_duplicate(planted):
    d = planted(30)
    d.difference[4] = d.difference[3]
    assert flagged(pair_flags(d), "duplicate") == []


def test_a_pair_ten_times_as_long_as_the_others_outweighs_them(planted):
    d = planted(50, signal=0.5)
    d.difference[12] *= 10
    table = pair_flags(d)
    assert flagged(table, "outlier_norm") == ["p12"]
    assert table["value"].iloc[0] == pytest.approx(10, rel=0.2)


def test_a_pair_without_any_difference_breaks_nothing(planted):
    d = planted(50, signal=1)
    d.difference[12] = 0
    assert flagged(pair_flags(d), "disagrees") == ["p12"]


def test_completions_of_unlike_length_are_flagged_most_unlike_first(planted, retold):
    positive, negative = np.full(20, 20), np.full(20, 20)
    positive[3], negative[8] = 45, 100
    table = pair_flags(retold(planted(20), positive_tokens=positive, negative_tokens=negative))
    assert flagged(table, "length") == ["p8", "p3"]
    assert table["value"].tolist() == [0.2, 2.25]


def test_a_token_or_two_are_no_difference_in_length(planted, retold):
    assert pair_flags(retold(planted(20), positive_tokens=1, negative_tokens=4)).empty


def test_a_length_that_most_pairs_share_is_left_to_the_findings(planted, retold):
    assert pair_flags(retold(planted(20), positive_tokens=50, negative_tokens=10)).empty


def test_few_pairs_have_no_rest_to_stand_out_from(planted, flipped):
    assert pair_flags(flipped(planted(9, signal=3), [0])).empty


def test_similarity_is_that_of_sets_of_four_letters():
    texts = ["The red house", "the RED   horse.", "", "ab", "completely different"]

    def letters(text):
        return {text[i : i + 4] for i in range(len(text) - 3)}

    a, b = letters("the red house"), letters("the red horse")
    found = similarity(texts)
    assert found[0, 1] == pytest.approx(len(a & b) / len(a | b))
    assert np.diag(found).tolist() == [1] * 5
    assert found[0, 4] == found[2, 0] == 0


def test_groups_are_joined_through_their_members():
    linked = np.eye(6, dtype=bool)
    for a, b in ((0, 3), (3, 5), (1, 2)):
        linked[a, b] = linked[b, a] = True
    assert joined(linked).tolist() == [0, 1, 1, 0, 2, 0]
