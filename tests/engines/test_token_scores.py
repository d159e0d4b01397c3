"""Scores of single tokens: equal to a loop of whole passes with plain hooks, in any company."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import oracle
from sweeps import TOLERANCE, make_cells
from tiny import random_directions, random_pairs, tiny
from trimtab.engines import Model, score_tokens
from trimtab.errors import DataError, SettingError
from trimtab.models import Backbone, Text
from trimtab.steering import Intervention, Positions, PromptGate


def texts() -> list[Text]:
    return [Text(side, pair.prompt_length) for pair in random_pairs(4) for side in (pair.positive, pair.negative)]


def slowly(backbone: Backbone, text: Text, cell: Intervention | None) -> Tensor:
    """Log-probabilities [tokens behind the prompt, vocabulary] of one whole pass."""
    logits, _ = oracle.forward(backbone, text.tokens, cell, text.prompt_length)
    return logits[text.prompt_length - 1 : -1].double().log_softmax(-1)


@pytest.mark.parametrize("positions", [None, "all", "after_prompt"])
def test_every_token_equals_the_slow_loop(backbone: Backbone, positions: Positions | None) -> None:
    wanted = texts()
    cell = make_cells(backbone, positions)[4] if positions else None
    found = dict(score_tokens(Model(backbone), wanted, cell))
    assert sorted(found) == list(range(len(wanted)))
    for index, text in enumerate(wanted):
        whole = slowly(backbone, text, cell)
        behind = torch.tensor(text.tokens[text.prompt_length :])
        expected = whole.gather(1, behind[:, None])[:, 0]
        torch.testing.assert_close(found[index].log_prob.double(), expected, atol=TOLERANCE, rtol=0)
        assert found[index].total == pytest.approx(float(expected.sum()), abs=TOLERANCE * len(behind))
        assert found[index].greedy.tolist() == (whole.argmax(-1) == behind).tolist()


def test_a_greedy_reply_is_greedy_under_its_own_push_and_not_without_it(llama: Backbone) -> None:
    model, cell = Model(llama), make_cells(llama)[5]
    prompt = random_pairs(1)[0].positive[:9]
    from trimtab.engines import Request

    ((_, reply),) = model.replies([Request(prompt, cell, max_new_tokens=6)])
    text = Text((*prompt, *reply.tokens), len(prompt))
    ((_, steered),) = score_tokens(model, [text], cell)
    ((_, plain),) = score_tokens(model, [text])
    assert steered.is_greedy
    assert not plain.is_greedy
    assert steered.total > plain.total


def test_the_last_token_of_a_text_takes_no_place_in_the_context() -> None:
    backbone = tiny("gpt2")  # learned positions end at 256
    model, limit = Model(backbone), backbone.context.tokens
    tokens = tuple(3 + i % 200 for i in range(limit + 2))
    ((_, found),) = score_tokens(model, [Text(tokens[: limit + 1], 1)])
    assert len(found.log_prob) == limit
    with pytest.raises(DataError, match=f"takes {limit}"):
        list(score_tokens(model, [Text(tokens, 1)]))


def test_a_gate_on_the_prompt_is_decided_for_each_text(llama: Backbone) -> None:
    wanted, model, weight = texts(), Model(llama), random_directions(llama, seed=5)[2]
    means = [float(oracle.forward(llama, t.tokens[: t.prompt_length])[1][2, 1:].mean(0) @ weight) for t in wanted]
    middle = (max(means) + min(means)) / 2
    assert {mean > middle for mean in means} == {True, False}
    push = Intervention({1: random_directions(llama)[1]}, 0.6)
    gated = replace(push, gate=PromptGate(2, weight, -middle))
    found, pushed, plain = (dict(score_tokens(model, wanted, cell)) for cell in (gated, push, None))
    for index, mean in enumerate(means):
        expected = pushed if mean > middle else plain
        torch.testing.assert_close(found[index].log_prob, expected[index].log_prob, atol=TOLERANCE, rtol=0)
    with pytest.raises(SettingError, match="only one token"):
        list(score_tokens(model, [Text((3, 4, 5), 1)], gated))
