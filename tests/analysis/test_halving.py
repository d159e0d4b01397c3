"""Which cells are worth more prompts: the better half, again and again, and the best one is not lost on the way."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import rounds, survivors

FLOOR = 7.0
ALIKE = {"engine": "e", "model": "m", "behavior": "b", "judge": "j", "scale": "relative", "positions": "all"}


def cells(*rows: tuple[int, float, float, float], prompts: int = 2, **other: object) -> pd.DataFrame:
    """From (layer, strength, change, coherence)."""
    return pd.DataFrame(
        {
            **ALIKE, "split": "select", "layers": str(layer), "layer": layer, "depth": (layer + 1) / 30,
            "strength": strength, "n": prompts, "prompts": prompts, "change": change, "coherence": coherence, **other,
        }
        for layer, strength, change, coherence in rows
    )  # fmt: skip


def places(table: pd.DataFrame) -> list[tuple[str, float]]:
    return sorted(zip(table["layers"], table["strength"], strict=True))


def kept(table: pd.DataFrame, asked: int = 2) -> list[tuple[str, float]]:
    return places(survivors(table, FLOOR, asked))


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        (16, [2, 4, 8, 16]),
        (24, [3, 6, 12, 24]),
        (32, [4, 8, 16, 32]),
        (17, [3, 6, 12, 17]),
        (12, [2, 4, 8, 12]),
        (8, [2, 4, 8]),
        (5, [2, 4, 5]),
        (4, [2, 4]),
        (3, [2, 3]),
        (2, [2]),
    ],
)
def test_rounds_double_the_prompts_and_end_with_all(prompts: int, expected: list[int]) -> None:
    assert rounds(prompts) == expected


@pytest.mark.parametrize("prompts", range(1, 200))
def test_any_number_of_prompts_is_reached_in_at_most_four_growing_rounds(prompts: int) -> None:
    steps = rounds(prompts)
    assert steps[-1] == prompts
    assert len(steps) <= 4
    assert all(a < b for a, b in pairwise(steps))


@pytest.mark.parametrize("fold", [1, 2, 5])
@pytest.mark.parametrize("layers", [8, 30, 36, 48])
def test_a_search_takes_at_most_a_third_of_the_replies(fold: int, layers: int) -> None:
    prompts, live, before, replies = 16 * fold, layers, 0, 0
    for count in rounds(prompts):
        replies += live * (count - before)
        live, before = -(-live // 2), count
    assert replies / (layers * prompts) <= 1 / 3


@pytest.mark.parametrize(("ahead", "back"), [(1, 1), (2, 3), (5, 4), (8, 0)])
def test_half_of_each_direction_goes_on_rounded_up(ahead: int, back: int) -> None:
    table = cells(
        *((layer, 0.1, float(layer), 9.0) for layer in range(ahead)),
        *((layer, -0.1, -float(layer), 9.0) for layer in range(back)),
    )
    strengths = [strength for _, strength in kept(table)]
    assert strengths.count(0.1) == -(-ahead // 2)
    assert strengths.count(-0.1) == -(-back // 2)


def test_the_most_change_in_the_direction_of_the_sign_goes_on() -> None:
    far = [(layer, sign * 0.1, change, 9.0) for layer, change in ((0, 3.0), (10, -3.0), (20, 1.0), (29, -1.0))
           for sign in (1, -1)]  # fmt: skip
    assert kept(cells(*far)) == [("0", 0.1), ("10", -0.1), ("20", 0.1), ("29", -0.1)]


def test_coherence_under_the_floor_costs_more_the_more_is_known() -> None:
    table = cells((0, 0.1, 3.0, 5.0), (29, 0.1, 2.0, 9.0))
    # A quarter of a point for each prompt and point that lack: 3 − 2 × 2/4 against 2; from 4 prompts on, 3 − 2 × 4/4.
    assert kept(table.assign(change=[3.1, 2.0])) == [("0", 0.1)]
    assert kept(table.assign(prompts=8), asked=8) == [("29", 0.1)]


def test_neighbours_speak_for_each_other_while_little_is_known() -> None:
    """A lucky cell amid bad ones against a cell whose neighbours do well."""
    changes = [0.0, 0.0, 4.0, 0.0, 0.0, 3.0, 3.5, 3.0]
    table = cells(*((layer, 0.1, change, 9.0) for layer, change in enumerate(changes)))
    assert ("2", 0.1) in kept(table.assign(prompts=64), asked=64)
    order = survivors(table, FLOOR, 2)
    assert {"5", "6", "7"} <= set(order["layers"])
    last = survivors(table[table["layers"].isin(["2", "1", "3", "5", "6", "7"])], FLOOR, 2)
    assert set(last["layers"]) == {"5", "6", "7"}


def test_neighbours_without_a_judgement_say_nothing() -> None:
    table = cells((0, 0.1, 1.0, 9.0), (1, 0.1, np.nan, 9.0), (20, 0.1, 0.9, 9.0), (29, 0.1, 0.95, 9.0))
    assert kept(table) == [("0", 0.1), ("29", 0.1)]


def test_cells_without_a_judgement_come_last() -> None:
    table = cells((0, 0.1, np.nan, 9.0), (1, 0.1, -5.0, 2.0), (2, 0.1, np.nan, 9.0), (3, 0.1, -6.0, 1.0))
    assert kept(table) == [("1", 0.1), ("3", 0.1)]
    nobody = table.assign(change=np.nan)
    assert kept(nobody) == [("0", 0.1), ("1", 0.1)]


def test_cells_dropped_before_never_come_back() -> None:
    live = cells((1, 0.1, 0.5, 9.0), (2, 0.1, 0.4, 9.0), (3, 0.1, 0.3, 9.0), (4, 0.1, 0.2, 9.0), prompts=4)
    dropped = cells((5, 0.1, 9.0, 9.0), (6, 0.1, 9.0, 9.0))
    assert kept(pd.concat([dropped, live], ignore_index=True), asked=4) == kept(live, asked=4)
    assert len(kept(live, asked=4)) == 2


def test_equal_cells_go_by_the_smaller_strength_and_then_the_lower_layer() -> None:
    same = cells((9, 0.2, 1.0, 9.0), (3, 0.2, 1.0, 9.0), (9, 0.1, 1.0, 9.0), (3, 0.1, 1.0, 9.0))
    assert kept(same) == [("3", 0.1), ("9", 0.1)]
    assert kept(same[same["strength"] == 0.2]) == [("3", 0.2)]


@pytest.mark.parametrize("owner", ["judge", "behavior", "model", "run"])
def test_each_owner_has_a_half_of_its_own(owner: str) -> None:
    good, bad = (
        cells(*((layer, 0.1, change - layer, 9.0) for layer in range(4)), **{owner: name})
        for name, change in (("x", 9.0), ("y", -9.0))
    )
    found = survivors(pd.concat([good, bad], ignore_index=True), FLOOR, 2)
    assert found.groupby(owner).size().tolist() == [2, 2]


def searched(truth: pd.DataFrame, rng: np.random.Generator, noise: float = 1.5) -> pd.DataFrame:
    """The cells left of a search on 16 prompts whose replies scatter around what is true."""
    said = truth[["change", "coherence"]].to_numpy()[:, None, :] + rng.normal(0, noise, (len(truth), 16, 2))
    live, dropped = truth, np.zeros(len(truth), int)
    for count in rounds(16)[:-1]:
        dropped[live.index] = count
        means = [said[i, :asked].mean(0) for i, asked in enumerate(dropped)]
        told = truth.assign(prompts=dropped, n=dropped, change=[m[0] for m in means], coherence=[m[1] for m in means])
        live = survivors(told, FLOOR, count)
    return live


def planted() -> pd.DataFrame:
    """30 layers, 3 strengths each way: change peaks at layer 17, coherence falls with the strength."""
    rows = []
    for layer in range(30):
        for strength in (0.1, 0.2, 0.3):
            reach = np.exp(-(((layer - 17) / 4) ** 2))
            coherence = 9.5 - 40 * max(strength - 0.15, 0) - (2 if layer < 6 else 0)
            rows += [(layer, sign * strength, sign * 20 * strength * reach, coherence) for sign in (1, -1)]
    return cells(*rows)


def test_a_planted_best_cell_survives_the_noise() -> None:
    truth = planted()
    usable = truth[truth["coherence"] >= FLOOR]
    best = usable.loc[[usable["change"].idxmax(), usable["change"].idxmin()]]
    assert places(best) == [("17", -0.2), ("17", 0.2)]
    found = [places(searched(truth, np.random.default_rng(seed))) for seed in range(150)]
    assert all(len(left) == 24 for left in found)  # 90 cells each way become 45, 23, 12
    survived = np.mean([[place in left for place in places(best)] for left in found])
    assert survived >= 0.95


@pytest.mark.parametrize("seed", range(8))
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Few values, so that many cells are equal.
    rows = [(layer, s, float(rng.integers(0, 2)), float(rng.integers(6, 9))) for layer in range(9) for s in (0.1, 0.3)]
    table = cells(*rows, prompts=3)
    for _ in range(10):
        mixed = table.sample(frac=1, random_state=int(rng.integers(1 << 30)))
        assert kept(mixed, 3) == kept(table, 3)
        assert kept(mixed.reset_index(drop=True), 3) == kept(table, 3)
