"""Each heuristic's layer, held against a sweep."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import best_cells, effects
from trimtab.analysis.diagnosis import PICKS, heuristic_picks, layer_heuristics, pair_quality
from trimtab.errors import SettingError


@pytest.fixture(scope="module")
def tables(planted):
    d = planted(40, signal=1.5, at=3)
    owner = {"model": "m", "behavior": "b"}
    found = layer_heuristics(d, permutations=9), pair_quality(planted(30, signal=1.5, at=3), draws=5)
    return tuple(table.assign(**owner) for table in found)


@pytest.fixture(scope="module")
def swept(make):
    """Layer 4 is best; layer 3 has half of its effect; layer 5 was not swept."""
    rng = np.random.default_rng(0)

    def table(split):
        zero = rng.normal(size=30)
        cells = {(layer, a): zero + a * size for layer, size in enumerate([0, 0.1, 0.2, 1, 2]) for a in (1, -1)}
        weaker = {(layer, a / 2): zero + a * 0.1 for layer in range(5) for a in (1, -1)}
        return make({(-1, 0): zero, **cells, **weaker}, n_layers=6, split=split)

    return effects(pd.concat([table("select"), table("test")]), draws=2)


def test_a_pick_is_measured_in_the_best_cells_setting_on_its_prompts(tables, swept):
    table = heuristic_picks(*tables, best_cells(swept), swept).set_index("heuristic")
    assert [*table.columns[:2], "heuristic", *table.columns[2:]] == list(PICKS)
    row = table.loc["relative_magnitude"]
    assert (row["layer"], row["best_layer"]) == (3, 4)
    assert (row["depth"], row["best_depth"]) == pytest.approx((4 / 6, 5 / 6))
    here = swept[(swept["split"] == "test") & (swept["strength"] == 1)].set_index("layer")["glass"]
    assert row["glass_at_pick"] == pytest.approx(here[3])
    assert row["glass_best"] == pytest.approx(here[4])
    assert row["share"] == pytest.approx(0.5)
    assert (row["swept_layer"], row["swept_share"]) == (3, pytest.approx(0.5))


def test_every_heuristic_that_looks_for_a_layer_picks_the_planted_one(tables):
    table = heuristic_picks(*tables).set_index("heuristic")["layer"]
    looking = ["relative_magnitude", "pc1", "components_80", "probe_accuracy", "consistency", "stability"]
    assert table[looking].tolist() == [3] * 6
    assert "signal_to_noise" in table
    assert "adjacent_cosine" in table


def test_without_a_sweep_there_are_picks_alone(tables):
    table = heuristic_picks(*tables)
    assert tuple(table.columns) == PICKS
    assert table[["best_layer", "glass_at_pick", "share", "swept_layer"]].isna().all(axis=None)


def test_a_layer_that_was_not_swept_has_no_effect(tables, swept):
    part = swept[swept["layer"] != 3]
    row = heuristic_picks(*tables, best_cells(part), part).set_index("heuristic").loc["pc1"]
    assert np.isnan(row["glass_at_pick"])
    assert row["best_layer"] == 4


def test_where_its_layer_was_not_swept_the_pick_among_the_swept_ones_stands_beside_it(tables, swept):
    heuristics, quality = tables
    rising = heuristics.assign(probe_accuracy=[0.5, 0.6, 0.8, 1.0, 0.7, 0.9], components_80=[5, 4, 2, 1, 3, 0])
    part = swept[~swept["layer"].isin([3, 5])]
    table = heuristic_picks(rising, quality, best_cells(part), part).set_index("heuristic")
    here = part[(part["split"] == "test") & (part["strength"] == 1)].set_index("layer")["glass"]
    for name, free in (("probe_accuracy", 3), ("components_80", 5)):
        row = table.loc[name]
        assert (row["layer"], row["swept_layer"], row["swept_depth"]) == (free, 2, pytest.approx(0.5))
        assert np.isnan(row["share"])
        assert row["glass_at_swept"] == pytest.approx(here[2])
        assert row["swept_share"] == pytest.approx(here[2] / here[4])


def test_layers_steered_together_are_no_layer_to_pick(tables, swept):
    together = swept.assign(layers=swept["layers"].where(swept["layer"] != 3, "3+4"))
    row = heuristic_picks(*tables, best_cells(together), together).set_index("heuristic").loc["pc1"]
    assert row["layer"] == 3
    assert row["swept_layer"] != 3
    assert np.isnan(row["share"])


def test_of_equals_the_lowest_layer_is_picked(tables):
    heuristics, quality = tables
    equal = heuristics.assign(probe_accuracy=1.0, components_80=4.0)[::-1]
    picks = heuristic_picks(equal, quality).set_index("heuristic")["layer"]
    assert picks[["probe_accuracy", "components_80"]].tolist() == [0, 0]


def test_runs_and_scorings_are_kept_apart(tables, swept):
    two = pd.concat([swept.assign(run="x", scoring=scoring) for scoring in ("choice", "text")])
    heuristics, quality = (
        pd.concat([table.assign(run=run) for run in ("x", "y")], ignore_index=True) for table in tables
    )
    table = heuristic_picks(heuristics, quality, best_cells(two), two)
    pc1 = table[table["heuristic"] == "pc1"]
    assert pc1["run"].tolist() == ["x", "x", "y"]
    assert pc1["scoring"].tolist()[:2] == ["choice", "text"]
    assert pc1["glass_best"].notna().tolist() == [True, True, False]


def test_a_heuristic_without_a_value_picks_nothing(tables):
    heuristics, quality = tables
    table = heuristic_picks(heuristics.assign(probe_accuracy=np.nan), quality)
    assert "probe_accuracy" not in table["heuristic"].tolist()


def test_best_cells_without_their_effects_are_refused(tables, swept):
    with pytest.raises(SettingError, match="pass both"):
        heuristic_picks(*tables, best_cells(swept))
