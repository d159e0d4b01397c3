"""Comparing models: means, ranks, groups and correlations, honest about how few models there are."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, permutation_test, spearmanr

from trimtab.analysis import (
    best_cells,
    compare_groups,
    compare_models,
    correlations,
    effects,
    group_contrasts,
    models_frame,
)
from trimtab.stats.small_samples import exchange_p, fisher_interval, permutation_p


def entry(name, layers=10, heads=4, parameters=1e6, moe=False, **groups):
    facts = {"layers": layers, "heads": heads, "width": 8 * heads, "parameters": parameters, "moe": moe}
    return {"name": name, "facts": facts, "groups": groups}


def best_of(make, sizes, behaviors=("b",)):
    """Best cells of models whose delta is 2 × size, and whose unsteered spread is given too: {model: (size, sd)}."""
    base = np.array([-1.0, 0, 1, 0.5, -0.5])
    tables = [
        make({(-1, 0): base * sd, (3, 1): base * sd + size, (3, -1): base * sd - size}, model=model, behavior=behavior)
        for model, (size, sd) in sizes.items()
        for behavior in behaviors
    ]
    return best_cells(effects(pd.concat(tables), draws=50))


def test_ranks_and_how_they_change_with_the_models_own_spread(make):
    table = compare_models(best_of(make, {"loud": (3, 6), "quiet": (2, 1), "none": (1, 4)})).set_index("model")
    assert table["mean_delta"].to_dict() == pytest.approx({"loud": 6.0, "quiet": 4.0, "none": 2.0})
    assert table["rank_delta"].to_dict() == {"loud": 1, "quiet": 2, "none": 3}
    assert table["rank_glass"].to_dict() == {"quiet": 1, "loud": 2, "none": 3}
    # Every prompt moves by the same delta, so that its order is exact; that of Δ hangs on the spread of five prompts.
    assert table[["rank_delta_low", "rank_delta_high"]].to_numpy().tolist() == [[1, 1], [2, 2], [3, 3]]
    assert table["rank_change"].dropna().to_dict() == {"loud": -1, "quiet": 1}


def test_means_are_over_the_behaviors_a_model_has_and_the_others_are_named(make):
    both = best_of(make, {"m": (2, 1), "n": (4, 1)}, behaviors=("b", "c"))
    table = compare_models(both[~((both["model"] == "n") & (both["behavior"] == "c"))]).set_index("model")
    assert table["n_behaviors"].to_dict() == {"m": 2, "n": 1}
    assert table["missing"].to_dict() == {"m": "", "n": "c"}
    assert table["behaviors"].to_dict() == {"m": "b, c", "n": "b"}


def test_the_interval_of_a_mean_over_behaviors_shrinks_with_their_number(make):
    one = compare_models(best_of(make, {"m": (2, 1)})).iloc[0]
    four = compare_models(best_of(make, {"m": (2, 1)}, behaviors="abcd")).iloc[0]
    assert four["mean_delta"] == one["mean_delta"]
    width = [row["glass_high"] - row["glass_low"] for row in (one, four)]
    assert width[1] == pytest.approx(width[0] / 2)


def test_facts_and_groups_become_columns():
    table = models_frame([entry("a", training="sft"), {"name": "b", "facts": {"moe": True}}]).set_index("model")
    assert table.loc["a", "parameters_per_layer"] == 1e5
    assert table["group:architecture"].to_dict() == {"a": "dense", "b": "MoE"}
    assert table.loc["a", "group:training"] == "sft"
    assert np.isnan(table.loc["b", "layers"])


def test_groups_have_their_means_and_a_test_that_knows_its_limits(make):
    by_model = compare_models(best_of(make, {"a": (5, 1), "b": (4, 1), "c": (2, 1), "d": (1, 1)}))
    models = models_frame([entry(n, training=t) for n, t in zip("abcd", ["sft", "sft", "rl", "rl"], strict=True)])
    groups = compare_groups(by_model, models).set_index("level")
    assert groups["mean_delta"].to_dict() == pytest.approx({"rl": 3.0, "sft": 9.0})
    assert groups.loc["sft", ["n_models", "models"]].tolist() == [2, "a, b"]
    row = group_contrasts(by_model, models).set_index("measure").loc["mean_delta"]
    assert (row["level_a"], row["level_b"], row["difference"]) == ("rl", "sft", pytest.approx(-6.0))
    # 6 ways to name two of four models; the split found and its mirror image are the most extreme ones.
    assert row["p"] == row["least_p"] == pytest.approx(2 / 6)


def test_a_grouping_of_one_level_says_nothing(make):
    by_model = compare_models(best_of(make, {"a": (5, 1), "b": (4, 1)}))
    assert compare_groups(by_model, models_frame([entry("a"), entry("b")])).empty


def test_correlations_over_all_models_and_within_groups(make):
    sizes, layers = [5, 4, 2, 1, 9, 3, 6, 7, 8], [10, 20, 25, 40, 90, 30, 35, 12, 14]
    by_model = compare_models(best_of(make, {f"m{i}": (size, 1) for i, size in enumerate(sizes)}))
    models = models_frame([entry(f"m{i}", n, moe=i == 4) for i, n in enumerate(layers)])
    table = correlations(by_model, models)
    rows = table[(table["attribute"] == "layers") & (table["measure"] == "mean_delta")].set_index("among")
    everything, dense = rows.loc["all models"], rows.loc["architecture: dense"]
    assert (everything["n"], dense["n"]) == (9, 8)
    assert everything["spearman"] == pytest.approx(spearmanr(layers, sizes).statistic)
    theirs = pearsonr([n for n in layers if n != 90], [size for size in sizes if size != 9])
    assert dense["r"] == pytest.approx(theirs.statistic)
    interval = theirs.confidence_interval()
    assert (dense["low"], dense["high"]) == pytest.approx((interval.low, interval.high))
    assert "architecture: MoE" not in rows.index


def test_fewer_than_eight_models_have_correlations_only_where_they_are_asked_for(make):
    by_model = compare_models(best_of(make, {f"m{i}": (5 - i, 1) for i in range(5)}))
    models = models_frame([entry(f"m{i}", 10 + i**2) for i in range(5)])
    assert correlations(by_model, models).empty
    asked = correlations(by_model, models, least=4)
    assert asked["r"].notna().all()
    assert asked["spearman"].isna().all()


def test_what_does_not_vary_has_no_correlation(make):
    by_model = compare_models(best_of(make, {"a": (5, 1), "b": (4, 1), "c": (2, 1)}))
    table = correlations(by_model, models_frame([entry(n) for n in "abc"]))
    assert table.empty


def test_three_models_have_a_correlation_without_an_interval():
    assert np.isnan(fisher_interval(0.5, 3)).all()
    assert fisher_interval(0.5, 4)[0] < 0.5 < fisher_interval(0.5, 4)[1]


def test_exchange_p_is_scipys_exact_permutation_test():
    a, b = np.array([1.0, 3, 2]), np.array([4.0, 6, 5, 2.5])
    theirs = permutation_test((a, b), lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis), n_resamples=np.inf)
    p, least = exchange_p(a, b)
    assert p == pytest.approx(theirs.pvalue, abs=1 / 35)  # scipy doubles the smaller tail
    assert least == pytest.approx(1 / 35)


def test_correlation_p_counts_every_rearrangement():
    x, y = np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 1, 4, 3, 6])
    observed = abs(np.corrcoef(x, y)[0, 1])
    expected = np.mean([abs(np.corrcoef(x, order)[0, 1]) >= observed - 1e-12 for order in permutations(y)])
    assert permutation_p(x, y) == pytest.approx(expected)


def test_many_models_are_rearranged_at_random():
    rng = np.random.default_rng(0)
    x = rng.normal(size=12)
    assert permutation_p(x, x + rng.normal(0, 0.1, 12)) < 0.001
    assert permutation_p(x, rng.normal(size=12)) > 0.05
