"""The fingerprint tells models apart by what shapes their numbers, and by nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tiny import tiny_model, tiny_tokenizer
from trimtab.models import identify, load_backbone, wrap
from trimtab.models.fingerprint import difference

FAMILIES = ["llama", "qwen3", "qwen3_moe", "gpt2", "gpt_oss", "gemma3", "qwen3_5"]


def fingerprint(model: Any) -> str:
    return wrap(model, tiny_tokenizer(), name="any").fingerprint


def changed(change: Callable[[Any], Any], family: str = "llama") -> str:
    model = tiny_model(family)
    with torch.no_grad():
        change(model)
    return fingerprint(model)


def finetuned(model: Any) -> None:
    weight = model.model.layers[2].mlp.down_proj.weight
    weight += 0.01 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3))


OTHER_WEIGHTS: dict[str, Callable[[Any], Any]] = {
    "a matrix times three": lambda m: m.model.layers[1].mlp.down_proj.weight.mul_(3),
    "a matrix a fiftieth larger": lambda m: m.model.layers[1].mlp.down_proj.weight.mul_(1.02),
    "a norm times two": lambda m: m.model.norm.weight.mul_(2),
    "a matrix turned round": lambda m: m.model.layers[0].self_attn.o_proj.weight.neg_(),
    "a light fine-tuning": finetuned,
    "two layers in the other's place": lambda m: _swap(m.model.layers),
}


def _swap(layers: Any) -> None:
    one, other = (dict(layers[i].named_parameters()) for i in (1, 2))
    for name in one:
        one[name].data, other[name].data = other[name].data, one[name].data


@pytest.mark.parametrize("what", OTHER_WEIGHTS)
def test_other_weights_have_another_fingerprint(what: str) -> None:
    assert difference(changed(OTHER_WEIGHTS[what]), fingerprint(tiny_model("llama"))) == "weights"


def test_a_stored_buffer_is_part_of_the_weights() -> None:
    """As the biases of experts are in some families."""

    def biased(amount: float) -> str:
        return changed(lambda m: m.model.register_buffer("expert_bias", torch.full((4,), amount)))

    assert difference(biased(1.0), biased(2.0)) == "weights"


OTHER_NUMBERS = {
    "the base of rotary positions": ("llama", {"rope_parameters": {"rope_type": "default", "rope_theta": 5000.0}}),
    "scaled rotary positions": (
        "llama",
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 100.0, "factor": 2.0}},
    ),
    "the epsilon of norms": ("llama", {"rms_norm_eps": 0.1}),
    "the activation": ("llama", {"hidden_act": "gelu"}),
    "the sliding window": ("mistral", {"sliding_window": 5}),
    "which layers slide": ("gemma3", {"layer_types": ["full_attention"] * 4}),
    "a softcap": ("gemma2", {"final_logit_softcapping": 10.0}),
    "the scale of queries": ("gemma2", {"query_pre_attn_scalar": 24}),
    "experts a token": ("qwen3_moe", {"num_experts_per_tok": 3}),
    "the clamp of experts": ("gpt_oss", {"swiglu_limit": 3.0}),
}


@pytest.mark.parametrize("what", OTHER_NUMBERS)
def test_another_configuration_has_another_fingerprint(what: str) -> None:
    family, numbers = OTHER_NUMBERS[what]
    found = difference(fingerprint(tiny_model(family, **numbers)), fingerprint(tiny_model(family)))
    assert found == "configuration"


NO_NUMBERS = {
    "name_or_path": "elsewhere",
    "use_cache": False,
    "attention_dropout": 0.3,
    "eos_token_id": 7,
    "initializer_range": 0.5,
    "transformers_version": "4.0",
    "architectures": ["Other"],
    "output_hidden_states": True,
}


def test_what_shapes_no_number_is_no_part_of_it() -> None:
    model = tiny_model("llama")
    for name, value in NO_NUMBERS.items():
        setattr(model.config, name, value)
    assert fingerprint(model) == fingerprint(tiny_model("llama"))


def test_a_key_that_a_later_transformers_adds_at_its_default_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(tiny_model("llama"))
    from transformers import LlamaConfig

    original = LlamaConfig.to_dict
    monkeypatch.setattr(LlamaConfig, "to_dict", lambda self: {**original(self), "new_switch": True})
    assert fingerprint(tiny_model("llama")) == before


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("loaded", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_folder_has_one_fingerprint_in_every_dtype(
    family: str, stored: torch.dtype, loaded: torch.dtype, tmp_path: Path
) -> None:
    """Whatever it is stored in; extreme values included, which float16 cannot hold."""
    model = tiny_model(family)
    extremes = torch.logspace(-7, 4, 48) if stored == torch.float16 else torch.logspace(-9, 4.7, 48)
    with torch.no_grad():
        _unused_row(model).copy_(extremes)
    model.to(stored).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    assert load_backbone(str(tmp_path), dtype=loaded, device="cpu").fingerprint == fingerprint(model.float())


def _unused_row(model: Any) -> Any:
    """Of a token or a position that is not met when the model is tried at loading."""
    table = model.transformer.wpe if hasattr(model, "transformer") else model.model.embed_tokens
    return table.weight[200]


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
def test_a_model_in_memory_whose_weights_have_16_bits_keeps_its_fingerprint_in_every_dtype(stored: torch.dtype) -> None:
    model = tiny_model("llama").to(stored)
    assert len({fingerprint(model.to(dtype)) for dtype in (stored, torch.float32, torch.bfloat16)}) == 1
    model = tiny_model("llama").to(stored).float()
    assert fingerprint(model) == fingerprint(tiny_model("llama").to(stored).to(torch.float16))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_files_alone_give_the_fingerprint_of_the_loaded_model(family: str, tmp_path: Path) -> None:
    """As an engine reads it that holds the weights elsewhere."""
    tiny_model(family).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    known = identify(str(tmp_path), dtype=torch.bfloat16, device=torch.device("cpu")).fingerprint
    assert known == load_backbone(str(tmp_path), dtype="float32", device="cpu").fingerprint != ""


def test_the_files_alone_tell_changed_weights_and_configuration(tmp_path: Path) -> None:
    tiny_model("llama").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)

    def known() -> str:
        return identify(str(tmp_path), dtype=torch.bfloat16, device=torch.device("cpu")).fingerprint

    before = known()
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.5}), encoding="utf-8")
    assert difference(before, known()) == "configuration"
    held = load_file(tmp_path / "model.safetensors")
    held["model.layers.1.mlp.down_proj.weight"] *= 3
    save_file(held, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert difference(before, known()) == "weights"


def test_a_fingerprint_of_an_earlier_version_or_none_tells_nothing() -> None:
    now = fingerprint(tiny_model("llama"))
    assert difference(now, now) == ""
    assert difference("0123456789abcdef", now) == difference("", now) == "unknown"
