"""A checkpoint that lacks part of the model is refused: no number is invented, in whatever format it comes."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gguf_files import HEADS, WIDTH, tensors, write_gguf
from tiny import tiny_model, tiny_tokenizer
from trimtab.cli.main import main
from trimtab.errors import ModelError, TrimtabWarning
from trimtab.models import load_backbone
from trimtab.models.gguf.conversion import convert_gguf

Weights = dict[str, Tensor]


def saved(folder: Path, family: str, change: Callable[[Weights], None] = lambda held: None, **options: Any) -> Path:
    """A tiny model of a family on disk, its weights changed."""
    tiny_model(family).save_pretrained(folder, **options)
    tiny_tokenizer().save_pretrained(folder)
    for file in folder.glob("*.safetensors"):
        held = load_file(file)
        change(held)
        save_file(held, file, metadata={"format": "pt"})
    return folder


def without(*parts: str) -> Callable[[Weights], None]:
    def drop(held: Weights) -> None:
        for name in [name for name in held if any(part in name for part in parts)]:
            del held[name]

    return drop


def only_nine(held: Weights) -> None:
    for name in sorted(held)[9:]:
        del held[name]


def with_(**added: Tensor) -> Callable[[Weights], None]:
    return lambda held: held.update({name.replace("__", "."): tensor for name, tensor in added.items()})


INCOMPLETE = {
    "unembedding": ("llama", without("lm_head"), "lm_head.weight"),
    "both of a tied pair": ("qwen3", without("embed_tokens"), "model.embed_tokens.weight"),
    "a layer": ("llama", without("layers.2."), "model.layers.2.mlp.down_proj.weight"),
    "all but nine tensors": ("llama", only_nine, "and 22 more"),
    "every tensor": ("llama", without(""), "lm_head.weight"),
    "a bare parameter": ("gpt_oss", without("sinks"), "model.layers.0.self_attn.sinks"),
    "one expert": ("qwen3_moe", without("layers.1.mlp.experts.3.up_proj"), "experts.gate_up_proj"),
    "a norm of another width": ("llama", with_(model__norm__weight=torch.ones(47)), r"model\.norm\.weight.*47.*48"),
    "a bias without a place": (
        "llama",
        with_(model__layers__0__self_attn__q_proj__bias=torch.ones(48)),
        "q_proj.bias is there",
    ),
    "scales of a quantization that the configuration hides": (
        "llama",
        with_(model__layers__0__mlp__up_proj__weight_scale_inv=torch.ones(1)),
        "weight_scale_inv",
    ),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("what", INCOMPLETE)
def test_a_folder_that_lacks_part_of_the_model_is_refused_naming_it(what: str, stream: bool, tmp_path: Path) -> None:
    family, change, named = INCOMPLETE[what]
    with pytest.raises(ModelError, match=named):
        load_backbone(str(saved(tmp_path, family, change)), dtype="float32", device="cpu", stream=stream)


@pytest.mark.parametrize("stream", [False, True])
def test_a_shard_that_lacks_tensors_is_refused(stream: bool, tmp_path: Path) -> None:
    folder = saved(tmp_path, "llama", without("layers.3.mlp.up_proj"), max_shard_size="60KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    with pytest.raises(ModelError, match=r"model\.layers\.3\.mlp\.up_proj\.weight is missing"):
        load_backbone(str(folder), dtype="float32", device="cpu", stream=stream)


def test_the_command_line_refuses_it_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = saved(tmp_path / "model", "llama", without("lm_head"))
    code = main(["extract", "-b", "cheerful", "-m", str(folder), "-q", "-o", str(tmp_path / "v.safetensors")])
    assert code == 2
    assert "lm_head.weight" in capsys.readouterr().err
    assert not (tmp_path / "v.safetensors").exists()


@pytest.mark.parametrize("family", ["llama", "qwen3", "qwen3_moe", "gpt2", "gpt_oss", "qwen3_5"])
def test_a_whole_checkpoint_loads_without_a_word(family: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrimtabWarning)
        load_backbone(str(saved(tmp_path, family)), dtype="float32", device="cpu")


def test_parts_that_a_text_model_does_not_have_are_left_out_and_told(tmp_path: Path) -> None:
    added = with_(
        vision_tower__blocks__0__weight=torch.ones(3),
        model__layers__4__mlp__up_proj__weight=torch.ones(3),
        model__layers__0__self_attn__masked_bias=torch.ones(1),
    )
    with pytest.warns(TrimtabWarning, match=r"model\.layers\.4 \(1\), vision_tower \(1\)$"):
        load_backbone(str(saved(tmp_path, "llama", added)), dtype="float32", device="cpu")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRIMTAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def kept(cache: Path) -> list[str]:
    return [entry.name for entry in cache.iterdir() if entry.suffix != ".lock"]


GGUF_FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], dict[str, Any], str]] = {
    "no tensors at all": (lambda held: held.clear(), {}, "claims 2 blocks and holds 0"),
    "no layer 1": (lambda held: [held.pop(n) for n in list(held) if "blk.1" in n], {}, "claims 2 blocks and holds 1"),
    "a tensor of another shape": (
        lambda held: held.update({"output_norm.weight": np.ones(31, np.float32)}),
        {},
        r"model\.norm\.weight",
    ),
    "biases that transformers drops": (
        lambda held: held.update({"blk.0.attn_q.bias": np.ones(WIDTH, np.float32)}),
        {},
        "attn_q.bias",
    ),
    "unknown factors of rotary frequencies": (
        lambda held: held.update({"rope_freqs.weight": np.full(WIDTH // HEADS // 2, 3.0, np.float32)}),
        {},
        "rope_freqs",
    ),
    "scaled positions that transformers drops": (lambda held: None, {"rope__scaling__type": "yarn"}, "yarn"),
    "a softcap that transformers drops": (lambda held: None, {"attn_logit_softcapping": 30.0}, "softcapping 30"),
}


@pytest.mark.parametrize("what", GGUF_FAULTS)
def test_a_gguf_file_that_transformers_reads_in_part_is_refused_and_not_kept(
    what: str, cache: Path, tmp_path: Path
) -> None:
    change, numbers, named = GGUF_FAULTS[what]
    held = tensors()
    change(held)
    with pytest.raises(ModelError, match=named):
        load_backbone(str(write_gguf(tmp_path / "small.gguf", held, **numbers)), dtype="float32", device="cpu")
    assert not cache.exists() or kept(cache) == []


def test_a_whole_gguf_file_loads_with_its_own_weights(cache: Path, tmp_path: Path) -> None:
    held = tensors()
    loaded = load_backbone(str(write_gguf(tmp_path / "small.gguf", held)), dtype="float32", device="cpu")
    torch.testing.assert_close(
        loaded.model.model.layers[1].mlp.down_proj.weight.detach(), torch.from_numpy(held["blk.1.ffn_down.weight"])
    )
    assert len(kept(cache)) == 1


def test_llama_3_factors_of_rotary_frequencies_are_understood(cache: Path, tmp_path: Path) -> None:
    import transformers
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0}
    rope |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
    config = transformers.LlamaConfig(
        hidden_size=WIDTH, num_attention_heads=HEADS, max_position_embeddings=16384, rope_parameters=rope
    )
    scaled = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))[0]
    size = 2 * len(scaled)
    plain = 500000.0 ** (-torch.arange(0, size, 2) / size)
    factors = (plain / scaled).numpy().astype(np.float32)
    assert factors.max() > 1.5
    path = write_gguf(tmp_path / "small.gguf", tensors() | {"rope_freqs.weight": factors}, rope_base=500000.0)
    loaded = load_backbone(str(path), dtype="float32", device="cpu")
    torch.testing.assert_close(loaded.model.model.rotary_emb.inv_freq, scaled)


def test_a_file_that_differs_late_in_one_tensor_is_another_file(cache: Path, tmp_path: Path) -> None:
    one = tensors()
    other = {name: tensor.copy() for name, tensor in one.items()}
    other["blk.1.ffn_down.weight"] *= 3
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    # Enough in front of the weights that the beginning of the file is the same in both.
    padding = {"pad.weight": np.zeros((600, 1024), np.float32)}
    first, second = (
        write_gguf(tmp_path / folder / "same.gguf", padding | held) for folder, held in (("a", one), ("b", other))
    )
    assert first.stat().st_size == second.stat().st_size
    assert first.read_bytes()[: 2 << 20] == second.read_bytes()[: 2 << 20]
    folders = [convert_gguf(path) for path in (first, second)]
    assert folders[0] != folders[1]
    weights = [load_file(folder / "model.safetensors")["model.layers.1.mlp.down_proj.weight"] for folder in folders]
    torch.testing.assert_close(weights[1], 3 * weights[0])


def test_a_conversion_of_an_earlier_version_is_not_used(cache: Path, tmp_path: Path) -> None:
    import hashlib

    path = write_gguf(tmp_path / "small.gguf", tensors())
    head = path.read_bytes()[: 1 << 20]
    old = hashlib.sha256(head + f"{path.stat().st_size}".encode()).hexdigest()[:12]
    cache.mkdir(parents=True)
    (cache / f"small-{old}").mkdir()
    assert convert_gguf(path) != cache / f"small-{old}"


def test_a_copy_of_a_file_is_the_same_file(cache: Path, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "small.gguf", tensors())
    first = convert_gguf(path)
    (tmp_path / "elsewhere").mkdir()
    assert convert_gguf(shutil.copy(path, tmp_path / "elsewhere" / "small.gguf")) == first
