"""Asking in words: each reply belongs to its cell, and is read or called invalid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from tiny import tiny, tiny_model, tiny_tokenizer, vector_for
from trimtab._util.callbacks import Progress
from trimtab.analysis import answer_rates
from trimtab.data import Behavior, Pair
from trimtab.engines import Model, Reply, Request
from trimtab.evaluation import Grid, answer_batches, answer_keys, shown_rows
from trimtab.evaluation.answering import ANSWER_COLUMNS
from trimtab.evaluation.option_reading import read_answer
from trimtab.models import user_text, wrap
from trimtab.steering import SteeringSetting

PAIRS = tuple(
    Pair(f"p{i}", f"Question {i}?", positive, negative, choices=(positive, negative) if i % 2 else (negative, positive))
    for i, (positive, negative) in enumerate([("Stop now", "Go on"), ("Ask first", "Just act"), ("Wait", "Hurry")])
)
BEHAVIOR = Behavior("careful", PAIRS)
GRID = Grid(((1,), (2,)), (-0.5, 0.5), SteeringSetting("relative"))


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny("llama"))


def asked(model: Model, **options: object) -> pd.DataFrame:
    rows = shown_rows([("test", BEHAVIOR)], "choice", "both_orders", 0)
    frames = list(answer_batches(model, vector_for(model.backbone), rows, GRID, "careful", max_new_tokens=5, **options))  # type: ignore[arg-type]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(ANSWER_COLUMNS))


def test_every_prompt_answers_in_both_orders_in_every_cell(model: Model) -> None:
    table = asked(model)
    assert tuple(table.columns) == ANSWER_COLUMNS
    assert len(table) == 3 * 2 * (1 + 2 * 2)
    assert len(answer_keys(table)) == len(table)
    assert set(table["layer"]) == {-1, 1, 2}


def test_each_reply_is_that_of_its_cell(model: Model) -> None:
    vector = vector_for(model.backbone)
    interventions = dict(zip(GRID.steered, GRID.interventions(vector), strict=True))
    pairs = {(row.shown.pair.id, row.shown.order): row.shown.pair for row in
             shown_rows([("test", BEHAVIOR)], "choice", "both_orders", 0)}  # fmt: skip
    for row in asked(model).to_dict("records"):
        pair = pairs[row["prompt_id"], row["order"]]
        cell = interventions.get(((row["layer"],), row["strength"]))
        assert (cell is None) == (row["strength"] == 0)
        expected = model.generate([user_text(pair, "choice")], interventions=[cell], max_new_tokens=5)[0]
        assert row["reply"] == expected or expected.startswith(row["reply"])
        assert row["label"] == pair.label
        reading = read_answer(row["reply"], pair.choices)
        assert np.isnan(row["matched"]) == (reading.option is None)


def test_what_is_there_is_not_asked_again(model: Model) -> None:
    whole = asked(model)
    rest = asked(model, done=answer_keys(whole.iloc[:20]))
    assert len(rest) == len(whole) - 20
    assert answer_keys(rest) == answer_keys(whole.iloc[20:])
    assert asked(model, done=answer_keys(whole)).empty


class Parrot(Model):
    """Says the same to everybody."""

    def __init__(self, text: str):
        super().__init__(wrap(tiny_model("llama"), tiny_tokenizer(), name="parrot"))
        self.text = text

    def replies(self, requests: Sequence[Request], *, progress: Progress | None = None) -> Iterator[tuple[int, Reply]]:
        yield from ((i, Reply(self.text, (), "end")) for i in range(len(requests)))


@pytest.mark.parametrize(
    ("text", "first", "second", "read"),
    [
        # p0 has its positive option second: swapped, it is first.
        ("(A)", 0.0, 1.0, "A"),
        ("The answer is (B).", 1.0, 0.0, "B"),
        ("(A) or (B)", np.nan, np.nan, ""),
        ("", np.nan, np.nan, ""),
    ],
)
def test_a_match_is_by_content_not_by_letter(text: str, first: float, second: float, read: str) -> None:
    table = asked(Parrot(text)).query("prompt_id == 'p0' and strength == 0").sort_values("order")
    assert table["matched"].tolist() == pytest.approx([first, second], nan_ok=True)
    assert set(table["read"]) == {read}


def test_rates_are_of_the_valid_replies_with_wilsons_interval() -> None:
    matched = [1.0] * 6 + [0.0] * 2 + [np.nan] * 2
    table = pd.DataFrame({"matched": matched}).assign(
        model="m", behavior="b", layer=3, layers="3", depth=0.4, strength=1.0
    )
    sets = table.assign(layers="3+4")
    (row,) = answer_rates(pd.concat([table, sets])).to_dict("records")
    assert (row["n"], row["rate"], row["validity"]) == (10, 0.75, 0.8)
    interval = binomtest(6, 8).proportion_ci(method="wilson")
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))


def test_a_cell_without_any_valid_reply_has_no_rate() -> None:
    table = pd.DataFrame({"matched": [np.nan] * 3}).assign(
        model="m", behavior="b", layer=3, layers="3", depth=0.4, strength=1.0
    )
    (row,) = answer_rates(table).to_dict("records")
    assert row["validity"] == 0
    assert np.isnan(row["rate"])
