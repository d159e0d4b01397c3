"""Models that see besides reading: the text decoder is found under them, and text is all that they are given."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING

import trimtab as tt
from families.builders import randomize, shrunk
from families.sizes import LAYERS
from hook_loop import require_the_same
from tiny import CHAT_TEMPLATE, tiny_tokenizer, vector_for
from trimtab.errors import DataError, SettingError
from trimtab.models import peek
from trimtab.models.kinds.multimodal import class_for

_MROPE = {"rope_type": "default", "rope_theta": 100.0, "mrope_section": [4, 2, 2]}
_QWEN = {"text_config": {"rope_parameters": _MROPE}}
GIVEN: dict[str, dict[str, Any]] = {"qwen2_5_vl": _QWEN, "qwen2_vl": _QWEN}
KINDS = ("qwen2_5_vl", "qwen3_vl", "llava", "mistral3", "gemma3", "paligemma")
OTHERS = ("qwen2_vl", "internvl", "llava_onevision", "idefics3", "smolvlm", "aya_vision")


@functools.cache
def multimodal(kind: str, *, deep: bool = False) -> Any:
    """A tiny model with a vision tower, which is as deep as the text decoder if it is `deep`."""
    config = shrunk(CONFIG_MAPPING[kind], GIVEN.get(kind))
    if deep:
        vision = config.vision_config
        name = next(n for n in ("num_hidden_layers", "depth") if hasattr(vision, n))
        setattr(vision, name, LAYERS)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = class_for(config).from_config(config, dtype=torch.float32)
    return randomize(model, 0, 1.2).eval()


def check(kind: str, *, deep: bool = False) -> None:
    model = multimodal(kind, deep=deep)
    loaded = tt.load(model, tiny_tokenizer(), name=kind)
    decoder = model.get_decoder()
    assert loaded.facts.layers == len(decoder.layers)
    require_the_same(loaded, model, list(decoder.layers), 1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_read_and_steered_as_by_a_loop_with_hooks(kind: str) -> None:
    check(kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OTHERS)
def test_text_is_read_and_steered_as_by_a_loop_with_hooks_in_others(kind: str) -> None:
    check(kind)


@pytest.mark.parametrize("kind", ["qwen2_5_vl", "gemma3", "llava"])
def test_a_vision_tower_as_deep_as_the_text_decoder_is_not_taken_for_it(kind: str) -> None:
    check(kind, deep=True)


@pytest.mark.parametrize("kind", ["qwen2_5_vl", "mistral3"])
def test_a_folder_loads_with_the_class_that_reads_text_beside_images(kind: str, tmp_path: Path) -> None:
    multimodal(kind).save_pretrained(tmp_path)
    tiny_tokenizer(CHAT_TEMPLATE).save_pretrained(tmp_path)
    loaded = tt.load(str(tmp_path), dtype="float32", device="cpu")
    in_memory = tt.load(multimodal(kind), tiny_tokenizer(CHAT_TEMPLATE))
    assert loaded.fingerprint == in_memory.fingerprint
    assert loaded.facts == in_memory.facts == peek(str(tmp_path))[0]
    assert loaded.chat("hello", max_new_tokens=4) == in_memory.chat("hello", max_new_tokens=4)


def test_a_chat_template_in_the_processors_own_file_is_found(tmp_path: Path) -> None:
    multimodal("llava").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}), encoding="utf-8")
    loaded = tt.load(str(tmp_path), dtype="float32", device="cpu")
    assert loaded.template_hash == tt.load(multimodal("llava"), tiny_tokenizer(CHAT_TEMPLATE)).template_hash


class Processor:
    """As transformers' processors are: a tokenizer inside, and the template outside."""

    def __init__(self) -> None:
        self.tokenizer, self.chat_template = tiny_tokenizer(), CHAT_TEMPLATE


def test_a_processor_stands_for_its_tokenizer_and_keeps_it_as_it_was() -> None:
    processor = Processor()
    loaded = tt.load(multimodal("llava"), processor)
    assert loaded.backbone.tokenizer.chat_template == CHAT_TEMPLATE
    assert processor.tokenizer.chat_template is None


def test_messages_of_text_parts_are_taken() -> None:
    loaded = tt.load(multimodal("llava"), tiny_tokenizer(CHAT_TEMPLATE))
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
    assert loaded.tokens(parts) == loaded.tokens("hello")


@pytest.mark.parametrize("kind", ["image", "image_url", "video", "audio"])
def test_an_image_in_a_message_is_refused_by_name(kind: str) -> None:
    loaded = tt.load(multimodal("llava"), tiny_tokenizer(CHAT_TEMPLATE))
    parts: Any = [{"role": "user", "content": [{"type": kind, kind: "cat.png"}, {"type": "text", "text": "what?"}]}]
    with pytest.raises(DataError, match=rf"message 1 holds an? {kind}: .*not supported yet"):
        loaded.chat(parts)


def test_a_pass_with_an_image_is_refused_in_a_steer_context() -> None:
    model = multimodal("llava")
    loaded = tt.load(model, tiny_tokenizer())
    pixels = torch.zeros(1, 3, 8, 8)
    with loaded.steer(vector_for(loaded.backbone), layer=1), pytest.raises(SettingError, match="pixel_values"):
        model(torch.tensor([[5, 6, 7]]), pixel_values=pixels)
