"""`when` in a request's steering: the push is made where the request's own prompt meets a condition, and told of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from conditional import LAYER, monitor_of, projections
from served import STRENGTH, Served, ask, chat_model, events, library_for, refused, running, service_for
from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.models import Backbone
from trimtab.monitors import Monitor
from trimtab.serve.steering._vector_sources import RecommendedPush
from trimtab.serve.steering.steering_request import parse_steering
from trimtab.serve.steering.vector_library import NamedVector, VectorLibrary
from trimtab.steering import PromptGate, SteeringSetting

ASKED = ("Hello", "Say something else entirely, please")
WHEN = {"vector": "cheerful", "when": "polite"}


def parted_monitor(model: Model) -> tuple[Monitor, dict[str, bool]]:
    """A monitor, and which of the two messages meets it."""
    backbone = model.backbone
    assert isinstance(backbone, Backbone)
    weight = torch.randn(backbone.facts.width, generator=torch.Generator().manual_seed(5))
    along = projections(backbone, [model.tokens([Message(role="user", content=text)]) for text in ASKED], weight)
    middle = sum(along) / 2
    return monitor_of(backbone, weight, -middle), {text: at > middle for text, at in zip(ASKED, along, strict=True)}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    model = chat_model()
    monitors = {"polite": parted_monitor(model)[0]}
    vectors = list(library_for(model))
    gate = monitors["polite"].prompt_gate(0.5)
    recommended = RecommendedPush((1,), STRENGTH, SteeringSetting(gate=gate))
    vectors.append(NamedVector("gated", vectors[0].vector, recommended))
    library = VectorLibrary(vectors, monitors)
    with running(service_for(model, monitors=monitors, library=library)) as found:
        yield found


def body(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 8, **more}


def text_of(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


def test_each_request_is_decided_on_its_own_prompt(served: Served) -> None:
    _, opened = parted_monitor(served.model)
    assert set(opened.values()) == {True, False}
    for text, is_open in opened.items():
        plain = text_of(ask(served, **body(text)))
        pushed = text_of(ask(served, **body(text, steering="cheerful")))
        found = ask(served, **body(text, steering=WHEN))
        assert plain != pushed
        assert text_of(found) == (pushed if is_open else plain)
        about = found["steering_applied"]
        assert about["when"]["opened"] == [is_open]
        assert about["when"]["text"] == "only where the prompt scores above 0.5 for polite (its mean state, layer 2)"
        assert (about["tokens_at_positions"] > 0) == is_open


def test_a_stream_and_several_choices_say_the_same(served: Served) -> None:
    for text, is_open in parted_monitor(served.model)[1].items():
        *_, last = events(served, **body(text, steering=WHEN, n=2))
        assert last["steering_applied"]["when"]["opened"] == [is_open] * 2


def test_a_recommended_setting_brings_its_condition_and_a_request_may_change_it(served: Served) -> None:
    library = served.service.library
    for given in ("gated", {"vector": "gated"}, "0.2 gated", {"vector": "gated", "layers": [2], "strength": 0.3}):
        found = parse_steering(given, library)
        assert found is not None
        assert all(isinstance(part.gate, PromptGate) for part in found.intervention.parts())
    always = parse_steering({"vector": "gated", "when": "always"}, library)
    assert always is not None
    assert always.gate is None
    assert always.intervention is parse_steering("cheerful", library).pushed or not always.intervention.prompt_gates  # type: ignore[union-attr]
    other = parse_steering({"vector": "gated", "when": {"monitor": "polite", "above": 0.9, "reads": "last"}}, library)
    assert other is not None
    assert other.gate is not None
    assert (other.gate.read, other.gate.layer) == ("last", LAYER)
    assert len({one.hash for one in (always, other, parse_steering("gated", library)) if one is not None}) == 3
    with pytest.raises(SettingError, match="different conditions"):
        parse_steering("0.1 gated + 0.1 cheerful", library)
    both = parse_steering({"pushes": ["gated@0.1", "cheerful@0.1"], "when": "polite"}, library)
    assert both is not None
    assert len(both.intervention.parts()) == 1, "pushes under one condition are added up as ever"


def test_the_same_steering_is_the_same_object_so_that_requests_run_together(served: Served) -> None:
    library = served.service.library
    one, other = (parse_steering(WHEN, library) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.intervention is other.intervention


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("kind", "no monitor 'kind'"),
        ({"monitor": "polite", "above": 1}, "not a probability"),
        ({"monitor": "polite", "above": "0.5"}, "not a probability"),
        ({"monitor": "polite", "reads": "first"}, "none of mean, last"),
        ({"monitor": "polite", "treshold": 0.3}, "unknown key 'treshold'"),
        ({"above": 0.3}, "names no monitor"),
        (["polite"], "the name of a monitor"),
    ],
)
def test_what_is_no_condition_is_refused_in_words(served: Served, when: Any, words: str) -> None:
    found = refused(served, **body(ASKED[0], steering={"vector": "cheerful", "when": when}))
    assert words in found["message"]


def test_a_trial_and_a_comparison_know_it(served: Served) -> None:
    tried = ask(served, "/v1/steering/validate", steering=WHEN)
    assert tried["valid"]
    assert tried["trial"]["tokens_changed"] > 0, "the push itself is tried, whatever the condition says"
    for text, is_open in parted_monitor(served.model)[1].items():
        messages = [{"role": "user", "content": text}]
        found = ask(served, "/v1/steering/compare", messages=messages, reply="A reply of some words.", steering=WHEN)
        assert (found["mean_kl"] > 0) == is_open
        assert found["steering_applied"]["when"]["opened"] == [is_open]
    refused(served, path="/v1/steering/gguf", steering=WHEN)


def test_the_list_of_vectors_says_it(served: Served) -> None:
    with served.client() as http:
        listed = {one["name"]: one for one in http.get("/v1/steering/vectors").json()["data"]}
    assert listed["gated"]["recommended"]["when"].startswith("only where the prompt scores above 0.5")
    assert "when" not in listed["cheerful"]["recommended"]
