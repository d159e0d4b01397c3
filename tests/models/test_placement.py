"""Models whose layers are in several places: on the CPU and on the disk here, for there is no second device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import trimtab as tt
from hook_loop import require_the_same
from tiny import save_tiny, tiny_model, tiny_tokenizer
from trimtab.errors import SettingError
from trimtab.models.kinds.placement import SPREAD
from trimtab.models.precision import choose_device

accelerate = pytest.importorskip("accelerate")
ON_DISK = {
    "model.embed_tokens": "cpu", "model.layers.0": "cpu", "model.layers.1": "disk", "model.layers.2": "cpu",
    "model.layers.3": "disk", "model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "disk",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model"))


def test_a_model_that_brings_its_weights_to_each_layer(folder: Path) -> None:
    """accelerate's CPU offload: weights are on the meta device between two passes."""
    model = tiny_model("llama")
    plain = tt.load(tiny_model("llama"), tiny_tokenizer())
    accelerate.cpu_offload(model, execution_device=torch.device("cpu"))
    assert next(model.parameters()).device.type == "meta"
    loaded = tt.load(model, tiny_tokenizer())
    assert loaded.fingerprint == plain.fingerprint
    assert loaded.backbone.device.type == "cpu"
    require_the_same(loaded, model, list(model.model.layers), 1e-4)
    assert loaded.generate(["hello"], max_new_tokens=6) == plain.generate(["hello"], max_new_tokens=6)
    assert next(model.parameters()).device.type == "meta"


def test_a_device_map_puts_layers_where_it_says(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        folder, device_map=ON_DISK, offload_folder=tmp_path, dtype=torch.float32
    )
    loaded = tt.load(model, tiny_tokenizer(), name="spread")
    assert loaded.fingerprint == tt.load(str(folder), dtype="float32", device="cpu").fingerprint
    require_the_same(loaded, model, list(model.model.layers), 1e-4)


@pytest.mark.parametrize("device", [ON_DISK, {"": "cpu"}, "balanced"], ids=["on disk", "cpu", "balanced"])
def test_a_device_map_is_a_device_when_a_model_is_loaded(device: Any, folder: Path) -> None:
    loaded, plain = (tt.load(str(folder), dtype="float32", device=where) for where in (device, "cpu"))
    model: Any = loaded.backbone.model  # type: ignore[attr-defined]
    assert (model.lm_head.weight.device.type == "meta") == (device is ON_DISK)
    assert loaded.fingerprint == plain.fingerprint
    assert loaded.generate(["hello"], max_new_tokens=6) == plain.generate(["hello"], max_new_tokens=6)


@pytest.mark.parametrize("name", SPREAD)
def test_the_ways_of_spreading_are_devices_that_can_be_planned_with(name: str) -> None:
    assert choose_device(name) == choose_device("auto")


def test_other_words_are_no_devices() -> None:
    with pytest.raises(SettingError, match="'balance' is not available"):
        choose_device("balance")
