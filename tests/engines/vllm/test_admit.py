"""The door of a server: what it cannot do it refuses, as a bad request of its own, and goes on."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from trimtab.engines.vllm.plugin import _admitting, _refuse_beams, admit, vectors_of
from trimtab.engines.vllm.settings import SUPPORTED, asked_for
from trimtab.engines.vllm.spec import KEY, Push, Read, Spec
from trimtab.vectors.steering_vector import Provenance, SteeringVector


class VLLMValidationError(Exception):
    """Stands for vLLM's: the only kind that its servers answer as a bad request."""


@pytest.fixture(autouse=True)
def vllm(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As much of vLLM as the door needs."""
    module, errors = ModuleType("vllm"), ModuleType("vllm.exceptions")
    module.__version__ = f"{SUPPORTED[-1]}.0"  # type: ignore[attr-defined]
    errors.VLLMValidationError = VLLMValidationError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setitem(sys.modules, "vllm.exceptions", errors)
    return module


def processor(additional_config: Any) -> Any:
    """VLLM's input processor, of a model of 4 layers × 6."""
    model = SimpleNamespace(hf_text_config=SimpleNamespace(num_hidden_layers=4), get_hidden_size=lambda: 6)
    return SimpleNamespace(vllm_config=SimpleNamespace(additional_config=additional_config, model_config=model))


@pytest.fixture
def steering(tmp_path: Path) -> Any:
    """A server with one vector in its folder."""
    made = Provenance("m", "", "cheerful", "", 1, "mean", "", "", "", "")
    SteeringVector(torch.ones(4, 6), torch.ones(4), made).save(tmp_path / "cheerful.safetensors")
    return processor({KEY: {"vectors": str(tmp_path)}})


def asking(given: Any) -> Any:
    return SimpleNamespace(extra_args={KEY: given})


def spec(name: str = "cheerful", layer: int = 1) -> Spec:
    return Spec((Push(name, (layer,), 1.0),))


@pytest.mark.parametrize("config", [None, {}, {"other": 1}])
def test_a_server_that_does_not_steer_refuses_steering_and_says_how_to_start_it(config: Any) -> None:
    with pytest.raises(VLLMValidationError, match="does not steer: start it with --additional-config"):
        admit(processor(config), asking(spec().to_json()))


@pytest.mark.parametrize("params", [SimpleNamespace(extra_args=None), SimpleNamespace(extra_args={"x": 1}), object()])
@pytest.mark.parametrize("config", [None, {KEY: {}}])
def test_requests_without_steering_come_in_anywhere(config: Any, params: Any) -> None:
    admit(processor(config), params)


def test_steering_that_can_be_done_comes_in(steering: Any) -> None:
    admit(steering, asking(spec().to_json()))
    assert vectors_of(steering) is vectors_of(steering), "the vectors are read once"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("?", "not JSON"),
        (3, "not an object"),
        (["cheerful"], "not an object"),
        ('{"layer": 3}', "unknown key 'layer'"),
        (spec("nobody").to_json(), "no vector 'nobody'; the folder has cheerful"),
        (spec("../cheerful").to_json(), "no vector"),
        (spec(layer=4).to_json(), "layer 4 is out of range: this model has layers 0 to 3"),
    ],
)
def test_steering_that_cannot_be_done_is_a_bad_request(steering: Any, given: Any, said: str) -> None:
    with pytest.raises(VLLMValidationError, match=said):
        admit(steering, asking(given))
    admit(steering, asking(spec().to_json()))


def test_states_that_nobody_could_fetch_are_not_kept(steering: Any) -> None:
    reading = Spec(read=Read(0, 3, (1,)))
    with pytest.raises(VLLMValidationError, match="keeps no states"):
        admit(steering, asking(reading.to_json()))
    admit(processor(asked_for()), asking(reading.to_json()))


def test_a_vllm_of_another_version_is_refused_when_it_is_to_steer(steering: Any, vllm: ModuleType) -> None:
    vllm.__version__ = "0.99.0"  # type: ignore[attr-defined]
    with pytest.raises(VLLMValidationError, match=r"vLLM 0\.99\.0 is not supported"):
        admit(steering, asking(spec().to_json()))
    admit(steering, SimpleNamespace(extra_args=None))


def test_settings_that_cannot_be_meant_are_told_to_whoever_asks_for_steering() -> None:
    with pytest.raises(VLLMValidationError, match="unknown setting 'row'"):
        admit(processor({KEY: {"row": 3}}), asking(spec().to_json()))


def test_what_comes_in_goes_on_to_vllm_unchanged(steering: Any) -> None:
    def process(self: Any, request: str, prompt: Any, params: Any, *more: Any, **named: Any) -> Any:
        return self, request, prompt, params, more, named

    params = asking(spec().to_json())
    assert _admitting(process)(steering, "a", [1], params, "tasks", priority=1) == (
        steering,
        "a",
        [1],
        params,
        ("tasks",),
        {"priority": 1},
    )
    with pytest.raises(VLLMValidationError):
        _admitting(process)(steering, "a", [1], asking("?"))


def test_beam_search_is_refused_where_it_would_not_be_steered(monkeypatch: pytest.MonkeyPatch) -> None:
    class Request:
        def __init__(self, **xargs: Any):
            self.vllm_xargs = xargs or None

        def to_beam_search_params(self, max_tokens: int) -> int:
            return max_tokens

    protocol = ModuleType("protocol")
    protocol.Request = Request  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm.entrypoints.openai.completion.protocol", protocol)
    _refuse_beams()
    assert Request().to_beam_search_params(5) == 5
    assert Request(other=1).to_beam_search_params(5) == 5
    with pytest.raises(VLLMValidationError, match="beam search is not steered"):
        Request(trimtab="{}").to_beam_search_params(5)
