from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap, norm

from trimtab.analysis import best_cells, effects
from trimtab.analysis.cells import FULL, LOWER, UPPER
from trimtab.errors import DataError, SettingError
from trimtab.evaluation import Sweep

FOUR = {(-1, 0): [1, 2, 3, 4], (3, 1): [3, 4, 5, 6], (3, -1): [0, 1, 2, 1]}


def test_numbers_computed_by_hand(make):
    row = effects(make(FOUR)).iloc[0]
    assert (row["mean_minus"], row["mean_zero"], row["mean_plus"]) == (1.0, 2.5, 4.5)
    assert row["delta"] == pytest.approx(3.5)
    assert row["sd_zero"] == pytest.approx(math.sqrt(5 / 3))
    assert row["glass"] == pytest.approx(3.5 / math.sqrt(5 / 3))
    assert (row["n"], row["layer"], row["depth"], row["compared"]) == (4, 3, 0.4, FULL)


def test_one_row_for_each_layer_and_strength(make):
    table = effects(make({(-1, 0): [1, 2], (0, 1): [2, 2], (0, -1): [0, 1], (4, 0.5): [1, 3], (4, -0.5): [1, 1]}))
    assert table[["layers", "strength"]].to_numpy().tolist() == [["0", 1.0], ["4", 0.5]]


def test_a_layer_set_is_a_cell_of_its_own(make):
    table = effects(make({(-1, 0): [1, 2], (3, 1): [2, 2], ("3+5", 1): [5, 6]}))
    assert table["layers"].tolist() == ["3", "3+5"]
    assert table["delta"].tolist() == [0.5, 4.0]


def test_both_orders_of_a_prompt_make_one_score(make):
    given, swapped = make(FOUR), make({key: [v + 2 for v in values] for key, values in FOUR.items()}, order=1)
    row = effects(pd.concat([given, swapped])).iloc[0]
    assert (row["n"], row["mean_zero"], row["delta"]) == (4, 3.5, 3.5)


def test_weights_count_within_and_between_prompts(make):
    table = make({(-1, 0): [0, 0, 4], (2, 1): [2, 4, 10]})
    table["weight"] = table["prompt_id"].map({"p0": 1.0, "p1": 1.0, "p2": 2.0})
    row = effects(table).iloc[0]
    assert row["mean_zero"] == pytest.approx(2.0)
    assert row["mean_plus"] == pytest.approx(6.5)
    # Sum of w (x - mean)^2 is 16; W - sum w^2 / W is 4 - 6/4.
    assert row["sd_zero"] == pytest.approx(math.sqrt(16 / 2.5))


def test_without_minus_alpha_delta_starts_at_unsteered(make):
    row = effects(make({(-1, 0): [1, 2, 3], (3, 2): [2, 3, 5]})).iloc[0]
    assert row["compared"] == UPPER
    assert row["delta"] == pytest.approx(4 / 3)
    assert math.isnan(row["mean_minus"])


def test_without_plus_alpha_delta_ends_at_unsteered(make):
    row = effects(make({(-1, 0): [1, 2, 3], (3, -2): [0, 1, 2]})).iloc[0]
    assert (row["compared"], row["strength"], row["delta"]) == (LOWER, 2.0, 1.0)
    assert math.isnan(row["mean_plus"])


ZERO = {(-1, 0): [0, 1, 2]}
BOTH = {(3, 0.2): [2, 3, 4], (3, -0.2): [-2, -1, 0]}
ALONE = {(3, 0.35): [3, 4, 6]}


def test_one_strength_without_its_mirror_and_every_delta_starts_at_unsteered(make):
    whole = effects(make(ZERO | BOTH)).iloc[0]
    assert (whole["compared"], whole["delta"]) == (FULL, 4.0)
    table = effects(make(ZERO | BOTH | ALONE)).set_index("strength")
    assert table["compared"].tolist() == [UPPER, UPPER]
    assert table["delta"].tolist() == pytest.approx([2.0, 10 / 3])
    assert table.loc[0.2, "mean_minus"] == -1  # measured, and still there to read


def test_a_larger_effect_without_a_mirror_is_not_ranked_below_a_smaller_one_with(make):
    best = best_cells(effects(make(ZERO | BOTH | ALONE)))
    assert best["strength"].tolist() == [0.35]
    assert (best["delta"].iloc[0], best["compared"].iloc[0]) == (pytest.approx(10 / 3), UPPER)


def test_effects_of_one_table_are_of_one_kind_whichever_behavior_lacks_a_mirror(make):
    table = pd.concat([make(ZERO | BOTH), make(ZERO | ALONE).assign(behavior="other")])
    assert set(effects(table)["compared"]) == {UPPER}


