"""Adapters of PEFT: read and steered as they act, in memory and from their folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import trimtab as tt
from hook_loop import require_the_same
from tiny import tiny_model, tiny_tokenizer
from trimtab.errors import ModelError
from trimtab.models import peek

peft = pytest.importorskip("peft")

KINDS: dict[str, dict[str, Any]] = {
    "lora": {"kind": "LoraConfig", "target_modules": ["q_proj", "v_proj", "down_proj"], "r": 4, "lora_alpha": 8},
    "lora with dropout, on the unembedding too": {
        "kind": "LoraConfig", "target_modules": ["o_proj", "lm_head"], "r": 2, "lora_dropout": 0.5,
    },
    "dora": {"kind": "LoraConfig", "target_modules": ["q_proj"], "r": 2, "use_dora": True},
    "lora and a copy of the unembedding": {
        "kind": "LoraConfig", "target_modules": ["q_proj"], "r": 2, "modules_to_save": ["lm_head"],
    },
    "ia3": {"kind": "IA3Config", "target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]},
}  # fmt: skip


def adapted(kind: str, seed: int = 0) -> Any:
    """A tiny model with an adapter whose weights are drawn, so that it shows."""
    options = dict(KINDS[kind])
    config = getattr(peft, options.pop("kind"))(task_type="CAUSAL_LM", **options)
    torch.manual_seed(seed)
    model = peft.get_peft_model(tiny_model("llama"), config)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=source))
    return model


def saved(kind: str, folder: Path, seed: int = 0) -> Path:
    """An adapter's folder, with its base model's beside it."""
    base, target = folder / "base", folder / "adapter"
    tiny_model("llama").save_pretrained(base)
    tiny_tokenizer().save_pretrained(base)
    model = adapted(kind, seed)
    model.peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(target)
    return target


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrapped_model_gives_what_a_loop_with_hooks_gives(kind: str) -> None:
    model = adapted(kind).train()
    loaded = tt.load(model, tiny_tokenizer())
    assert model.training
    model.eval()
    require_the_same(loaded, model, model.base_model.model.model.layers, 1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_loaded_with_its_base_model(kind: str, tmp_path: Path) -> None:
    in_memory = tt.load(adapted(kind), tiny_tokenizer())
    loaded = tt.load(str(saved(kind, tmp_path)), dtype="float32", device="cpu")
    assert loaded.fingerprint == in_memory.fingerprint
    assert loaded.facts == in_memory.facts
    assert loaded.generate(["hello"], max_new_tokens=8) == in_memory.generate(["hello"], max_new_tokens=8)


def test_the_adapter_is_part_of_the_fingerprint() -> None:
    base = tt.load(tiny_model("llama"), tiny_tokenizer())
    model = adapted("lora")
    one, other = tt.load(model, tiny_tokenizer()), tt.load(adapted("lora", seed=1), tiny_tokenizer())
    with model.disable_adapter():
        off = tt.load(model, tiny_tokenizer())
    assert len({base.fingerprint, one.fingerprint, other.fingerprint, off.fingerprint}) == 4


def test_the_adapter_that_acts_is_the_one_that_is_read() -> None:
    model = adapted("lora")
    model.add_adapter("second", peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["up_proj"], r=2))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".second." in name:
                parameter.add_(torch.linspace(-0.3, 0.3, parameter.numel()).view_as(parameter))
    first = tt.load(model, tiny_tokenizer())
    model.set_adapter("second")
    second = tt.load(model, tiny_tokenizer())
    assert first.fingerprint != second.fingerprint
    require_the_same(second, model, model.base_model.model.model.layers, 1e-4)


def test_parameters_are_those_of_the_base_model_and_those_that_the_adapter_adds() -> None:
    base = sum(p.numel() for p in tiny_model("llama").parameters())
    for kind in ("lora", "lora and a copy of the unembedding"):
        model = adapted(kind)
        added = sum(p.numel() for n, p in model.named_parameters() if "lora_" in n)
        assert tt.load(model, tiny_tokenizer()).facts.parameters == base + added


def test_generate_of_the_wrapper_is_steered_at_every_position() -> None:
    model = adapted("lora")
    loaded = tt.load(model, tiny_tokenizer())
    vectors = tt.extract(loaded, tt.dataset("permissive", limit=8))
    ids = torch.tensor([loaded.tokens("hello")])
    for positions in ("all", "after_prompt", "generated"):
        options: dict[str, Any] = {"layer": 1, "strength": 0.6, "scale": "relative", "positions": positions}
        with loaded.steer(vectors, **options):
            reply = loaded.chat("hello", max_new_tokens=6)
            written = model.generate(input_ids=ids, max_new_tokens=6, do_sample=False, pad_token_id=0)
        assert loaded.backbone.tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True) == reply
        assert reply != loaded.chat("hello", max_new_tokens=6)


def test_prompt_tuning_is_refused_for_its_tokens_cannot_be_placed() -> None:
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    with pytest.raises(ModelError, match="prompt tuning: it puts its own tokens in front"):
        tt.load(peft.get_peft_model(tiny_model("llama"), config), tiny_tokenizer())


def test_a_folder_is_planned_with_as_its_base_model(tmp_path: Path) -> None:
    facts, tokenizer = peek(str(saved("lora", tmp_path)))
    assert facts.parameters == sum(p.numel() for p in tiny_model("llama").parameters())
    assert tokenizer.eos_token == "</s>"


def test_a_tokenizer_beside_the_adapter_is_the_one_that_is_used(tmp_path: Path) -> None:
    folder = saved("lora", tmp_path)
    tiny_tokenizer("{{ messages[0]['content'] }}").save_pretrained(folder)
    loaded = tt.load(str(folder), dtype="float32", device="cpu")
    assert loaded.backbone.tokenizer.chat_template == "{{ messages[0]['content'] }}"


def _without_a_tensor(folder: Path) -> None:
    held = load_file(folder / "adapter_model.safetensors")
    del held[next(name for name in held if "layers.2" in name)]
    save_file(held, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def _with_one_more(folder: Path) -> None:
    held = load_file(folder / "adapter_model.safetensors")
    name = next(name for name in held if "layers.2" in name)
    held[name.replace("layers.2", "layers.9")] = held[name].clone()
    save_file(held, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def _without_base(folder: Path) -> None:
    shutil.rmtree(folder.parent / "base")


def _nameless(folder: Path) -> None:
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = None
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (_without_a_tensor, r"layers\.2.* is missing"),
        (_with_one_more, r"layers\.9.*no place for it"),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), r"no adapter_model\.safetensors"),
        (_without_base, r"is an adapter for .*base"),
        (_nameless, "base_model_name_or_path"),
        (lambda folder: (folder / "adapter_config.json").write_text("{", encoding="utf-8"), r"adapter_config\.json"),
    ],
)
def test_an_adapter_that_is_not_whole_is_refused_by_name(harm: Any, named: str, tmp_path: Path) -> None:
    folder = saved("lora", tmp_path)
    harm(folder)
    with pytest.raises(ModelError, match=named):
        tt.load(str(folder), dtype="float32", device="cpu")
