"""What cannot be asked of a vLLM engine is refused before anything is loaded, with what to do instead."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

import trimtab as tt
from trimtab.engines.vllm._options import check_options
from trimtab.errors import ModelError, SettingError
from trimtab.study import make_study, plan_study, run_study


@dataclass
class EngineArgs:
    """Some of vLLM's."""

    model: str = ""
    max_model_len: int = 0
    tensor_parallel_size: int = 1
    hf_overrides: Any = None


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much of vLLM as its options need."""
    module = ModuleType("vllm")
    module.EngineArgs = EngineArgs  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: module if name == "vllm" else found(name))


@pytest.fixture
def no_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "vllm" else found(name))


@pytest.mark.usefixtures("vllm")
def test_vllms_own_options_and_rows_are_taken() -> None:
    check_options({"max_model_len": 5, "tensor_parallel_size": 2, "rows": 7, "hf_overrides": {"a": 1}})


WRONG = [
    ({"model": "x"}, "'model' is set by trimtab"),
    ({"dtype": "float32"}, "'dtype' is set by trimtab"),
    ({"additional_config": {}}, "'additional_config' is set by trimtab"),
    ({"trust_remote_code": True}, r"'trust_remote_code': it is an argument of tt\.load"),
    ({"download_dir": "/tmp"}, "'download_dir': set the environment variable HF_HOME"),
    ({"revision": "abc"}, "'revision': trimtab knows a model by its name alone"),
    ({"tokenizer": "other"}, "put what you mean into a folder"),
    ({"data_parallel_size": 2}, "'data_parallel_size': one engine in this process has no copies"),
    ({"rows": 0}, "rows is a number from 1 on, not 0"),
    ({"rows": "many"}, "rows is a number from 1 on, not 'many'"),
    ({"hf_overrides": None}, "'hf_overrides' is a mapping"),
    ({"hf_overrides": "{}"}, "'hf_overrides' is a mapping"),
]


@pytest.mark.usefixtures("no_vllm")
@pytest.mark.parametrize(("given", "said"), WRONG)
def test_options_that_are_not_the_users_are_refused_also_where_vllm_is_not(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        check_options(given)


@pytest.mark.usefixtures("vllm")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tensor_paralel_size", "no engine option 'tensor_paralel_size'; did you mean 'tensor_parallel_size'"),
        ("quack", "no engine option 'quack'; they are the arguments of vLLM's EngineArgs"),
    ],
)
def test_misspelled_options_are_told_with_the_nearest(name: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        check_options({name: 1})


@pytest.mark.usefixtures("no_vllm")
def test_without_vllm_loading_says_how_to_install_it() -> None:
    with pytest.raises(ModelError, match=r"vLLM is not installed: pip install 'trimtab\[vllm\]'"):
        tt.load(engine="vllm")


def study(**options: Any) -> Any:
    models = [{"id": "smollm2-135m"}, {"id": "smollm2-135m", "engine": "vllm", "engine_options": options}]
    return make_study({"models": models, "behaviors": [{"source": "cheerful", "limit": 16}], "strengths": [0.1]})


@pytest.mark.usefixtures("vllm")
def test_a_study_tells_of_its_last_models_options_before_its_first_model_runs(tmp_path: Any) -> None:
    said: list[str] = []
    with pytest.raises(SettingError, match=r"smollm2-135m \(vllm\): vLLM has no engine option 'max_model_length'"):
        run_study(study(max_model_length=5), tmp_path / "run", progress=lambda what, done, total: said.append(what))
    assert not said
    assert not (tmp_path / "run").exists()
    with pytest.raises(SettingError, match="'max_model_length'; did you mean 'max_model_len'"):
        plan_study(study(max_model_length=5))


@pytest.mark.usefixtures("no_vllm")
def test_a_study_that_needs_vllm_says_so_first_and_is_planned_without_it(tmp_path: Any) -> None:
    with pytest.raises(ModelError, match=r"smollm2-135m \(vllm\): vLLM is not installed"):
        run_study(study(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert "smollm2-135m (vllm)" in plan_study(study(max_model_length=5)).text()
