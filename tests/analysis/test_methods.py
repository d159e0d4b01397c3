"""Effects of methods on tables small enough to do the sums by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import best_cells, effects
from trimtab.analysis.diagnosis import METHOD_EFFECTS, method_effects
from trimtab.errors import SettingError

RNG = np.random.default_rng(0)
ZERO = {split: RNG.normal(size=24) for split in ("select", "test")}
NOISE = {split: 0.1 * RNG.normal(size=24) for split in ("select", "test")}


def method(make: Any, name: str, by_layer: dict[int, float], *, split: str = "both", seed: int = 0) -> pd.DataFrame:
    """Samples of one method whose delta at each layer is about so much, on `select` and `test`."""
    tables = []
    for part in ("select", "test") if split == "both" else (split,):
        noise = NOISE[part] + 0.05 * np.random.default_rng(seed).normal(size=24)
        scores: dict[tuple[Any, float], Any] = {(-1, 0.0): ZERO[part]}
        for layer, delta in by_layer.items():
            scores[layer, 0.5] = ZERO[part] + delta / 2 + noise
            scores[layer, -0.5] = ZERO[part] - delta / 2
        tables.append(make(scores, split=part, method=name))
    return pd.concat(tables, ignore_index=True)


def row(table: pd.DataFrame, name: str) -> "pd.Series[Any]":
    return table.set_index("method").loc[name]


def test_the_means_numbers_are_those_of_its_best_cell(make: Any) -> None:
    samples = method(make, "mean", {2: 1.0, 5: 2.0, 7: 1.5})
    best = best_cells(effects(samples)).iloc[0]
    found = method_effects(samples)
    assert tuple(found.columns) == METHOD_EFFECTS
    for name in ("layer", "layers", "strength", "n", "held_out"):
        assert found.iloc[0][name] == best[name], name
    for name in ("depth", "delta", "delta_low", "delta_high", "glass", "glass_low", "glass_high"):
        assert found.iloc[0][name] == pytest.approx(best[name]), name
    assert found.iloc[0]["held_out"]


def test_each_method_is_measured_at_its_own_best_layer_chosen_on_select(make: Any) -> None:
    flattered = pd.concat(
        [method(make, "pca", {2: 3.0, 5: 1.0}, split="select"), method(make, "pca", {2: 0.5, 5: 4.0}, split="test")]
    )
    found = method_effects(pd.concat([method(make, "mean", {2: 1.0, 5: 2.0}), flattered]))
    assert row(found, "mean")["layer"] == 5
    assert row(found, "pca")["layer"] == 2
    assert row(found, "pca")["delta"] == pytest.approx(0.5, abs=0.1)


def test_differences_from_the_mean_are_at_both_best_cells_and_at_the_means(make: Any) -> None:
    samples = pd.concat([method(make, "mean", {2: 1.0, 5: 2.0}), method(make, "lda", {2: 3.0, 5: 0.5}, seed=1)])
    found = method_effects(samples)
    spread = ZERO["test"].std(ddof=1)
    lda = row(found, "lda")
    assert lda["difference"] == pytest.approx(lda["glass"] - row(found, "mean")["glass"])
    assert lda["difference"] == pytest.approx((3.0 - 2.0) / spread, abs=0.05)
    assert lda["same_cell"] == pytest.approx((0.5 - 2.0) / spread, abs=0.05)
    for name in ("difference", "same_cell"):
        assert lda[f"{name}_low"] < lda[name] < lda[f"{name}_high"]
        assert np.isnan(row(found, "mean")[name])


def test_a_difference_is_paired_so_what_both_share_does_not_widen_it(make: Any) -> None:
    shared = 3 * RNG.normal(size=24)
    tables = []
    for name, delta in (("mean", 2.0), ("probe", 2.2)):
        table = method(make, name, {5: delta}, seed=len(name))
        moved = (table["strength"] > 0) & (table["split"] == "test")
        table.loc[moved, "score"] += shared
        tables.append(table)
    found = row(method_effects(pd.concat(tables)), "probe")
    assert found["glass_high"] - found["glass_low"] > 5 * (found["difference_high"] - found["difference_low"])
    assert found["difference_low"] > 0


def test_draws_are_summarised_by_their_mean_and_range(make: Any) -> None:
    draws = [method(make, f"random {i}", {2: a, 5: b}, seed=i) for i, (a, b) in enumerate([(1, 0), (0, 3), (2, 1)], 1)]
    found = method_effects(pd.concat([method(make, "mean", {2: 1.0, 5: 2.0}), *draws]))
    assert found["method"].tolist() == ["mean", "random"]
    alone = [method_effects(draw).iloc[0] for draw in draws]
    drawn = row(found, "random")
    glass = [one["glass"] for one in alone]
    assert (drawn["draws"], drawn["layers"]) == (3, "2, 5")
    assert np.isnan(drawn["layer"])
    assert drawn["strength"] == 0.5
    assert drawn["depth"] == pytest.approx(np.mean([0.3, 0.6, 0.3]))
    assert drawn["glass"] == pytest.approx(np.mean(glass))
    assert (drawn["glass_least"], drawn["glass_most"]) == pytest.approx((min(glass), max(glass)))
    assert drawn["difference"] == pytest.approx(drawn["glass"] - row(found, "mean")["glass"])


def test_a_method_without_draws_has_itself_for_its_range(make: Any) -> None:
    found = method_effects(method(make, "mean", {5: 2.0})).iloc[0]
    assert (found["draws"], found["glass_least"], found["glass_most"]) == (1, found["glass"], found["glass"])


def test_a_prompt_that_one_method_lacks_counts_for_none(make: Any) -> None:
    lacking = method(make, "lda", {5: 1.0}, seed=1)
    broken = (lacking["prompt_id"] == "p3") & (lacking["strength"] > 0) & (lacking["split"] == "test")
    lacking.loc[broken, "score"] = np.nan
    found = method_effects(pd.concat([method(make, "mean", {5: 2.0}), lacking]))
    assert found["n"].tolist() == [23, 23]
    assert row(found, "lda")["difference"] == pytest.approx(row(found, "lda")["glass"] - row(found, "mean")["glass"])


def test_without_the_mean_there_is_nothing_to_differ_from(make: Any) -> None:
    found = method_effects(method(make, "pca", {5: 2.0})).iloc[0]
    assert found["glass"] > 0
    assert found[["difference", "difference_low", "same_cell", "same_cell_high"]].isna().all()


def test_a_method_not_run_at_the_means_cell_has_no_number_there(make: Any) -> None:
    found = method_effects(pd.concat([method(make, "mean", {5: 2.0}), method(make, "pca", {2: 1.0}, seed=1)]))
    assert np.isnan(row(found, "pca")["same_cell"])
    assert row(found, "pca")["difference"] < 0


def test_without_test_prompts_the_numbers_are_not_held_out(make: Any) -> None:
    samples = pd.concat([method(make, name, {5: 2.0}, split="select") for name in ("mean", "pca")])
    assert not method_effects(samples)["held_out"].any()


def test_models_and_behaviors_are_kept_apart(make: Any) -> None:
    one = pd.concat([method(make, "mean", {5: 2.0}), method(make, "pca", {5: 1.0})])
    other = pd.concat([method(make, "mean", {5: -1.0}), method(make, "pca", {5: 1.0})]).assign(behavior="c")
    found = method_effects(pd.concat([one, other], ignore_index=True))
    assert found[["behavior", "method"]].to_numpy().tolist() == [
        ["b", "mean"],
        ["b", "pca"],
        ["c", "mean"],
        ["c", "pca"],
    ]
    pd.testing.assert_frame_equal(found.iloc[:2], method_effects(one))


def test_the_interval_of_a_difference_is_that_of_prompts_drawn_for_both_at_once(make: Any) -> None:
    rng = np.random.default_rng(1)
    zero, shared = rng.normal(size=80), rng.normal(size=80)
    deltas = {name: size + shared + 0.3 * rng.normal(size=80) for name, size in (("mean", 1.0), ("probe", 1.5))}
    tables = [make({(-1, 0.0): zero, (5, 0.5): zero + d, (5, -0.5): zero}, method=n) for n, d in deltas.items()]
    drawn = []
    for _ in range(4000):
        prompts = rng.integers(80, size=80)
        apart = deltas["probe"][prompts].mean() - deltas["mean"][prompts].mean()
        drawn.append(apart / zero[prompts].std(ddof=1))
    found = row(method_effects(pd.concat(tables)), "probe")
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert [found["difference_low"], found["difference_high"]] == pytest.approx([low, high], abs=0.15 * (high - low))


def test_samples_without_methods_are_refused(make: Any) -> None:
    with pytest.raises(SettingError, match="name no method"):
        method_effects(make({(-1, 0.0): [1.0], (3, 1.0): [2.0]}))
