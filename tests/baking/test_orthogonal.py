"""A direction removed from weights: nothing writes along it any more, as with hooks on the writers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import trimtab as tt
from families.builders import family_model
from tiny import tiny_tokenizer, vector_for
from trimtab.baking import OrthogonalCheck
from trimtab.cli.main import main
from trimtab.errors import ModelError, SettingError
from trimtab.steering import SteeringSetting
from trimtab.study.setting_to_use import SettingToUse
from trimtab.study.settings.model_setting import ModelSetting

IDS = torch.arange(5, 35)[None]
# What writes, by name: the oracle for what trimtab finds by trying.
WRITERS = {
    "llama": r"model\.embed_tokens|.*\.(o_proj|down_proj)",
    "mistral": r"model\.embed_tokens|.*\.(o_proj|down_proj)",
    "qwen3": r"model\.embed_tokens|.*\.(o_proj|down_proj)",
    "gpt2": r"transformer\.(wte|wpe)|.*\.c_proj",
    "opt": r"model\.decoder\.(embed_tokens|embed_positions)|.*\.(out_proj|fc2)",
    "phi": r"model\.embed_tokens|.*\.(dense|fc2)",
    "granite": r"model\.embed_tokens|.*\.(o_proj|down_proj)",
}
# A norm behind a matrix, behind the embedding; experts.
CANNOT = {"gemma2": "in layer 0", "olmo2": "in layer 0", "bloom": "before the first layer", "qwen3_moe": "in layer 0"}


def loaded(name: str, *, tied: bool = False) -> tuple[Any, tt.Model]:
    """The transformers model, and trimtab's around it."""
    plain = family_model(name)
    if tied:
        plain.config.tie_word_embeddings = True
        plain.tie_weights()
    return plain, tt.load(plain, tiny_tokenizer())


def bake(model: tt.Model, out: Path, **how: Any) -> Any:
    vector = vector_for(model.backbone, layers=model.facts.layers)
    options: dict[str, Any] = {"layer": 1, "strength": 1.0, "scale": "project_out", "save_dtype": "float32"}
    return vector, tt.bake(model, vector, out, **options | how)


@torch.no_grad()
def run(model: Any, unit: Tensor, *, writers: str = "", share: float = 1.0) -> tuple[Tensor, float]:
    """Logits and the largest component along a direction behind any layer; hooks edit what the writers return."""

    def remove(module: Any, args: Any, output: Tensor) -> Tensor:
        return output - share * torch.einsum("...d,d,e->...e", output, unit, unit)

    handles = [
        module.register_forward_hook(remove)
        for name, module in model.named_modules()
        if writers and re.fullmatch(writers, name)
    ]
    try:
        found = model(IDS, use_cache=False, output_hidden_states=True)
    finally:
        for handle in handles:
            handle.remove()
    along = max(float((states @ unit).abs().max()) for states in found.hidden_states[:-1])  # the last is normed
    return found.logits, along


@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize("name", WRITERS)
def test_the_folder_gives_what_hooks_on_the_writers_give(name: str, share: float, tmp_path: Path) -> None:
    plain, model = loaded(name)
    vector, made = bake(model, tmp_path / "baked", strength=share)
    unit = vector.direction[1] / vector.direction[1].norm()
    read, report = type(plain).from_pretrained(made.folder, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    found, along = run(read, unit)
    wanted, _ = run(plain, unit, writers=WRITERS[name], share=share)
    before, along_before = run(plain, unit)
    assert (found - wanted).abs().max() <= max(1e-4, 1e-5 * float(wanted.abs().max()))
    assert (wanted - before).abs().max() > 1e-2
    assert (along < 1e-4 * along_before) == (share == 1)
    named = [module for module, _ in plain.named_modules() if re.fullmatch(WRITERS[name], module)]
    assert sorted(made.edited) == sorted(named)


@pytest.mark.parametrize("name", CANNOT)
def test_what_weights_cannot_do_is_refused_in_words_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    _, model = loaded(name)
    with pytest.raises(ModelError, match=CANNOT[name]):
        bake(model, tmp_path / "baked")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["qwen3", "gpt2"])
