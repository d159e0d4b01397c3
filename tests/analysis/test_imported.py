"""Imported items of known truth: scores, arms, the choice of the layer on halves, and the letter's part."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from imported_items import planted_items
from trimtab.analysis.imported import (
    condition_contrasts,
    item_scores,
    letter_changes,
    letter_parts,
    split_choice,
    unscored_items,
)

TWO = {"none": 0.0, "pos": 1.5}


def test_a_score_over_all_prompts_counts_those_without_a_column_as_0() -> None:
    items = planted_items(TWO, 1.0, prompts=10, without=2)
    row = item_scores(items, draws=50).query("condition == 'none' and strength == 0").iloc[0]
    shares = items.query("condition == 'none' and strength == 0")["share"].dropna()
    assert (row["n"], row["n_scored"], row["n_without"]) == (10, 8, 2)
    assert row["score"] == pytest.approx(shares.mean())
    assert row["score_all"] == pytest.approx(shares.sum() / 10)
    assert row["score_low"] < row["score"] < row["score_high"]


def test_a_missing_probability_is_left_out_of_both_scores() -> None:
    items = planted_items(TWO, 1.0, prompts=10, without=0)
    gone = (items["prompt_id"] == "q3") & (items["strength"] == 0) & items["plain"]
    items.loc[gone, ["share", "score", "p_first"]] = np.nan
    items.loc[gone, "unscored"] = "a probability is missing"
    row = item_scores(items, draws=50).query("condition == 'none' and strength == 0").iloc[0]
    assert (row["n_scored"], row["n_without"]) == (9, 0)
    assert row["score_all"] == row["score"]
    listed = unscored_items(items)
    assert listed[["prompt_id", "why", "rows"]].values.tolist() == [["q3", "a probability is missing", 1]]


def test_both_option_orders_of_a_prompt_are_one_prompt() -> None:
    items = planted_items({"none": 0.0}, 1.0, prompts=8, without=0)
    both = pd.concat([items, items.assign(order=1, share=1 - items["share"])], ignore_index=True)
    row = item_scores(both, draws=50).query("strength == 0").iloc[0]
    assert row["n_scored"] == 8
    assert row["score"] == pytest.approx(0.5)


def test_little_probability_of_the_two_answers_is_stated() -> None:
    row = item_scores(planted_items(TWO, 1.0, held=0.4), draws=50).iloc[0]
    assert (row["coverage"], row["little"]) == (pytest.approx(0.4), 1.0)


def test_only_cells_under_several_conditions_are_compared() -> None:
    scores = item_scores(planted_items(TWO, 1.0), draws=50)
    assert set(scores.loc[scores["crossed"], "layers"]) == {"", "3"}
    assert not item_scores(planted_items({"none": 0.0}, 1.0), draws=50)["crossed"].any()


def test_arms_differ_by_what_was_planted() -> None:
    items = planted_items(TWO, 1.0, prompts=400, noise=0.2)
    rows = condition_contrasts(items, draws=200).query("unit == 'logits' and strength == 1").set_index("contrast")
    planted = {
        "prompt − neither": 1.5, "vector − neither": 1.0, "both − neither": 2.5, "both − prompt": 1.0,
        "both − vector": 1.5, "vector − prompt": -0.5, "both − prompt − vector + neither": 0.0,
    }  # fmt: skip
    assert rows["difference"].to_dict() == pytest.approx(planted, abs=0.06)
    assert (rows["difference_low"] <= rows["difference"]).all()
    assert (rows["difference"] <= rows["difference_high"]).all()
    assert rows.loc["both − vector", "p_adjusted"] < 0.05
    assert rows.loc["both − prompt − vector + neither", "p_adjusted"] > 0.05
    assert rows["tests"].tolist() == [14] * 7


def test_a_prompt_that_lacks_an_arm_is_left_out_of_all_differences() -> None:
    items = planted_items(TWO, 1.0, prompts=12, without=0)
    lost = (items["prompt_id"] == "q0") & (items["strength"] == 1) & ~items["plain"]
    items.loc[lost, ["share", "score"]] = np.nan
    found = condition_contrasts(items, draws=50)
    assert set(found.query("strength == 1")["n"]) == {11}
    assert set(found.query("strength == -1")["n"]) == {12}


def test_intervals_of_differences_cover_the_truth() -> None:
    """Of 24 tables with a planted difference of 1.5 logits, about 95% of the intervals hold it."""
    hits = 0
    for seed in range(24):
        items = planted_items(TWO, 1.0, prompts=30, layers=(3,), seed=seed)
        row = (
            condition_contrasts(items, draws=400)
            .query("unit == 'logits' and strength == 1 and contrast == 'prompt − neither'")
            .iloc[0]
        )
        hits += row["difference_low"] <= 1.5 <= row["difference_high"]
    assert hits >= 20


def test_choosing_among_layers_of_noise_is_optimistic_and_held_out_it_is_not() -> None:
    layers = range(12)
    rows = []
    for seed in range(6):
        items = planted_items({"none": 0.0}, 0.0, prompts=24, layers=layers, noise=1.0, without=0, seed=seed)
        rows.append(split_choice(items, splits=100, draws=200).query("unit == 'logits'").iloc[0])
    found = pd.DataFrame(rows)
    assert found["chosen_half"].mean() > 0.4
    assert abs(found["held_out"].mean()) < 0.2
    assert found["delta"].mean() > 0.3
    assert found["corrected"].mean() < found["delta"].mean() - 0.1


def test_one_layer_that_stands_out_is_chosen_by_every_half() -> None:
    row = split_choice(planted_items({"none": 0.0}, 3.0, prompts=40), splits=100, draws=100).iloc[0]
    assert (row["layers"], row["same"], row["picked"]) == ("3", 1.0, "3 (100%)")
    assert abs(row["split_optimism"]) < 0.05
    assert row["rule"] == "own"


def test_one_layer_for_all_behaviors_is_chosen_by_their_average() -> None:
    strong = planted_items({"none": 0.0}, 3.0, prompts=30, crossed=3, behavior="a")
    weak = planted_items({"none": 0.0}, 1.0, prompts=30, crossed=1, behavior="b", seed=1)
    found = split_choice(pd.concat([strong, weak], ignore_index=True), splits=100, draws=100)
    joint = found.query("rule == 'joint' and unit == 'logits'")
    assert joint["layers"].tolist() == ["3", "3"]
    assert joint["behaviors"].tolist() == [2, 2]
    assert found.query("rule == 'own' and unit == 'logits'")["layers"].tolist() == ["3", "1"]


def test_a_score_is_its_balanced_part_and_its_letter_part() -> None:
    items = planted_items(TWO, 1.0, letter=1.0)
    parts = letter_parts(items, draws=50)
    assert (parts["balanced"] + parts["letter"]).to_numpy() == pytest.approx(parts["score"].to_numpy())
    assert set(parts["n_other"]) == {1}


def test_a_vector_of_the_letter_changes_the_letter_part_alone() -> None:
    items = planted_items({"none": 0.0}, 0.0, letter=2.0, prompts=200, without=0)
    row = letter_changes(items, draws=200).query("unit == 'logits' and layers == '3'").iloc[0]
    # 140 keys A and 60 keys B: each logit of the letter changes the mean score by 0.4.
    assert row["letter"] == pytest.approx(0.4 * 4, abs=0.1)
    assert abs(row["balanced"]) < 0.15
    assert row["letter_low"] > 1
    assert row["share_first_upper"] > 0.8 > 0.2 > row["share_first_lower"]


def test_balanced_keys_leave_the_letter_no_part() -> None:
    items = planted_items({"none": 0.0}, 1.0, letter=2.0, share_a=0.5, without=0)
    changes = letter_changes(items, draws=50)
    assert changes["letter"].to_numpy() == pytest.approx(0.0, abs=1e-12)


def test_one_sign_is_compared_with_unsteered() -> None:
    items = planted_items(TWO, 1.0)
    found = letter_changes(items[items["strength"] >= 0], draws=50)
    assert set(found["compared"]) == {"0 to +α"}
    found = letter_changes(items[items["strength"] <= 0], draws=50)
    assert set(found["compared"]) == {"−α to 0"}


def test_held_out_prompts_report_where_there_are_any() -> None:
    items = planted_items(TWO, 1.0, prompts=20, without=0)
    split = items.assign(split=np.where(items["prompt_id"].isin(["q0", "q1", "q2"]), "select", "test"))
    assert set(item_scores(split, draws=50)["n"]) == {17}


def test_what_does_not_depend_on_probabilities_works_without_them() -> None:
    items = planted_items(TWO, 1.0).assign(share=np.nan, p_first=np.nan, p_second=np.nan)
    scores = item_scores(items, draws=50)
    assert scores["score"].isna().all()
    assert scores["logits"].notna().all()
    assert set(condition_contrasts(items, draws=50)["unit"]) == {"logits"}
    assert set(split_choice(items, splits=20, draws=50)["unit"]) == {"logits"}
