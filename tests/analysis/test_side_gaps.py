"""What the measurement of side effects left out is a caution."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis.cells import FULL, UPPER
from trimtab.analysis.side_effects import side_gaps

BEST = pd.DataFrame(
    [
        {
            "model": "m",
            "behavior": "b",
            "scale": "raw",
            "layers": "5",
            "strength": 0.1,
            "compared": FULL,
            "chosen_by": "scores",
        }
    ]
)
REPLIED = COMPARED = pd.DataFrame([{"model": "m", "behavior": "b", "layers": "5", "strength": 0.1}])
NOTHING = pd.DataFrame()


def cell(layers: str = "5", **values: float) -> dict[str, object]:
    whole = {"side": 0.1, "perplexity": 1.1, "easy": 0.8}
    return {"model": "m", "behavior": "b", "scale": "raw", "layers": layers, "strength": 0.1, **whole, **values}


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
    assert "its chosen setting, layer 5 at raw strength ±0.1, were not measured; layers 7, 9 were" in text


def test_replies_and_random_directions_that_were_left_out_are_named() -> None:
    (text,) = texts(cell(), neutral=NOTHING, tests=NOTHING)
    assert text == "b: not measured: replies to neutral prompts, random directions."


def test_without_any_shift_it_says_why() -> None:
    (text,) = texts()
    assert "no shift could be measured" in text


def test_models_are_told_apart_where_there_are_several() -> None:
    found = side_gaps([("m", "b"), ("n", "b")], pd.DataFrame([cell()]), BEST, REPLIED, COMPARED)
    assert [(finding.about, finding.subjects[0].model) for finding in found] == [("b (n)", "n")]


def test_a_recommended_setting_that_was_not_measured_is_named_beside_the_best_cell() -> None:
    also = pd.concat([BEST, BEST.assign(layers="9", strength=0.3, compared=UPPER, chosen_by="replies")])
    (found,) = side_gaps([("m", "b")], pd.DataFrame([cell()]), also, REPLIED, COMPARED)
    assert "setting that replies recommend, layer 9 at raw strength +0.3" in found.text
    assert [setting["chosen_by"] for setting in found.values["settings"]] == ["replies"]
