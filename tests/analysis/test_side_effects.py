"""What else moved, measured on tables whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import EASY, SHIFTS, SIDE_CELLS, side_cells, side_shifts
from trimtab.analysis.side_effects import Limits, selective_settings

from .conftest import samples

NO_TEXT = pd.DataFrame(columns=["model", "behavior", "layers", "strength", "text", "nll"])


def measured(name: str, shifts: Mapping[float, float], *, prompts: int = 60, noise: float = 0.2) -> pd.DataFrame:
    """A behavior whose scores each strength shifts by so many of its own standard deviations."""
    rng = np.random.default_rng(sum(map(ord, name)))
    zero = rng.normal(0, 1, prompts)
    zero = 3 * (zero - zero.mean()) / zero.std(ddof=1)
    cells = {(5, a): zero + 3 * (s + noise * rng.normal(0, 1, prompts)) for a, s in shifts.items()}
    return samples({(-1, 0.0): zero, **cells}).assign(behavior="own", measured=name)


def cells_of(*tables: pd.DataFrame, neutral: pd.DataFrame = NO_TEXT) -> pd.DataFrame:
    found = side_cells(pd.concat(tables, ignore_index=True), neutral)
    assert tuple(found.columns) == SIDE_CELLS
    return found.set_index("strength")


def test_a_shift_is_in_units_of_the_measured_behaviors_own_spread() -> None:
    table = side_shifts(measured("other", {0.1: 1.5, -0.1: -0.5}, noise=0.0))
    assert tuple(table.columns) == SHIFTS
    shifts = table.set_index("strength")["shift"]
    assert shifts[0.1] == pytest.approx(1.5)
    assert shifts[-0.1] == pytest.approx(-0.5)


def test_harm_both_ways_is_a_side_effect_although_delta_is_zero() -> None:
    cells = cells_of(measured("own", {0.1: 1.0, -0.1: -1.0}), measured("other", {0.1: -2.0, -0.1: -2.0}))
    assert cells.loc[0.1, "side"] == pytest.approx(2.0, abs=0.1)
    assert cells.loc[-0.1, "side"] == pytest.approx(2.0, abs=0.1)
    assert cells.loc[0.1, "worst"] == "other"


def test_the_intended_effect_counts_the_way_asked_for() -> None:
    cells = cells_of(measured("own", {0.1: 1.0, -0.1: -0.8}), measured("other", {0.1: 0.0, -0.1: 0.0}))
    assert cells.loc[0.1, "intended"] == pytest.approx(1.0, abs=0.1)
    assert cells.loc[-0.1, "intended"] == pytest.approx(0.8, abs=0.1)
    assert cells.loc[0.1, "intended_low"] < cells.loc[0.1, "intended"] < cells.loc[0.1, "intended_high"]


def test_noise_alone_adds_up_to_no_side_effect() -> None:
    """Without taking its own error off, the root mean square of pure noise would be far from 0."""
    rng, found, naive = np.random.default_rng(3), [], []
    for _ in range(10):
        tables = [measured("own", {0.1: 1.0})]
        for name in "abcdef":
            zero = rng.normal(0, 1, 10)
            noisy = samples({(-1, 0.0): zero, (5, 0.1): zero + rng.normal(0, 1, 10)})
            tables.append(noisy.assign(behavior="own", measured=name))
        rows = pd.concat(tables, ignore_index=True)
        found.append(side_cells(rows, NO_TEXT, draws=200)["side"].iloc[0] ** 2)
        shifts = side_shifts(rows, draws=20)
        naive.append((shifts.loc[shifts["measured"] != "own", "shift"] ** 2).mean())
    assert np.mean(naive) > 0.05
    assert np.mean(found) < 0.5 * np.mean(naive)


def test_the_side_effect_of_several_behaviors_is_their_root_mean_square() -> None:
    others = [measured(name, {0.1: shift}, noise=0.0) for name, shift in (("a", 3.0), ("b", 4.0))]
    cells = cells_of(measured("own", {0.1: 1.0}), *others)
    assert cells.loc[0.1, "side"] == pytest.approx(np.sqrt((9 + 16) / 2))
    assert cells.loc[0.1, "others"] == 2


def test_easy_questions_are_a_share_of_right_answers_and_no_side_effect() -> None:
    zero = np.array([1.0] * 8 + [-1.0] * 2)
    easy = samples({(-1, 0.0): zero, (5, 0.1): np.array([1.0] * 5 + [-1.0] * 5)})
    cells = cells_of(measured("own", {0.1: 1.0}), easy.assign(behavior="own", measured=EASY))
    assert cells.loc[0.1, "easy"] == pytest.approx(0.5)
    assert cells.loc[0.1, "easy_before"] == pytest.approx(0.8)
    assert cells.loc[0.1, "easy_low"] < 0.5 < cells.loc[0.1, "easy_high"]
    assert np.isnan(cells.loc[0.1, "side"])


def test_questions_of_a_couple_are_drawn_together() -> None:
    """A push that only makes one answer of each couple likelier: what one question wins the other loses."""
    rng = np.random.default_rng(0)
    zero, gain = rng.normal(0, 1, 20), np.tile([3.0, -3.0], 10)
    easy = samples({(-1, 0.0): zero, (5, 0.1): gain}).assign(behavior="own", measured=EASY)
    ids = {prompt: number // 2 for number, prompt in enumerate(easy["prompt_id"].unique())}
    couples = easy.assign(couple=[f"couple {ids[prompt]}" for prompt in easy["prompt_id"]])
    own = measured("own", {0.1: 1.0})
    together, singly = cells_of(own, couples).loc[0.1], cells_of(own, easy).loc[0.1]
    assert (together["easy_low"], together["easy"], together["easy_high"]) == (0.5, 0.5, 0.5)
    assert singly["easy_low"] < 0.4 < 0.6 < singly["easy_high"]


def test_the_shift_of_coupled_questions_is_drawn_by_couple() -> None:
    rng = np.random.default_rng(0)
    zero, gain = rng.normal(0, 1, 20), np.tile([3.0, -3.0], 10)
    easy = samples({(-1, 0.0): zero, (5, 0.1): zero + gain}).assign(behavior="own", measured=EASY)
    ids = {prompt: number // 2 for number, prompt in enumerate(easy["prompt_id"].unique())}
    row = side_shifts(easy.assign(couple=[f"couple {ids[prompt]}" for prompt in easy["prompt_id"]])).iloc[0]
    assert (row["shift_low"], row["shift"], row["shift_high"]) == pytest.approx((0, 0, 0), abs=1e-9)


def test_perplexity_is_the_exponential_of_the_extra_nats_per_token() -> None:
    neutral = pd.DataFrame(
        [
            {"model": "m", "behavior": "own", "layers": layers, "strength": a, "text": t, "nll": 2.0 + t + extra}
            for layers, a, extra in (("", 0.0, 0.0), ("5", 0.1, 0.3))
            for t in range(5)
        ]
    )
    cells = cells_of(measured("own", {0.1: 1.0}), neutral=neutral)
    assert cells.loc[0.1, "perplexity"] == pytest.approx(np.exp(0.3))
    assert cells.loc[0.1, "perplexity_low"] == pytest.approx(np.exp(0.3))


def test_scores_that_do_not_vary_leave_no_unit_and_are_left_out() -> None:
    flat = samples({(-1, 0.0): [1.0] * 5, (5, 0.1): [2.0] * 5}).assign(behavior="own", measured="flat")
    cells = cells_of(measured("own", {0.1: 1.0}), measured("other", {0.1: 1.0}), flat)
    assert cells.loc[0.1, "others"] == 1


def settings_of(cells: list[dict[str, float]], limits: Limits | None = None) -> pd.DataFrame:
    plain = {"intended_high": 9.0, "side": 0.0, "perplexity": 1.0, "easy": 0.8, "easy_before": 0.8}
    rows = [
        {"model": "m", "behavior": "b", "layers": str(i), "layer": i, "depth": 0.5, "strength": 0.1, **plain, **cell}
        for i, cell in enumerate(cells)
    ]
    for row in rows:
        row.setdefault("intended_low", row["intended"] - 0.1)
    return selective_settings(pd.DataFrame(rows), limits)


@pytest.mark.parametrize("harm", [{"side": 1.6}, {"perplexity": 1.3}, {"easy": 0.7}])
def test_the_setting_is_the_strongest_that_harms_little(harm: dict[str, float]) -> None:
    found = settings_of([{"intended": 1.0}, {"intended": 3.0, **harm}, {"intended": 2.0}])
    assert found["layer"].tolist() == [2]
    assert found["within"].tolist() == [2]
    assert found["cells"].tolist() == [3]


def test_other_limits_choose_another_setting() -> None:
    cells = [{"intended": 1.0}, {"intended": 3.0, "side": 2.0}]
    assert settings_of(cells)["layer"].tolist() == [0]
    assert settings_of(cells, Limits(side=1.0))["layer"].tolist() == [1]


def test_a_setting_that_is_not_there_has_a_reason() -> None:
    harmful = settings_of([{"intended": 1.0, "perplexity": 2.0}])
    assert harmful["reason"].tolist() == ["every cell moves too much else"]
    assert harmful["layer"].isna().all()
    still = settings_of([{"intended": 0.05, "intended_low": -0.1}])
    assert still["reason"].tolist() == ["no cell moves that way"]


def test_each_direction_has_its_own_setting_and_what_was_not_measured_holds_nothing_back() -> None:
    found = settings_of(
        [{"intended": 1.0}, {"intended": 2.0, "strength": -0.1, "perplexity": np.nan, "easy": np.nan, "side": np.nan}]
    )
    assert found.set_index("direction")["layer"].to_dict() == {1: 0, -1: 1}
