"""What a study file may say of a model: what runs it, and how much of a cluster it takes."""

from __future__ import annotations

from typing import Any

import pytest

from trimtab.errors import SettingError
from trimtab.study import _model_runner, make_study

VLLM = {"id": "m", "engine": "vllm"}


def study(*models: Any) -> Any:
    return make_study({"models": list(models), "behaviors": ["cheerful"]})


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"id": "m", "engine": "vlm"}, "models.0.engine"),
        (
            {"id": "m", "engine_options": {"tensor_parallel_size": 8}},
            "no engine_options but max_writing_hours, so not tensor_parallel_size; write `engine: vllm`",
        ),
        ({**VLLM, "device": "cuda"}, "vLLM finds its devices itself"),
        ({**VLLM, "quantization": "bnb-4bit"}, r"vLLM has its own, engine_options: \{quantization"),
        ({"id": "m", "quantization": "bnb4bit"}, "did you mean 'bnb-4bit'"),
        ({"id": "m", "quantization": {"bits": 4}}, "quant_method"),
        ({**VLLM, "engine_options": {"tensor_parallel_size": "8"}}, "tensor_parallel_size is a number from 1 on"),
        ({**VLLM, "resources": {"gpu": 8}}, "did you mean 'gpus'"),
        ({**VLLM, "resources": {"gpus": 1.5}}, "whole number"),
        ({**VLLM, "resources": {"cpus": 0}}, "models.0.resources.cpus"),
        ({**VLLM, "device": {"": 0}}, "vLLM finds its devices itself"),
        ({"id": "m", "device": {"model": 0.5}}, "models.0.device"),
    ],
)
def test_what_cannot_be_meant_is_refused(model: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        study(model)


def test_the_same_model_on_two_engines_has_two_names() -> None:
    assert [m.label for m in study("m", VLLM).models] == ["m", "m (vllm)"]
    assert [m.label for m in study(VLLM, "m").models] == ["m (vllm)", "m"]
    assert [m.label for m in study(VLLM, "other").models] == ["m", "other"]
    assert [m.label for m in study({**VLLM, "name": "fast"}, "m").models] == ["fast", "m"]


def test_twice_on_the_same_engine_needs_a_name() -> None:
    with pytest.raises(SettingError, match="named twice"):
        study(VLLM, VLLM)
    with pytest.raises(SettingError, match="named twice"):
        study("m", VLLM, VLLM)


def test_the_engine_is_part_of_the_run_and_how_it_is_spread_is_not() -> None:
    spread = {**VLLM, "engine_options": {"tensor_parallel_size": 8}, "resources": {"gpus": 8, "cpus": 4}}
    assert study(spread).identity(["h"]) == study(VLLM).identity(["h"])
    assert study("m").identity(["h"]) != study(VLLM).identity(["h"])


def test_settings_of_a_run_are_read_back_as_they_were() -> None:
    before = study("m", {**VLLM, "engine_options": {"tensor_parallel_size": 2, "enforce_eager": True}})
    assert make_study(before.model_dump(mode="json")) == before


def test_engine_and_options_reach_the_model_and_it_is_closed_whatever_happens(
    llama: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from trimtab.engines import Model
    from trimtab.engines.vllm import _options
    from trimtab.study import run_study

    loaded, closed = list[dict[str, Any]](), list[Model]()

    def load(name: str, **asked: Any) -> Model:
        loaded.append(asked)
        return Model(llama)

    monkeypatch.setattr(_model_runner, "load", load)
    monkeypatch.setattr(_options, "require_vllm", lambda: None)  # it is not needed: nothing is loaded
    monkeypatch.setattr(Model, "close", lambda model: closed.append(model))
    given = {"max_num_seqs": 16}
    with pytest.raises(SettingError, match="layer"):
        run_study(
            make_study(
                {
                    "models": [{**VLLM, "engine_options": given}],
                    "behaviors": [{"source": "cheerful", "limit": 16}],
                    "layers": "9",
                }
            ),
            tmp_path / "run",
        )
    placed = {"dtype": "auto", "device": "auto", "quantization": "", "stream": None, "tensor_parallel": False}
    asked = {"template": "chat", "thinking": "off", "system_role": "system"}
    assert loaded == [{**placed, **asked, "engine": "vllm", "engine_options": given}]
    assert len(closed) == 1


def test_engine_options_that_shape_numbers_make_another_run() -> None:
    quantized = study({**VLLM, "engine_options": {"quantization": "fp8", "tensor_parallel_size": 2}})
    assert quantized.identity(["h"]) != study(VLLM).identity(["h"])
    alone = study({**VLLM, "engine_options": {"quantization": "fp8"}})
    assert quantized.identity(["h"]) == alone.identity(["h"])


def test_a_quantization_is_part_of_the_run_and_none_is_as_before() -> None:
    quantized = study({"id": "m", "quantization": "bnb-4bit"})
    assert quantized.identity(["h"]) != study("m").identity(["h"])
    assert quantized.identity(["h"]) != study({"id": "m", "quantization": "bnb-8bit"}).identity(["h"])
    assert study({"id": "m", "quantization": ""}).identity(["h"]) == study("m").identity(["h"])


def test_a_model_in_several_places_is_placed_by_its_study_and_takes_its_gpus_of_a_cluster() -> None:
    places = {"": 0, "model.layers.3": "cuda:1", "model.layers.4": "disk"}
    model = study({"id": "m", "device": places}).models[0]
    assert model.load_options["device"] == places
    assert model.divided == 2
    assert study({"id": "m", "device": places}).identity(["h"]) != study({"id": "m"}).identity(["h"])
