"""Quantized models: put into a format when they are loaded, or quantized already; read and steered as they compute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import trimtab as tt
from hook_loop import require_the_same
from tiny import tiny_model, tiny_tokenizer
from trimtab.errors import ModelError, SettingError

SIZES: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16}
"""Formats take weights in groups."""
PARAMETERS = 186_432
FORMATS = {
    # name: package, class of its layers, rounding
    "bnb-4bit": ("bitsandbytes", "Linear4bit", 1e-3),
    "bnb-8bit": ("bitsandbytes", "Linear8bitLt", 5e-2),  # rounds states too, by the largest of a pass
    "quanto-int8": ("optimum.quanto", "QLinear", 1e-4),
    "torchao-int8": ("torchao", "Linear", 1e-4),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain")
    tiny_model("llama", **SIZES).save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    return path


def load(folder: Path, **options: Any) -> tt.Model:
    return tt.load(str(folder), dtype="float32", device="cpu", **options)


@pytest.mark.parametrize("name", FORMATS)
def test_a_model_that_is_quantized_when_loaded_gives_what_a_loop_with_hooks_gives(name: str, folder: Path) -> None:
    package, layer, rounding = FORMATS[name]
    pytest.importorskip(package)
    loaded = load(folder, quantization=name)
    model: Any = loaded.backbone.model  # type: ignore[attr-defined]
    assert type(model.model.layers[0].mlp.up_proj).__name__ == layer
    assert loaded.facts.parameters == PARAMETERS
    require_the_same(loaded, model, list(model.model.layers), rounding)


@pytest.mark.parametrize("name", FORMATS)
def test_quantized_weights_are_another_model_than_plain_ones_and_the_same_each_time(name: str, folder: Path) -> None:
    pytest.importorskip(FORMATS[name][0])
    one, other, plain = load(folder, quantization=name), load(folder, quantization=name), load(folder)
    assert one.fingerprint == other.fingerprint != plain.fingerprint


def test_settings_of_a_format_are_taken_as_transformers_has_them(folder: Path) -> None:
    pytest.importorskip("bitsandbytes")
    given = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "fp4"}
    assert load(folder, quantization=given).fingerprint != load(folder, quantization="bnb-4bit").fingerprint


def test_a_model_that_hqq_quantized_in_memory(folder: Path) -> None:
    hqq = pytest.importorskip("hqq.core.quantize")
    from hqq.models.hf.base import AutoHQQHFModel

    model = tiny_model("llama", **SIZES)
    config = hqq.BaseQuantizeConfig(nbits=4, group_size=64)
    AutoHQQHFModel.quantize_model(model, quant_config=config, compute_dtype=torch.float32, device="cpu")
    assert type(model.model.layers[0].mlp.up_proj).__name__ == "HQQLinear"
    loaded = tt.load(model, tiny_tokenizer())
    assert loaded.facts.parameters == PARAMETERS
    require_the_same(loaded, model, list(model.model.layers), 1e-4)


def test_a_quantized_model_with_an_adapter_on_it(folder: Path) -> None:
    """As QLoRA trains them."""
    pytest.importorskip("bitsandbytes")
    peft = pytest.importorskip("peft")
    base: Any = load(folder, quantization="bnb-4bit").backbone.model  # type: ignore[attr-defined]
    torch.manual_seed(0)
    config = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "down_proj"], r=4)
    model = peft.get_peft_model(base, config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    loaded = tt.load(model, tiny_tokenizer())
    added = sum(p.numel() for n, p in model.named_parameters() if "lora_" in n)
    assert loaded.facts.parameters == PARAMETERS + added
    require_the_same(loaded, model, list(base.model.layers), 1e-3)


def test_an_unknown_format_is_refused_with_the_nearest(folder: Path) -> None:
    with pytest.raises(SettingError, match=r"'bnb-4bits' is unknown; did you mean 'bnb-4bit'"):
        load(folder, quantization="bnb-4bits")


def test_settings_without_a_method_are_refused(folder: Path) -> None:
    with pytest.raises(SettingError, match="quant_method"):
        load(folder, quantization={"nbits": 4})


def test_settings_of_an_unknown_method_are_refused(folder: Path) -> None:
    with pytest.raises(SettingError, match="magic"):
        load(folder, quantization={"quant_method": "magic"})


def test_a_format_whose_package_is_missing_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install torchao"):
        load(folder, quantization="torchao-int8")


def test_what_is_quantized_already_is_not_quantized_again(folder: Path, tmp_path: Path) -> None:
    quantized(folder, tmp_path, {"quant_method": "gptq", "bits": 4})
    with pytest.raises(SettingError, match=r"quantized already \(gptq\)"):
        load(tmp_path, quantization="bnb-4bit")


@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_a_folder_whose_package_is_missing_is_refused_by_its_name(method: str, folder: Path, tmp_path: Path) -> None:
    """transformers' own words name the package."""
    pytest.importorskip("transformers")
    quantized(folder, tmp_path, {"quant_method": method, "bits": 4})
    with pytest.raises(ModelError, match=r"cannot be loaded: .*(gptqmodel|[Gg]ptq|GPTQ|optimum|awq)"):
        load(tmp_path)


def quantized(folder: Path, target: Path, settings: dict[str, Any]) -> None:
    """A copy of a folder whose configuration claims a format."""
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    (target / "config.json").write_text(json.dumps(config | {"quantization_config": settings}), encoding="utf-8")