def test_a_tied_unembedding_stays_as_it_was_and_so_does_the_model_in_memory(name: str, tmp_path: Path) -> None:
    plain, model = loaded(name, tied=True)
    assert plain.get_output_embeddings().weight is plain.get_input_embeddings().weight
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    config = plain.config.to_dict()
    _, made = bake(model, tmp_path / "baked")
    assert plain.config.to_dict() == config
    assert all(torch.equal(before[name], tensor) for name, tensor in plain.state_dict().items())
    assert plain.get_output_embeddings().weight is plain.get_input_embeddings().weight
    read = type(plain).from_pretrained(made.folder, dtype=torch.float32)
    assert not read.config.tie_word_embeddings
    assert torch.equal(read.get_output_embeddings().weight, plain.get_output_embeddings().weight)
    assert not torch.equal(read.get_input_embeddings().weight, plain.get_input_embeddings().weight)
    assert json.loads((made.folder / "config.json").read_text(encoding="utf-8"))["tie_word_embeddings"] is False


def test_the_card_tells_what_was_measured_and_that_steering_is_another_intervention(tmp_path: Path) -> None:
    _, model = loaded("llama")
    _, made = bake(model, tmp_path / "baked", strength=0.5)
    assert isinstance(made.check, OrthogonalCheck)
    assert made.check.from_asked > 0
    assert 0 < made.check.from_first < made.check.from_asked
    assert made.check.along_plain > made.check.along > 0.01
    text = (made.folder / "README.md").read_text(encoding="utf-8")
    assert "shares compound" in text
    assert f"`project_out` behind all layers | {made.check.from_asked:.3g} nats a token" in text
    assert f"the first one too | {made.check.from_first:.3g} nats a token" in text
    assert "another intervention" in text


def test_in_16_bits_the_rounding_is_measured_and_the_weights_that_were_rounded_are_exact(tmp_path: Path) -> None:
    _, model = loaded("llama")
    _, made = bake(model, tmp_path / "baked", save_dtype="bfloat16")
    check = made.check
    assert check.largest <= check.allowed < check.rounding < check.effect / 2
    assert 1e-5 < check.along < check.allowed_along < check.along_plain / 10


def test_several_layers_and_shared_strengths_are_refused(tmp_path: Path) -> None:
    _, model = loaded("llama")
    with pytest.raises(SettingError, match="one layer"):
        bake(model, tmp_path / "baked", layer=[0, 1])
    with pytest.raises(SettingError, match="share"):
        bake(model, tmp_path / "baked", share_strength=True)
    assert not list(tmp_path.iterdir())


def test_the_command_tells_what_was_removed_and_how_far_it_is_from_steering(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, model = loaded("llama")
    plain.save_pretrained(tmp_path / "plain")
    tiny_tokenizer().save_pretrained(tmp_path / "plain")
    vectors = vector_for(tt.load(str(tmp_path / "plain")).backbone, layers=model.facts.layers).save(tmp_path / "v")
    how = ["--model", str(tmp_path / "plain"), "--vectors", str(vectors), "--layer", "1", "--quiet"]
    assert main(["bake", *how, "--scale", "project_out", "--strength", "1", "--out", str(tmp_path / "baked")]) == 0
    told = capsys.readouterr().out
    assert f"removed from {1 + 2 * model.facts.layers} matrices" in told
    assert "another intervention, it diverges by" in told


@pytest.mark.parametrize(
    ("steering", "words"),
    [({"scale": "project_out"}, "another intervention"), ({"vector_layer": 2}, "direction of layer 2")],
)
def test_a_run_that_measured_something_else_is_refused(
    steering: dict[str, Any],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use = SettingToUse(
        behavior="kind",
        model=ModelSetting(id="m"),
        model_id="m",
        vectors=tmp_path / "v.safetensors",
        layers=[1],
        strength=1.0,
        steering=SteeringSetting(**steering),
    )
    monkeypatch.setattr("trimtab.cli.verbs.bake.setting_of_run", lambda *_: use)
    assert main(["bake", "--run", str(tmp_path), "--out", str(tmp_path / "baked"), "--quiet"]) == 2
    assert words in capsys.readouterr().err
