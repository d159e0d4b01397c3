"""The layer choice: how steady it is, and that held-out prompts take its optimism away."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import best_cells, effects, layer_choice


def sweep(make, rng, size, *, n=30, layers=10, **columns):
    zero = rng.normal(size=n)
    cells = {
        (layer, a): zero + a * size * (layer == 4) + rng.normal(0, 0.8, n) for layer in range(layers) for a in (1, -1)
    }
    return make({(-1, 0): zero} | cells, **columns)


def chosen(samples, *, by="glass", draws=300, **options):
    best = best_cells(effects(samples, draws=2, **options), by=by)
    return best.iloc[0], layer_choice(samples, best, draws=draws).iloc[0]


def test_a_clear_peak_is_picked_every_time(make):
    best, choice = chosen(sweep(make, np.random.default_rng(0), 2.0))
    assert (best["layer"], choice["same_layer"]) == (4, 1.0)
    assert choice["depth_low"] == choice["depth_high"] == 0.5


def test_noise_is_picked_all_over_the_place(make):
    _, choice = chosen(sweep(make, np.random.default_rng(1), 0.0))
    assert choice["same_layer"] < 0.7
    assert choice["depth_high"] - choice["depth_low"] >= 0.4


@pytest.mark.parametrize("by", ["delta", "glass"])
@pytest.mark.parametrize("denominator", ["unsteered", "negative", "pooled"])
def test_agrees_with_a_loop_that_chooses_again_from_each_resample(make, by, denominator):
    samples = sweep(make, np.random.default_rng(2), 0.4, n=12)
    best, choice = chosen(samples, by=by, draws=60, denominator=denominator)
    ids = sorted(samples["prompt_id"].unique())
    picks, excess = [], []
    whole = effects(samples, draws=2, denominator=denominator).set_index("layer")[by]
    for drawn in np.random.default_rng(0).integers(12, size=(60, 12)):
        parts = [samples[samples["prompt_id"] == ids[i]].assign(prompt_id=f"r{k}") for k, i in enumerate(drawn)]
        values = effects(pd.concat(parts), draws=2, denominator=denominator).set_index("layer")[by]
        picks.append(values.idxmax())
        excess.append(values.max() - whole[values.idxmax()])
    assert choice["measure"] == by
    assert choice["same_layer"] == pytest.approx(np.mean(np.array(picks) == best["layer"]))
    assert choice["optimism"] == pytest.approx(np.mean(excess))
    assert choice["naive"] == pytest.approx(best[by])
    assert choice["honest"] == pytest.approx(best[by] - np.mean(excess))


def test_holding_out_takes_the_optimism_away(make):
    """60 sweeps of noise: the chosen layer looks good where it was chosen and is nothing where it was not."""
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(60):
        both = pd.concat([sweep(make, rng, 0.0, n=20, layers=8, split=split) for split in ("select", "test")])
        rows.append(chosen(both, draws=50)[1])
    table = pd.DataFrame(rows).astype({"naive": float, "honest": float, "optimism": float})
    error = table["honest"].std() / 60**0.5
    assert table["held_out"].all()
    assert abs(table["honest"].mean()) < 3 * error
    assert table["naive"].mean() > 5 * error
    # What the bootstrap says of the same choice, without seeing the held-out prompts.
    assert table["optimism"].mean() == pytest.approx(table["naive"].mean(), rel=0.35)


def test_one_prompt_says_nothing_about_the_choice(make):
    _, choice = chosen(make({(-1, 0): [1], (3, 1): [2], (4, 1): [3]}))
    assert choice[["same_layer", "optimism", "honest"]].isna().all()


def test_a_cell_that_was_not_tested_is_no_candidate(make):
    zero = [0.0, 1, 2, 1]
    select = make({(-1, 0): zero, (2, 1): [9, 9, 8, 9], (3, 1): [1, 2, 3, 2]}, split="select")
    test = make({(-1, 0): zero, (3, 1): [1, 2, 4, 2]}, split="test")
    best, choice = chosen(pd.concat([select, test]))
    assert (best["layer"], choice["same_layer"], choice["candidates"]) == (3, 1.0, 1)