def test_a_table_without_unsteered_scores_keeps_its_whole_range(make):
    assert effects(make(BOTH))["compared"].tolist() == [FULL]


def test_the_spread_at_minus_alpha_divides_where_it_was_run(make):
    table = effects(make(ZERO | BOTH | ALONE), denominator="negative").set_index("strength")
    assert table.loc[0.2, "glass"] == pytest.approx(2.0 / 1.0)
    assert math.isnan(table.loc[0.35, "glass"])


def test_a_strength_is_labelled_by_what_was_compared(make):
    assert "strength +0.35" in str(Sweep(make(ZERO | BOTH | ALONE)).best())
    assert "strength ±0.2" in str(Sweep(make(ZERO | BOTH)).best())
    assert "strength −0.35" in str(Sweep(make(ZERO | {(3, -0.35): [-3, -1, 0]})).best())


def test_unsteered_scores_that_do_not_vary_have_no_glass(make):
    row = effects(make({(-1, 0): [0.1 + 0.2, 0.3, 0.3], (3, 1): [1, 2, 3], (3, -1): [0, 0, 1]})).iloc[0]
    assert row["sd_zero"] == 0
    assert row[["glass", "glass_low", "glass_high"]].isna().all()
    assert math.isfinite(row["delta_low"])


def test_splits_are_never_mixed(make):
    select = make({(-1, 0): [0, 1], (3, 1): [10, 11]}, split="select")
    test = make({(-1, 0): [0, 1], (3, 1): [1, 2]}, split="test")
    table = effects(pd.concat([select, test])).set_index("split")
    assert table["delta"].to_dict() == {"select": 10.0, "test": 1.0}


def test_prompts_with_a_missing_or_broken_score_are_left_out_of_that_cell_only(make):
    table = make({(-1, 0): [1, 2, 3], (3, 1): [2, 3, float("nan")], (4, 1): [2, 3, 40]})
    found = effects(table).set_index("layer")
    assert found["n"].to_dict() == {3: 2, 4: 3}
    assert found.loc[3, "delta"] == 1.0
    assert found.loc[3, "mean_zero"] == 1.5


def test_a_prompt_that_lacks_one_order_is_left_out(make):
    both = pd.concat([make(FOUR), make(FOUR, order=1)])
    half = both[~((both["prompt_id"] == "p3") & (both["order"] == 1) & (both["strength"] == 1))]
    assert effects(half)["n"].tolist() == [3]


def test_unsteered_rows_stored_twice_count_once(make):
    raw = make(FOUR)
    relative = make({**FOUR, (3, 1): [9, 9, 9, 9]}, scale="relative")
    table = effects(pd.concat([raw, relative])).set_index("scale")
    assert table["n"].to_dict() == {"raw": 4, "relative": 4}
    assert table.loc["raw", "delta"] == 3.5


def test_shift_changes_nothing_and_scale_changes_delta_only(make):
    rng = np.random.default_rng(1)
    scores = {(-1, 0): rng.normal(size=30), (2, 1): rng.normal(1, 1, 30), (2, -1): rng.normal(-1, 1, 30)}
    plain = effects(make(scores)).iloc[0]
    moved = effects(make({key: 3 * values + 7 for key, values in scores.items()})).iloc[0]
    for name in ("glass", "glass_low", "glass_high"):
        assert moved[name] == pytest.approx(plain[name])
    for name in ("delta", "delta_low", "delta_high", "sd_zero"):
        assert moved[name] == pytest.approx(3 * plain[name])


def test_agrees_with_a_slow_and_obvious_bootstrap(make):
    rng = np.random.default_rng(2)
    n = 25
    scores = {(-1, 0): rng.normal(size=n), (2, 1): rng.normal(2, 1, n), (2, -1): rng.normal(-1, 1, n)}
    row = effects(make(scores), draws=500, seed=5).iloc[0]
    # Rows are resampled in the order of the sorted prompt ids.
    order = np.argsort([f"p{i}" for i in range(n)])
    zero, plus, minus = (values[order] for values in scores.values())

    def delta(rows):
        return plus[rows].mean() - minus[rows].mean()

    def glass(rows):
        return delta(rows) / zero[rows].std(ddof=1)

    draws = np.random.default_rng(5).integers(n, size=(500, n))
    expected = [end for statistic in (delta, glass) for end in bca(statistic, draws, n)]
    assert row[["delta_low", "delta_high", "glass_low", "glass_high"]].tolist() == pytest.approx(expected)


def bca(statistic, draws, n):
    """Efron (1987), equations 2.2 and 6.6, written out."""
    drawn = np.array([statistic(rows) for rows in draws])
    left = np.array([statistic(np.delete(np.arange(n), i)) for i in range(n)])
    pull = left.mean() - left
    a = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
    z0 = norm.ppf((drawn < statistic(np.arange(n))).mean())
    places = [norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z))) for z in norm.ppf([0.025, 0.975])]
    return np.quantile(drawn, places)


