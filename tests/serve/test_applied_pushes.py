"""What replies and `validate` say that a push did: tokens at its positions, and tokens that it changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

import oracle
from served import NAME, Served, ask, chat_model, refused, running, service_for
from tiny import CHAT_TEMPLATE, random_directions, tiny_model, tiny_tokenizer, vector_for
from trimtab.engines import Model
from trimtab.models import Backbone, wrap
from trimtab.serve.openai.conversation_fields import chat_tokens
from trimtab.serve.steering.vector_library import NamedVector, VectorLibrary

MESSAGES: Any = [{"role": "user", "content": "Hello"}]
PLAIN = {"messages": MESSAGES, "temperature": 0, "max_tokens": 12}
VALIDATE = "/v1/steering/validate"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(service_for(chat_model())) as found:
        yield found


@pytest.fixture(scope="module")
def rounding() -> Iterator[Served]:
    """In bfloat16, where small pushes are rounded away; its vector has one direction, in which no state is near 0."""
    backbone = wrap(tiny_model("llama").to(torch.bfloat16), tiny_tokenizer(CHAT_TEMPLATE), name=NAME)
    model = Model(backbone)
    texts = [*MESSAGES, {"role": "user", "content": "How was your day?"}]
    rows = [oracle.forward(backbone, model.tokens([message]))[1][1].float().abs() for message in texts]
    place = int(torch.cat(rows).min(0).values.argmax())
    vector = vector_for(backbone)
    narrow = torch.zeros_like(vector.direction)
    narrow[:, place] = 1.0
    library = VectorLibrary([NamedVector("narrow", replace(vector, direction=narrow))])
    with running(service_for(model, library=library)) as found:
        yield found


def cap(strength: float, scale: str = "cap") -> dict[str, Any]:
    return {"vector": "raw", "layers": [1], "strength": strength, "scale": scale}


@pytest.mark.parametrize("scale", ["cap", "floor"])
def test_a_bound_that_nothing_reaches_changes_no_token_and_says_so(served: Served, scale: str) -> None:
    far = cap(1000.0 if scale == "cap" else -1000.0, scale)
    found = ask(served, **PLAIN, steering=far)["steering_applied"]
    assert found["tokens_at_positions"] > 12
    assert found["tokens_changed"] == 0
    trial = ask(served, VALIDATE, steering=far)["trial"]
    assert trial["tokens_changed"] == 0
    assert "already" in trial["warning"]


def test_tokens_changed_are_those_that_the_bound_moves(served: Served) -> None:
    backbone = served.model.backbone
    assert isinstance(backbone, Backbone)
    vector = served.service.library.get("raw").vector.direction[1]
    prompt = chat_tokens(served.model, MESSAGES)
    states = oracle.forward(backbone, prompt)[1][1][1:]  # the first token is left alone
    projections = states @ (vector / vector.norm())
    bound = float(projections.median() + projections.min()) / 2
    above = int((projections > bound).sum())
    assert 0 < above < len(projections)
    steering = cap(bound / float(vector.norm()))
    openai = {**PLAIN, "max_tokens": 1, "steering": steering}
    ollama = {"model": NAME, "messages": MESSAGES, "options": {"num_predict": 1}, "stream": False, "steering": steering}
    for path, message in (("/v1/chat/completions", openai), ("/api/chat", ollama)):
        found = ask(served, path, **message)["steering_applied"]
        assert found["tokens_at_positions"] == len(prompt) - 1
        assert found["tokens_changed"] == above


def test_a_push_that_always_moves_has_no_second_number(served: Served) -> None:
    assert "tokens_changed" not in ask(served, **PLAIN, steering="cheerful")["steering_applied"]
    trial = ask(served, VALIDATE, steering="cheerful")["trial"]
    assert trial["tokens_changed"] == trial["tokens_at_positions"] > 0
    assert "warning" not in trial


def test_a_strength_that_is_rounded_away_is_refused_before_and_by_the_request(rounding: Served) -> None:
    steering = {"vector": "narrow", "layers": [1], "strength": 1e-6}
    found = ask(rounding, VALIDATE, steering=steering)
    assert found["valid"] is False
    assert "bfloat16" in found["reason"]
    assert "bfloat16" in refused(rounding, **PLAIN, steering=steering)["message"]


def test_a_strength_that_is_rounded_away_at_some_tokens_is_warned_of(rounding: Served) -> None:
    for strength in (3e-5, 1e-4, 3e-4, 6e-4, 1.2e-3, 2.4e-3):
        found = ask(rounding, VALIDATE, steering={"vector": "narrow", "layers": [1], "strength": strength})
        if found["valid"] and found["trial"]["tokens_changed"] < found["trial"]["tokens_at_positions"]:
            break
    else:
        pytest.fail("no strength is rounded away at some tokens")
    assert "rounded away" in found["trial"]["warning"]


def test_positions_that_the_trial_has_no_token_at_are_no_verdict(served: Served) -> None:
    found = ask(served, VALIDATE, steering={"vector": "cheerful", "positions": "after:200"})
    assert found["valid"] is True
    assert "no token" in found["trial"]["warning"]


@pytest.mark.parametrize("scale", ["raw", "relative"])
def test_several_pushes_at_one_layer_give_the_reply_that_the_model_gives_under_them(scale: str) -> None:
    model, strength = chat_model(), 0.6 if scale == "relative" else 3.0
    vectors = {
        name: replace(vector_for(model.backbone), direction=random_directions(model.backbone, seed))
        for seed, name in enumerate("vw")
    }
    library = VectorLibrary([NamedVector(name, vector) for name, vector in vectors.items()])
    v, w = ({"vector": name, "layers": [1], "strength": strength, "scale": scale} for name in "vw")
    with running(service_for(model, library=library)) as own:
        replies = [
            ask(own, **PLAIN, steering=steering)["choices"][0]["message"]["content"]
            for steering in ([v, w], [w, v], [v], None)
        ]
    assert replies[0] == replies[1]
    assert len(set(replies)) == 3
    for first, second in ("vw", "wv"):
        with (
            model.steer(vectors[first], layer=1, strength=strength, scale=scale),
            model.steer(vectors[second], layer=1, strength=strength, scale=scale),
        ):
            assert model.generate([MESSAGES], max_new_tokens=12)[0] == replies[0]


def test_entries_that_are_zero_do_not_count_for_the_rest_of_a_push_that_is_rounded_away(rounding: Served) -> None:
    """A vector of all directions: where a state is zero or nearly, any push survives."""
    vector = vector_for(rounding.model.backbone)
    rounding.service.library.add(NamedVector("wide", vector))
    for strength in (1e-9, 1e-6):
        found = ask(rounding, VALIDATE, steering={"vector": "wide", "layers": [1], "strength": strength})
        assert found["valid"] is False
        assert "bfloat16" in found["reason"]
    assert ask(rounding, VALIDATE, steering={"vector": "wide", "layers": [1], "strength": 0.05})["valid"]
