"""What replies are read beside: ordinary text and other prompts, and that the numbers are those of a slow loop."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

import oracle
from tiny import tiny, vector_for
from trimtab.analysis import REPLIES
from trimtab.data import NEUTRAL_TEXTS, Pair
from trimtab.engines import Model
from trimtab.evaluation import OTHER_PROMPTS, Grid, ReplyTask, reply_batches, reply_references
from trimtab.evaluation.reply_measures.reply_references import nats_of_replies, other_prompts
from trimtab.models import ContextLimit
from trimtab.steering import Cell, SteeringSetting

PAIRS = [Pair(f"p{n}", f"What is topic {n} about{'?' * n}", f"yes it is {n}", f"no {n} is not") for n in range(9)]
GRID = Grid(((1,),), (-0.4, 0.4), SteeringSetting("relative"))


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny("llama"))


def slowly(model: Model, prompt: tuple[int, ...], reply: tuple[int, ...]) -> float:
    """Nats per token, without any batch or cache."""
    log_probs = oracle.forward(cast("Any", model.backbone), (*prompt, *reply))[0].double().log_softmax(-1)
    places = range(len(prompt) - 1, len(prompt) + len(reply) - 1)
    return float(np.mean([-float(log_probs[place, token]) for place, token in zip(places, reply, strict=True)]))


def test_other_prompts_are_always_the_same_ones_and_ask_something_else() -> None:
    again = replace(PAIRS[0], id="again", prompt="What  is topic 0 about")
    for pair in PAIRS:
        drawn = other_prompts(pair, PAIRS)
        assert len(drawn) == OTHER_PROMPTS
        assert pair not in drawn
        assert drawn == other_prompts(pair, PAIRS[::-1])
    assert again not in other_prompts(PAIRS[0], [*PAIRS, again])
    assert [p.prompt for p in other_prompts(again, PAIRS)] != [p.prompt for p in other_prompts(PAIRS[1], PAIRS)]
    assert other_prompts(PAIRS[0], [PAIRS[0], again]) == []
    assert other_prompts(PAIRS[0], PAIRS[:2]) == [PAIRS[1]]


def test_not_all_prompts_are_compared_with_the_same_others() -> None:
    assert len({tuple(other.id for other in other_prompts(pair, PAIRS)) for pair in PAIRS}) > OTHER_PROMPTS


def test_ordinary_text_is_the_median_neutral_passage(model: Model) -> None:
    found = reply_references(model, [("select", PAIRS[0])], {"select": PAIRS[:1]})
    texts = [tuple(model.backbone.tokenizer(text)["input_ids"]) for text in NEUTRAL_TEXTS]
    values = [slowly(model, tokens[:1], tokens[1:]) for tokens in texts]
    assert found.ordinary == pytest.approx(statistics.median(values), abs=1e-4)
    assert found.others == {("select", "p0"): []}
    assert reply_references(model, [], {}, ordinary=1.25).ordinary == 1.25


def test_replies_are_read_behind_their_own_prompts_and_others(model: Model) -> None:
    references = reply_references(model, [("select", pair) for pair in PAIRS], {"select": PAIRS})
    tasks = [ReplyTask("select", pair, cell) for pair in PAIRS[:3] for cell in (Cell((1,), 0.4), Cell((1,), -0.4))]
    requests = {pair.id: model.prompt_tokens(pair, "text") for pair in PAIRS}
    read = [(requests[task.pair.id], (5, 9, 7, 5)[: 1 + place % 4]) for place, task in enumerate(tasks)]
    others = [references.others["select", task.pair.id] for task in tasks]
    own, elsewhere = nats_of_replies(model, read, others)
    for place, (prompt, reply) in enumerate(read):
        assert own[place] == pytest.approx(slowly(model, prompt, reply), abs=1e-4)
        behind = [slowly(model, other, reply) for other in others[place]]
        assert elsewhere[place] == pytest.approx(np.mean(behind), abs=1e-4)
    frames = reply_batches(
        model, vector_for(model.backbone), GRID, tasks, "kind", max_new_tokens=4, references=references
    )
    (table,) = frames
    assert tuple(table.columns) == REPLIES
    assert (table["nll_ordinary"] == references.ordinary).all()
    assert (table["nll_other"].isna() == (table["tokens"] == 0)).all()


def test_an_empty_reply_and_a_prompt_without_others_have_no_number(model: Model) -> None:
    prompt = model.prompt_tokens(PAIRS[0], "text")
    own, elsewhere = nats_of_replies(model, [(prompt, ()), (prompt, (5, 6))], [[prompt[:4]], []])
    assert math.isnan(own[0])
    assert math.isnan(elsewhere[0])
    assert own[1] == pytest.approx(slowly(model, prompt, (5, 6)), abs=1e-4)
    assert math.isnan(elsewhere[1])


def test_prompts_behind_which_a_reply_does_not_fit_are_left_out() -> None:
    prompt = (3, 4, 5)
    short = Model(replace(tiny("llama"), context=ContextLimit(8, hard=True)))
    own, elsewhere = nats_of_replies(short, [(prompt, (6, 7, 8))], [[(9,) * 7, (3, 9)]])
    assert own[0] == pytest.approx(slowly(short, prompt, (6, 7, 8)), abs=1e-4)
    assert elsewhere[0] == pytest.approx(slowly(short, (3, 9), (6, 7, 8)), abs=1e-4)