def test_intervals_are_those_of_scipy_up_to_the_draws(make):
    rng = np.random.default_rng(8)
    difference = rng.gamma(2, 1, 40)
    row = effects(make({(-1, 0): np.zeros(40), (2, 1): difference}), draws=20_000).iloc[0]
    ours = row[["delta_low", "delta_high"]].tolist()
    theirs = bootstrap((difference,), np.mean, method="BCa", n_resamples=20_000, rng=rng).confidence_interval
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.03)


@pytest.mark.parametrize(("denominator", "divisor"), [("unsteered", 1.0), ("negative", 2.0), ("pooled", 5**0.5)])
def test_the_denominator_is_the_one_asked_for(make, denominator, divisor):
    base = np.array([-1.0, 0, 1])
    table = make({(-1, 0): base, (3, 1): 5 + base * 6**0.5, (3, -1): base * 2})
    row = effects(table, denominator=denominator).iloc[0]
    assert row["denominator"] == denominator
    assert row["glass"] == pytest.approx(5 / divisor)
    assert (row["glass_unsteered"], row["glass_negative"]) == (5.0, 2.5)
    assert row["cohen_d"] == pytest.approx(5 / 5**0.5)
    assert row["glass_low"] <= row["glass"] <= row["glass_high"]


def test_without_minus_alpha_there_is_no_negative_denominator(make):
    row = effects(make({(-1, 0): [1, 2, 3], (3, 2): [2, 3, 5]}), denominator="negative").iloc[0]
    assert row[["glass", "glass_low", "glass_negative", "sd_minus"]].isna().all()
    assert row["glass_unsteered"] == pytest.approx(4 / 3)


def test_unknown_denominators_are_refused(make):
    with pytest.raises(SettingError, match="not by 'hedges'"):
        effects(make(FOUR), denominator="hedges")


def test_without_a_baseline_there_is_delta_but_no_delta_in_its_spreads(make):
    row = effects(make({(3, 1): [3, 4, 5, 6], (3, -1): [0, 1, 2, 1]})).iloc[0]
    assert row["delta"] == 3.5
    assert row[["glass", "glass_low", "sd_zero", "mean_zero"]].isna().all()
    assert np.isfinite(row["glass_negative"])


def test_rows_that_are_there_twice_are_refused(make):
    table = make(FOUR)
    with pytest.raises(DataError, match=r"1 rows .* layer 3, strength 1, prompt p0, order 0"):
        effects(pd.concat([table, table[(table["strength"] == 1) & (table["prompt_id"] == "p0")]]))


def test_the_order_of_rows_and_other_behaviors_do_not_matter(make):
    rng = np.random.default_rng(3)
    table = make({(-1, 0): rng.normal(size=20), (2, 1): rng.normal(1, 1, 20)})
    other = make({(-1, 0): rng.normal(size=9), (7, 1): rng.normal(1, 1, 9)}, behavior="a")
    alone = effects(table)
    among = effects(pd.concat([other, table]).sample(frac=1, random_state=0))
    among = among[among["behavior"] == "b"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, among)


def test_intervals_cover_the_truth_about_as_often_as_they_say(make):
    rng = np.random.default_rng(4)
    n, runs = 60, 200
    tables = []
    for run in range(runs):
        zero = rng.normal(0, 2, n)
        scores = {(-1, 0): zero, (2, 1): zero + rng.normal(1, 1, n), (2, -1): zero - rng.normal(1, 1, n)}
        tables.append(make(scores, behavior=f"b{run}"))
    found = effects(pd.concat(tables), draws=500)
    by_delta = ((found["delta_low"] < 2) & (found["delta_high"] > 2)).mean()
    by_glass = ((found["glass_low"] < 1) & (found["glass_high"] > 1)).mean()
    # Three standard errors of a share of 200 around 95%, and a little for what few prompts cost.
    assert by_delta == pytest.approx(0.95, abs=0.055)
    assert by_glass == pytest.approx(0.95, abs=0.055)


def test_a_single_prompt_gives_no_interval(make):
    row = effects(make({(-1, 0): [1], (3, 1): [2]})).iloc[0]
    assert row["delta"] == 1.0
    assert row[["delta_low", "glass", "sd_zero"]].isna().all()


def test_nothing_steered_gives_an_empty_table_with_all_columns(make):
    table = effects(make({(-1, 0): [1, 2]}))
    assert table.empty
    assert {"delta", "glass", "layers"} <= set(table.columns)


def test_missing_columns_are_named():
    with pytest.raises(SettingError, match=r"lacks the columns .*score"):
        effects(pd.DataFrame({"model": ["m"]}))
