"""States of every token behind a prompt, whatever the texts share and however they are batched."""

from __future__ import annotations

import pytest

import oracle
from sweeps import padded, with_budget
from tiny import random_pairs, vector_for
from trimtab.engines import Model, TransformersEngine
from trimtab.errors import SettingError
from trimtab.models import Backbone, Text

PAIRS = random_pairs(4)
TEXTS = [Text(text, pair.prompt_length) for pair in PAIRS for text in (pair.positive, pair.negative)]
TEXTS += [Text(PAIRS[0].positive, 1), Text(PAIRS[2].negative[:4], 3)]


def assert_right(engine: TransformersEngine, layers: list[int]) -> None:
    seen = set()
    for index, states in engine.states(TEXTS, layers):
        text = TEXTS[index]
        expected = oracle.forward(engine.backbone, text.tokens)[1][layers, text.prompt_length :].transpose(0, 1)
        error = (states - expected).norm(dim=-1) / expected.norm(dim=-1)
        assert float(error.max()) < 5e-5
        seen.add(index)
    assert seen == set(range(len(TEXTS)))


def test_states_are_those_of_each_text_alone(backbone: Backbone) -> None:
    assert_right(TransformersEngine(backbone), [0, 2, 3])


def test_some_layers_are_those_of_all(llama: Backbone) -> None:
    for layers in ([1], [3], [0, 1, 2, 3]):
        assert_right(TransformersEngine(llama), layers)


@pytest.mark.parametrize("tokens", [1, 40])
def test_any_budget_gives_the_same(llama: Backbone, tokens: int) -> None:
    assert_right(with_budget(llama, tokens=tokens), [2])
    assert_right(padded(llama), [2])


def test_a_layer_that_is_not_there_is_refused(llama: Backbone) -> None:
    with pytest.raises(SettingError, match="layer 4 is out of range"):
        list(TransformersEngine(llama).states(TEXTS, [1, 4]))


def test_a_steered_model_is_not_read(llama: Backbone) -> None:
    model = Model(llama)
    with model.steer(vector_for(llama), layer=1), pytest.raises(SettingError, match="being steered"):
        model.states(TEXTS, [1])
