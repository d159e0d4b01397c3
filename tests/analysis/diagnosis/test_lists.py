"""Two lists without pairs: what is measured against plain loops, what is planted is found, what needs pairs says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis.diagnosis import heuristic_picks
from trimtab.analysis.diagnosis._split_halves import draw_splits
from trimtab.analysis.diagnosis.lists import (
    ListStates,
    list_curve,
    list_findings,
    list_flags,
    list_heuristics,
    list_quality,
    list_surface,
)
from trimtab.analysis.diagnosis.lists._list_halves import half_cosines, half_stability
from trimtab.analysis.diagnosis.lists._list_probe import list_folds, list_labels, shares_in_order
from trimtab.analysis.diagnosis.lists.list_flags import places_between
from trimtab.errors import DataError

from .conftest import WORDS


def lists(n=(24, 16), *, signal=0.0, n_layers=4, seed=0, **columns):
    """Noise of length 1 about a mean that is far away, and a direction of length `signal` between the lists."""
    rng = np.random.default_rng(seed)
    positive = np.arange(sum(n)) < n[0]
    states = rng.normal(size=(sum(n), n_layers, 40)) / np.sqrt(40) + 30 * rng.normal(size=40)
    direction = rng.normal(size=(n_layers, 40))
    states[positive] += signal * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    texts = [" ".join(rng.choice(WORDS, 9)) for _ in positive]
    table = pd.DataFrame({"prompt_id": [f"t{i}" for i in range(sum(n))], "text": texts, "tokens": 20})
    weight = rng.integers(1, 5, sum(n)).astype(np.float64)
    return ListStates(states.astype(np.float32), positive, weight, np.full(n_layers, 10.0), table.assign(**columns))


def mean_difference(d, layer, chosen):
    sides = []
    for side in (d.positive, ~d.positive):
        rows = [i for i in range(d.n_examples) if chosen[i] and side[i]]
        sides.append(sum(d.weight[i] * d.states[i, layer].astype(float) for i in rows) / sum(d.weight[i] for i in rows))
    return np.asarray(sides[0] - sides[1])


def cosine(a, b):
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def diagnosed(d):
    flags, surface = list_flags(d), list_surface(d, draws=100)
    found = list_findings(list_quality(d), list_curve(d), list_heuristics(d, permutations=99), flags, surface, d)
    assert all(f.text.endswith(".") and f.advice.endswith(".") and "nan" not in f.text for f in found)
    return {f.code: f for f in found}


def test_halves_and_their_jackknife_agree_with_plain_loops():
    d = lists((9, 6), signal=0.8)
    splits = draw_splits(d.side, d.n_examples, 3, np.random.default_rng(0))
    states = d.centred_at(1)
    gram = states @ states.T
    plain = [cosine(*(mean_difference(d, 1, chosen) for chosen in halves)) for halves in zip(*splits, strict=True)]
    assert half_cosines(d, gram, splits) == pytest.approx(plain, abs=1e-5)
    without = np.zeros(d.n_examples)
    for k in range(d.n_examples):
        left = 1.0 - (np.arange(d.n_examples) == k)
        halves = zip(splits.first * left, splits.second * left, strict=True)
        without[k] = np.mean([cosine(*(mean_difference(d, 1, chosen) for chosen in both)) for both in halves])
    squares = sum(
        (side.sum() - 1) / side.sum() * ((without[side] - without[side].mean()) ** 2).sum()
        for side in (d.positive, ~d.positive)
    )
    found = half_stability(d, gram, splits)
    assert found.mean == pytest.approx(np.mean(plain), abs=1e-5)
    assert found.high - found.mean == pytest.approx(min(1.96 * np.sqrt(squares), 1 - found.mean), abs=1e-4)


def test_each_list_is_halved_on_its_own():
    d = lists((20, 8))
    splits = draw_splits(d.side, d.n_examples, 10, np.random.default_rng(0))
    for half in splits:
        assert (half[:, d.positive].sum(axis=1) == 10).all()
        assert (half[:, ~d.positive].sum(axis=1) == 4).all()


def test_a_planted_difference_is_stable_and_noise_is_not():
    good, noise = lists(signal=2.0), lists(n_layers=40)
    assert (list_quality(good)["stability"] > 0.8).all()
    table = list_quality(noise)
    assert ((table["stability_low"] < 0) & (table["stability_high"] > 0)).mean() > 0.85
    assert abs(table["stability"].mean()) < 0.1


def test_intervals_hold_the_mean_of_many_data_sets():
    """Layers are data sets of their own here; the true value is nearly their mean."""
    table = list_quality(lists((40, 25), signal=0.7, n_layers=200))
    inside = (table["stability_low"] <= table["stability"].mean()) & (
        table["stability"].mean() <= table["stability_high"]
    )
    assert inside.mean() > 0.92


def test_the_curve_predicts_what_more_texts_bring():
    small, large = lists((20, 12), signal=0.5, n_layers=60), lists((40, 24), signal=0.5, n_layers=60, seed=1)
    predicted = list_curve(small).groupby("pairs")["stability"].mean()
    measured = list_curve(large).groupby("pairs")["stability"].mean()
    assert predicted[32] == pytest.approx(measured[32], abs=0.05)  # all of the small lists, half of the large ones


def test_held_out_probe_finds_what_is_there_and_nothing_in_noise():
    found = list_heuristics(lists(signal=2.5), permutations=99)
    assert (found["probe_accuracy"] > 0.9).all()
    assert found["probe_p_max"].max() < 0.02
    noise = list_heuristics(lists(n_layers=30), permutations=99)
    assert noise["probe_accuracy"].mean() == pytest.approx(0.5, abs=0.08)
    assert noise["probe_null"].mean() == pytest.approx(0.5, abs=0.02)
    assert noise["probe_p_max"].min() > 0.05
    assert found.filter(regex="^pc|components").isna().all(axis=None)  # of differences, which there are none of


def test_texts_that_are_nearly_the_same_are_held_out_together():
    d = lists((8, 6))
    groups = np.array([0, 0, 0, 1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 10])
    folds = list_folds(d, groups, 4, np.random.default_rng(0))
    assert len(set(folds[groups == 0])) == 1
    assert len(set(folds)) == 4
    labels = list_labels(d, groups, 50, np.random.default_rng(0))
    assert (labels[:, 0] == d.side).all()
    assert all(len(set(labels[groups == 0, draw])) == 1 for draw in range(1, 51))
    assert (labels[:, 1:] > 0).sum(axis=0).mean() == pytest.approx(8, abs=1)


def test_shares_in_order_count_ties_half():
    scores, labels = np.array([[3.0], [1.0], [1.0], [0.0]]), np.array([[1.0], [1.0], [-1.0], [-1.0]])
    assert shares_in_order(scores, labels) == pytest.approx([(1 + 1 + 0.5 + 1) / 4])


def test_what_every_text_shares_tells_no_lists_apart():
    d = lists()
    d = lists(text=[f"The {text}." for text in d.examples["text"]])
    found = list_surface(d).set_index("feature")
    assert found.loc["first word", "auroc"] == found.loc["last word", "auroc"] == 0.5
    assert found.loc["length", "auroc"] == 0.5
    assert found.loc["words", "auroc_low"] < 0.5 < found.loc["words", "auroc_high"]


def test_lists_that_length_or_the_ends_of_texts_tell_apart_are_said_to_be():
    plain = lists(signal=2.0)
    assert not {"length_confound", "first_word", "last_word"} & set(diagnosed(plain))
    texts = [
        f"{'how' if side else word} {text}{'?' if side else '.'}"
        for side, word, text in zip(plain.positive, WORDS, plain.examples["text"], strict=True)
    ]
    tokens = np.where(plain.positive, 30, 10) + np.arange(plain.n_examples) % 5
    found = diagnosed(lists(signal=2.0, text=texts, tokens=tokens))
    assert found["length_confound"].level == "caution"
    assert "100%" in found["length_confound"].text
    assert "“how” is that of 100% of the positive and 0% of the negative texts" in found["first_word"].text
    assert "“?”" in found["last_word"].text


def test_projection_that_follows_length_within_the_lists_is_found():
    d = lists((40, 30), signal=2.0)
    direction = d.vector(3) / np.linalg.norm(d.vector(3))
    along = np.round(40 * (d.centred_at(3) @ direction - d.side * np.linalg.norm(d.vector(3)) / 2)).astype(int)
    found = list_quality(lists((40, 30), signal=2.0, tokens=100 + along))
    assert found.loc[3, "length_correlation"] > 0.9
    assert found.loc[3, "length_p"] < 0.001
    assert abs(found.loc[0, "length_correlation"]) < 0.5


def test_a_text_in_the_wrong_list_is_flagged_and_good_ones_are_not():
    good = lists((40, 30), signal=1.0)
    assert list_flags(good).empty
    moved = np.isin(good.examples["prompt_id"], ["t7", "t50"])
    flags = list_flags(replace(good, positive=good.positive ^ moved))
    assert set(flags["prompt_id"]) == {"t7", "t50"}
    assert set(flags["flag"]) == {"other_side"}
    assert (flags["value"] < -0.5).all()
    found = diagnosed(replace(good, positive=good.positive ^ moved))["other_side"]
    assert found.text.startswith("2 of 70 texts lie on the side of the other list (")


def test_texts_are_not_flagged_where_lists_hardly_differ_or_are_short():
    for d in (lists((40, 30)), lists((9, 9), signal=1.0)):
        wrong = d.examples["prompt_id"] == "t0"
        assert "other_side" not in set(list_flags(replace(d, positive=d.positive ^ wrong.to_numpy()))["flag"])


def test_the_place_of_a_text_agrees_with_a_plain_loop():
    d = lists((6, 5), signal=0.5)
    found = places_between(d)
    for text in range(d.n_examples):
        values = []
        for layer in (1, 2, 3):  # depth ≥ 1/3 of 4 layers
            middle = sum(mean_side(d, layer, side, None) for side in (True, False)) / 2
            along = []
            for one in range(d.n_examples):
                direction = mean_side(d, layer, True, one) - mean_side(d, layer, False, one)
                state = d.states[one, layer].astype(float) - middle
                along.append((1 if d.positive[one] else -1) * state @ direction / np.linalg.norm(direction))
            ends = [np.average(np.array(along)[s], weights=d.weight[s]) for s in (d.positive, ~d.positive)]
            values.append(along[text] / np.mean(ends))
        assert found[text] == pytest.approx(np.mean(values), rel=1e-6)


def mean_side(d, layer, positive, without):
    rows = [i for i in range(d.n_examples) if d.positive[i] == positive and i != without]
    return sum(d.weight[i] * d.states[i, layer].astype(float) for i in rows) / sum(d.weight[i] for i in rows)


def test_texts_nearly_the_same_are_flagged_within_and_across_the_lists():
    d = lists((5, 5))
    texts = list(d.examples["text"])
    texts[3], texts[8] = f"{texts[1]}!", texts[0].upper()
    flags = list_flags(lists((5, 5), text=texts)).set_index("flag")
    assert tuple(flags.loc["duplicate", ["prompt_id", "other"]]) == ("t3", "t1")
    assert tuple(flags.loc["in_both_lists", ["prompt_id", "other"]]) == ("t0", "t8")
    assert {"duplicates", "in_both_lists"} <= set(diagnosed(lists((5, 5), text=texts)))


def test_what_needs_pairs_is_said_to_and_has_no_number():
    d = lists(signal=3.0)
    found = diagnosed(d)
    assert {code: f.level for code, f in found.items()} == {
        "stable": "good", "more_examples": "good", "probe": "good", "needs_pairs": "note",
    }  # fmt: skip
    assert list(found)[-1] == "needs_pairs"
    for name in ("consistency", "letter", "stand apart", "pca, median, single"):
        assert name in found["needs_pairs"].text
    quality = list_quality(d)
    assert quality[["consistency", "signal_to_noise", "normalisation", "letter_share"]].isna().all(axis=None)
    picks = heuristic_picks(
        *(table.assign(model="m", behavior="b") for table in (list_heuristics(d, permutations=9), quality))
    )
    assert set(picks["heuristic"]) == {"relative_magnitude", "probe_accuracy", "adjacent_cosine", "stability"}


@pytest.mark.parametrize(("n", "level"), [((1, 9), "problem"), ((3, 9), "caution")])
def test_a_list_that_is_too_short_is_said_to_be(n, level):
    found = diagnosed(lists(n, signal=2.0))
    assert found["short_list"].level == level
    assert "needs_pairs" in found


def test_states_that_do_not_fit_are_refused():
    d = lists((3, 3))
    with pytest.raises(DataError, match="one of the lists is empty"):
        ListStates(d.states, np.ones(6, bool), d.weight, d.residual_norm, d.examples)
    states = d.states.copy()
    states[4, 0, 0] = np.inf
    with pytest.raises(DataError, match=r"not finite numbers \(t4\)"):
        ListStates(states, d.positive, d.weight, d.residual_norm, d.examples)
