"""The admission of a server: what it cannot do it refuses, as a bad request of its own, and goes on."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from trimtab.engines.vllm.guard.admission import admission_of, admitted, deliver, deliver_async
from trimtab.engines.vllm.plugin import seams
from trimtab.engines.vllm.plugin.plugin_settings import asked_for
from trimtab.engines.vllm.plugin.register import _admitting, _refuse_beams
from trimtab.engines.vllm.plugin.vector_table import content_name
from trimtab.engines.vllm.wire.spec import KEY, Push, Read, Spec, parse_spec
from trimtab.vectors import Provenance, SteeringVector


class VLLMValidationError(Exception):
    """Stands for vLLM's: the only kind that its servers answer as a bad request."""


@pytest.fixture(autouse=True)
def vllm(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """As much of vLLM as the admission needs."""
    module, errors = ModuleType("vllm"), ModuleType("vllm.exceptions")
    module.__version__ = f"{seams.SUPPORTED[-1]}.0"  # type: ignore[attr-defined]
    errors.VLLMValidationError = VLLMValidationError  # type: ignore[attr-defined]
    monkeypatch.setattr(
        seams,
        "_reason",
        lambda version: "" if version.startswith(seams.SUPPORTED) else f"vLLM {version} is not supported",
    )
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


class Params(SimpleNamespace):
    """VLLM's sampling parameters, as far as the admission looks at them."""

    def clone(self) -> Params:
        return Params(**vars(self))


def asking(given: Any) -> Any:
    return Params(extra_args={KEY: given, "other": 1})


def spec(name: str = "cheerful", layer: int = 1) -> Spec:
    return Spec((Push(name, (layer,), 1.0),))


@pytest.mark.parametrize("config", [None, {}, {"other": 1}])
def test_a_server_that_does_not_steer_refuses_steering_and_says_how_to_start_it(config: Any) -> None:
    with pytest.raises(VLLMValidationError, match="does not steer: start it with --additional-config"):
        admitted(processor(config), asking(spec().to_json()))


@pytest.mark.parametrize("params", [SimpleNamespace(extra_args=None), SimpleNamespace(extra_args={"x": 1}), object()])
@pytest.mark.parametrize("config", [None, {KEY: {}}])
def test_requests_without_steering_come_in_anywhere(config: Any, params: Any) -> None:
    assert admitted(processor(config), params) is params


def test_steering_that_can_be_done_comes_in_with_its_vectors_named_by_content(steering: Any) -> None:
    asked = asking(spec().to_json())
    known = admitted(steering, asked)
    assert asked.extra_args[KEY] == spec().to_json(), "the caller's own parameters stay as they are"
    assert known.extra_args["other"] == 1
    (push,) = parse_spec(known.extra_args[KEY]).pushes
    assert push.vector in admission_of(steering).vectors
    assert (push.layers, push.strength) == ((1,), 1.0)
    assert admitted(steering, known) is known, "what is known by its content goes on as it is"


class Engine:
    """VLLM's engine, as far as vectors are delivered through it."""

    def __init__(self, processor: Any):
        self.input_processor, self.asked = processor, list[tuple[str, tuple[Any, ...]]]()

    def collective_rpc(self, method: str, args: tuple[Any, ...]) -> None:
        self.asked.append((method, args))


class AsyncEngine(Engine):
    """The same of a server."""

    async def collective_rpc(self, method: str, args: tuple[Any, ...]) -> None:  # type: ignore[override]
        self.asked.append((f"{method} begins", args))
        await asyncio.sleep(0.01)
        self.asked.append((method, args))


def test_workers_get_a_vector_before_the_first_request_that_names_it(steering: Any) -> None:
    engine = Engine(steering)
    for _ in range(2):
        known = admitted(steering, asking(spec().to_json()))
        deliver(engine, known)
    ((method, (name, content)),) = engine.asked
    assert method == "trimtab_register"
    assert name == content_name(content) == parse_spec(known.extra_args[KEY]).pushes[0].vector


def test_requests_of_a_server_wait_for_a_vector_that_is_on_its_way(steering: Any) -> None:
    engine = AsyncEngine(steering)

    async def request(number: int) -> None:
        await deliver_async(engine, admitted(steering, asking(spec().to_json())))
        engine.asked.append((f"request {number}", ()))

    async def both() -> None:
        await asyncio.gather(request(1), request(2))

    asyncio.run(both())
    assert [what for what, _ in engine.asked[:2]] == ["trimtab_register begins", "trimtab_register"]
    assert {what for what, _ in engine.asked[2:]} == {"request 1", "request 2"}


def test_requests_without_steering_bring_nothing(steering: Any) -> None:
    engine = Engine(steering)
    deliver(engine, Params(extra_args=None))
    assert engine.asked == []


def test_a_text_that_comes_bit_by_bit_is_not_steered(steering: Any) -> None:
    with pytest.raises(VLLMValidationError, match="bit by bit"):
        admitted(steering, asking(spec().to_json()), resumable=True)
    plain = Params(extra_args=None)
    assert admitted(steering, plain, resumable=True) is plain


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
        admitted(steering, asking(given))
    admitted(steering, asking(spec().to_json()))


def test_states_that_nobody_could_fetch_are_not_kept(steering: Any) -> None:
    reading = Spec(read=Read(0, 3, (1,)))
    with pytest.raises(VLLMValidationError, match="keeps no states"):
        admitted(steering, asking(reading.to_json()))
    admitted(processor(asked_for()), asking(reading.to_json()))


def test_a_vllm_of_another_version_is_refused_when_it_is_to_steer(steering: Any, vllm: ModuleType) -> None:
    vllm.__version__ = "0.99.0"  # type: ignore[attr-defined]
    with pytest.raises(VLLMValidationError, match=r"vLLM 0\.99\.0 is not supported"):
        admitted(steering, asking(spec().to_json()))
    admitted(steering, SimpleNamespace(extra_args=None))


def test_settings_that_cannot_be_meant_are_told_to_whoever_asks_for_steering() -> None:
    with pytest.raises(VLLMValidationError, match="unknown setting 'row'"):
        admitted(processor({KEY: {"row": 3}}), asking(spec().to_json()))


def test_what_comes_in_goes_on_to_vllm_as_it_is_admitted(steering: Any) -> None:
    def process(self: Any, request: str, prompt: Any, params: Any, *more: Any, **named: Any) -> Any:
        return self, request, prompt, params, more, named

    params = asking(spec().to_json())
    found = _admitting(process)(steering, "a", [1], params, "tasks", priority=1)
    assert found == (steering, "a", [1], admitted(steering, params), ("tasks",), {"priority": 1})
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
