"""Fine-tuning as a baseline: it learns the side that it is trained for, repeats itself, and leaves no trace."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import torch

from trimtab.data import Behavior, dataset
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.evaluation.baselines.arms import THE_MODEL, arm_samples
from trimtab.evaluation.baselines.fine_tuning import LoraSettings, fine_tuned, require_peft
from trimtab.models import Backbone

SMALL = LoraSettings(rank=2, steps=6)


def pairs(source: str, count: int = 4) -> Behavior:
    return dataset(source)[:count]


def mean(model: Model, behavior: Behavior, scoring: Any) -> float:
    return float(arm_samples(model, THE_MODEL, [("test", behavior)], scoring, behavior=behavior.name)["score"].mean())


def state(model: Model) -> dict[str, Any]:
    """Everything that training could leave behind."""
    assert isinstance(model.backbone, Backbone)
    network = model.backbone.model
    return {
        "tensors": {name: tensor.clone() for name, tensor in network.state_dict().items()},
        "modules": {name: id(module) for name, module in network.named_modules()},
        "hooks": {
            name: (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks))
            for name, module in network.named_modules()
        },
        "gradients": {name: (p.requires_grad, p.grad) for name, p in network.named_parameters()},
        "modes": {name: module.training for name, module in network.named_modules()},
        "attributes": sorted(vars(network)),
        "config": dict(vars(network.config)),
        "random": torch.get_rng_state(),
    }


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name in one["tensors"]:
        assert torch.equal(one["tensors"][name], other["tensors"][name]), name
    assert torch.equal(one["random"], other["random"])
    for key in ("modules", "hooks", "gradients", "modes", "attributes", "config"):
        assert one[key] == other[key], key
    assert set(one["tensors"]) == set(other["tensors"])


@pytest.fixture
def model(llama: Any) -> Model:
    pytest.importorskip("peft", reason="fine-tuning needs peft, the extra trimtab[lora]")
    return Model(llama)


@pytest.mark.parametrize(("source", "scoring"), [("concise", "text"), ("corrigible", "choice")])
def test_it_moves_the_score_to_the_side_that_it_is_trained_for(model: Model, source: str, scoring: Any) -> None:
    behavior = pairs(source)
    plain = mean(model, behavior, scoring)
    found = {}
    for side in ("for", "against"):
        with fine_tuned(model, behavior, side, scoring, SMALL):
            found[side] = mean(model, behavior, scoring)
    assert found["against"] < plain < found["for"]
    assert mean(model, behavior, scoring) == plain


def test_while_the_adapter_rests_the_model_is_the_plain_one(model: Model) -> None:
    behavior = pairs("concise", 2)
    plain = mean(model, behavior, "text")
    with fine_tuned(model, behavior, "for", "text", SMALL) as tuned:
        with tuned.at_rest():
            assert mean(model, behavior, "text") == plain
        assert mean(model, behavior, "text") > plain


def test_nothing_is_left_behind(model: Model) -> None:
    before = state(model)
    with fine_tuned(model, pairs("concise"), "for", "text", SMALL):
        assert set(state(model)["tensors"]) != set(before["tensors"])
    same(before, state(model))


def test_nothing_is_left_behind_by_an_error(model: Model) -> None:
    before = state(model)

    def stop(_done: int, _total: int) -> None:
        raise RuntimeError("stopped")

    with (
        pytest.raises(RuntimeError, match="stopped"),
        fine_tuned(model, pairs("concise"), "for", "text", SMALL, progress=stop),
    ):
        pass
    same(before, state(model))


def test_the_same_seed_trains_the_same_adapter_and_another_one_another(model: Model) -> None:
    behavior = pairs("concise")
    found = []
    for seed in (0, 0, 1):
        with fine_tuned(model, behavior, "for", "text", SMALL, seed=seed):
            found.append(mean(model, behavior, "text"))
    assert found[0] == found[1] != found[2]


def test_without_peft_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SettingError, match=r"pip install 'trimtab\[lora\]'"):
        require_peft()
