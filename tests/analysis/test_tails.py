from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import best_cells, effects, tails


def test_quantiles_of_each_strength_at_the_best_layer(make):
    rng = np.random.default_rng(0)
    scores = {(-1, 0): rng.normal(size=50), (2, 1): rng.normal(3, 2, 50), (2, -1): rng.normal(-1, 1, 50)}
    samples = make(scores | {(5, 1): rng.normal(size=50)})
    table = tails(samples, best_cells(effects(samples, draws=2))).set_index("strength")
    assert table["layers"].tolist() == ["2"] * 3
    for (_, strength), values in scores.items():
        row = table.loc[strength]
        assert row["n"] == 50
        assert (row["mean"], row["sd"]) == pytest.approx((values.mean(), values.std(ddof=1)))
        assert row[["p05", "p25", "median", "p75", "p95"]].tolist() == pytest.approx(
            np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist()
        )


def test_orders_are_averaged_and_broken_prompts_left_out(make):
    cells = {(-1, 0): [0.0, 1, 2], (2, 1): [3, 4, float("nan")]}
    both = pd.concat([make(cells), make({k: [v + 2 for v in values] for k, values in cells.items()}, order=1)])
    table = tails(both, best_cells(effects(both, draws=2))).set_index("strength")
    assert table["n"].to_dict() == {0.0: 3, 1.0: 2}
    assert table["mean"].to_dict() == {0.0: 2.0, 1.0: 4.5}


def test_each_behavior_at_its_own_layer(make):
    one = make({(-1, 0): [0, 1], (2, 1): [5, 6], (3, 1): [1, 2]}, behavior="one")
    two = make({(-1, 0): [0, 1], (2, 1): [1, 2], (3, 1): [5, 7]}, behavior="two")
    samples = pd.concat([one, two])
    table = tails(samples, best_cells(effects(samples, draws=2)))
    assert table[table["strength"] == 1].set_index("behavior")["layers"].to_dict() == {"one": "2", "two": "3"}
