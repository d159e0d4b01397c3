"""What a check of side effects left out is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis.side_gaps import side_gaps

BEST = pd.DataFrame([{"model": "m", "behavior": "b", "layers": "5", "strength": 0.1}])
REPLIED = COMPARED = pd.DataFrame([{"model": "m", "behavior": "b", "layers": "5", "strength": 0.1}])
NOTHING = pd.DataFrame()


def cell(layers: str = "5", **values: float) -> dict[str, object]:
    whole = {"side": 0.1, "perplexity": 1.1, "easy": 0.8}
    return {"model": "m", "behavior": "b", "layers": layers, "strength": 0.1, **whole, **values}


def texts(*cells: dict[str, object], neutral: pd.DataFrame = REPLIED, tests: pd.DataFrame = COMPARED) -> list[str]:
    found = side_gaps([("m", "b")], pd.DataFrame(list(cells)), BEST, neutral, tests)
    assert all(finding.kind == "caution" for finding in found)
    return [finding.text for finding in found]


def test_a_whole_check_has_no_gaps() -> None:
    assert texts(cell(), cell(strength=-0.1)) == []


@pytest.mark.parametrize(
    ("column", "name"), [("side", "other behaviors"), ("perplexity", "plain text"), ("easy", "easy questions")]
)
def test_a_number_that_is_missing_at_the_best_cell_is_named(column: str, name: str) -> None:
    assert texts(cell(**{column: np.nan})) == [f"b: not measured: {name}."]


def test_a_number_that_is_missing_elsewhere_is_no_gap() -> None:
    assert texts(cell(), cell("7", side=np.nan)) == []


def test_a_check_of_other_layers_says_that_the_best_cell_is_not_among_them() -> None:
    (text,) = texts(cell("7"), cell("9"))
    assert text == "b: what else moves at its best cell, layer 5 at ±0.1, was not measured; layers 7, 9 were."


def test_replies_and_random_directions_that_were_left_out_are_named() -> None:
    (text,) = texts(cell(), neutral=NOTHING, tests=NOTHING)
    assert text == "b: not measured: replies to neutral prompts, random directions."


def test_without_any_shift_it_says_why() -> None:
    (text,) = texts()
    assert "no shift could be measured" in text


def test_models_are_told_apart_where_there_are_several() -> None:
    found = side_gaps([("m", "b"), ("n", "b")], pd.DataFrame([cell()]), BEST, REPLIED, COMPARED)
    assert [finding.text.partition(":")[0] for finding in found] == ["b in n"]
