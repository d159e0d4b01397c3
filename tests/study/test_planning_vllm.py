"""Plans of models that vLLM runs: requests are counted, texts that begin alike are not, and time is not estimated."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer
from trimtab.study import make_study, plan_study

FACTS = {"layers": 12, "width": 64, "heads": 4, "kv_heads": 2, "parameters": "60B"}
MODEL = {"id": "nobody/nothing", "facts": FACTS}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.study.plan._estimates.hub_answers", lambda: False)


def plan(*engines: str, accelerator: str | None = "h100", model: dict[str, Any] = MODEL, **changes: Any) -> Any:
    models = [{**model, "engine": engine, "name": engine} for engine in engines]
    return plan_study(make_study({"models": models, "strengths": [-1, 1], **changes}), accelerator)


def test_every_cell_of_every_row_is_a_request_and_runs_all_of_its_tokens() -> None:
    (choice, text) = plan("vllm", behaviors=["corrigible", "cheerful"]).models[0].steps
    cells = 2 * 12
    assert choice.passes == 2 * choice.pairs + choice.prompts * (1 + cells)
    assert text.passes == 2 * text.pairs + 2 * text.prompts * (1 + cells)
    for step in (choice, text):
        assert step.tokens == step.naive_tokens
        assert step.kept_tokens == 0
        assert step.samples == step.prompts * (1 + cells)


def test_the_same_samples_are_planned_on_either_engine() -> None:
    settings = {"behaviors": ["corrigible"], "answers": {}, "dose": True, "side_effects": True, "robustness": True}
    default, vllm = plan("transformers", "vllm", **settings).models
    for one, other in zip(default.steps, vllm.steps, strict=True):
        assert one.samples == other.samples
        assert [w.replies for w in one.written] == [w.replies for w in other.written]
        assert [check.scored for check in one.checks] == [check.scored for check in other.checks]
        assert other.tokens > one.tokens
        assert all(b.tokens > a.tokens for a, b in zip(one.checks, other.checks, strict=True))


def test_replies_run_their_prompts_in_every_cell() -> None:
    (step,) = plan("vllm", behaviors=["corrigible"], answers={"prompts": 5, "max_new_tokens": 8}).steps
    (answers,) = step.written
    assert answers.replies == 5 * 2 * 25
    assert answers.passes == answers.replies
    assert answers.generated == answers.replies * 8


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A model that is here and timed at once."""
    folder = tmp_path_factory.mktemp("model")
    tiny_model("llama", max_position_embeddings=4096).save_pretrained(folder)
    tiny_tokenizer(CHAT_TEMPLATE).save_pretrained(folder)
    return {"id": str(folder)}


@pytest.mark.parametrize("accelerator", [None, "h100"])
def test_time_is_not_estimated_and_the_plan_says_so(accelerator: str | None, small: dict[str, Any]) -> None:
    model = MODEL if accelerator else small
    both = plan("transformers", "vllm", behaviors=["corrigible"], accelerator=accelerator, model=model)
    default, vllm = both.models
    assert math.isnan(vllm.seconds)
    assert default.seconds > 0
    told = both.text()
    assert "the time of vllm is not in it" in told
    assert "time     not estimated" in told
    assert "nan" not in told
    alone = plan("vllm", behaviors=["corrigible"], accelerator=accelerator, model=model).text()
    assert "nan" not in alone
    assert "assumed" not in alone


def test_a_model_larger_than_a_gpu_is_to_be_divided_where_it_is_not_yet() -> None:
    told = plan("transformers", "vllm", behaviors=["corrigible"]).text()
    assert "2 × H100 80 GB (divide it: tensor_parallel, device: balanced, or engine: vllm)" in told
    assert "the weights alone fill 2 × H100 80 GB" in told
