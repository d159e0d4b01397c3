"""Reading by likelihood: the scores are the model's, and a model that reads badly reads nothing."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import torch

from tiny import tiny
from trimtab.data import Pair
from trimtab.engines import Model
from trimtab.evaluation.option_likelihood import labelled_replies, least_margin, option_margins
from trimtab.evaluation.option_reading import read_answer

PAIR = Pair("p", "Stop or go on?", "Stop now", "Go on", choices=("Stop now", "Go on"))
OTHER = Pair("q", "Wait?", "Wait", "Hurry up", choices=("Hurry up", "Wait"))


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny("llama"))


def log_prob(model: Model, pair: Pair, reply: str, option: str) -> float:
    """By one plain pass over the text."""
    tokenizer = model.backbone.tokenizer
    cue = tokenizer(f"{reply}\n\nSo the answer is:", add_special_tokens=False)["input_ids"]
    opening = [*model.prompt_tokens(pair, "text"), *cue]
    answer = tokenizer(f" {option}", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = (
            cast("Any", model.backbone).model(torch.tensor([[*opening, *answer]])).logits[0].float().log_softmax(-1)
        )
    return sum(float(logits[len(opening) - 1 + n, token]) for n, token in enumerate(answer))


def test_a_margin_is_how_much_more_one_option_gains_by_the_reply_than_the_other(model: Model) -> None:
    asked = [(PAIR, "I keep going."), (OTHER, "No rush."), (PAIR, "Enough.")]
    for (pair, reply), found in zip(asked, option_margins(model, asked), strict=True):
        gains = [log_prob(model, pair, reply, o) - log_prob(model, pair, "", o) for o in pair.choices]
        assert found.option == int(np.argmax(gains))
        assert found.margin == pytest.approx(abs(gains[0] - gains[1]), abs=1e-4)


def calibrated(right: list[bool]) -> pd.DataFrame:
    """Readings from the largest margin down."""
    return pd.DataFrame(
        {"answer": ["A" if r else "" for r in right], "read": "A", "margin": np.arange(len(right), 0, -1.0)}
    )


@pytest.mark.parametrize(
    ("right", "margin"),
    [
        ([True] * 30, 1.0),
        ([True] * 25 + [False] * 25, 26.0),  # 26 with the first wrong one are less than 99% right
        ([False] + [True] * 98, math.inf),  # 98 of 99
        ([True] * 99 + [False], 1.0),
        ([True] * 19, math.inf),  # too few to show anything
        ([False] * 50, math.inf),
    ],
)
def test_the_least_margin_is_that_from_which_on_99_of_100_are_right(right: list[bool], margin: float) -> None:
    assert least_margin(calibrated(right)) == margin


def test_the_labelled_replies_are_such_as_no_rule_reads_and_almost_half_answer_nothing() -> None:
    replies = labelled_replies()
    assert len(replies) >= 100
    assert 0.4 < sum(labelled.answer is None for labelled in replies) / len(replies) < 0.5
    for pair, reply, _ in replies:
        assert isinstance(pair.prompt, str)
        assert read_answer(reply, pair.choices, prompt=pair.prompt).reason in ("absent", "ambiguous"), reply
