"""A model whose parts are in several places gives the numbers of the plain one, bit for bit, or is refused in words."""

from __future__ import annotations

import gc
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

import trimtab as tt
from readings import readings
from tiny import tiny_model, tiny_tokenizer
from trimtab.engines.transformers.packing.budget import CPU_BYTES, budget_for
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.models import gpus_of, main_device
from trimtab.models.kinds.device_maps import fits_all_gpus, outgrown

accelerate = pytest.importorskip("accelerate")
HEAD_ON_DISK = {"model": "cpu", "model.layers.1": "disk", "model.layers.3": "disk", "lm_head": "disk"}
ALL_ON_DISK = {"": "disk"}
TIED = {"model.embed_tokens": "disk", "model.layers": "cpu", "model.norm": "disk", "model.layers.2": "disk"}
"""Without the unembedding, whose weight is the embeddings'."""
MAPS: dict[str, tuple[str, Any]] = {
    "llama, some layers and the unembedding on disk": ("llama", HEAD_ON_DISK),
    "llama, everything on disk": ("llama", ALL_ON_DISK),
    "llama, balanced": ("llama", "balanced"),
    "qwen3, tied embeddings on disk": ("qwen3", TIED),
    "qwen3_moe, whose experts are stored otherwise than they run": ("qwen3_moe", HEAD_ON_DISK),
    "qwen3_5, recurrent layers": ("qwen3_5", {"": "cpu", "model.layers.0": "disk", "model.layers.1": "disk"}),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models")
    for family in {family for family, _ in MAPS.values()}:
        tiny_model(family).save_pretrained(place / family)
        tiny_tokenizer().save_pretrained(place / family)
    return place


@pytest.fixture(scope="module")
def plain(folders: Path) -> dict[str, tuple[str, dict[str, torch.Tensor]]]:
    """Fingerprint and readings of each family in memory."""
    families = sorted({family for family, _ in MAPS.values()})
    models = {family: tt.load(str(folders / family), dtype="float32", device="cpu") for family in families}
    return {family: (model.fingerprint, readings(model)) for family, model in models.items()}


def same_numbers(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert torch.equal(found[name], values), name


@pytest.mark.parametrize("case", MAPS)
def test_numbers_are_those_of_the_plain_model(case: str, folders: Path, plain: dict[str, Any]) -> None:
    family, device = MAPS[case]
    loaded = tt.load(str(folders / family), dtype="float32", device=device)
    offloaded = [p for p in loaded.backbone.model.parameters() if p.device.type == "meta"]  # type: ignore[attr-defined]
    assert bool(offloaded) == (device != "balanced"), "nothing is on the disk"
    assert loaded.fingerprint == plain[family][0]
    same_numbers(readings(loaded), plain[family][1])


def test_a_model_offloaded_by_its_owner_gives_the_same_too(plain: dict[str, Any]) -> None:
    model = tiny_model("llama")
    accelerate.cpu_offload(model, execution_device=torch.device("cpu"))
    assert all(p.device.type == "meta" for p in model.parameters())
    same_numbers(readings(tt.load(model, tiny_tokenizer())), plain["llama"][1])


def test_weights_that_are_written_again_are_deleted_with_the_model(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    loaded = tt.load(str(folders / "qwen3_moe"), dtype="float32", device=HEAD_ON_DISK)
    assert list(tmp_path.glob("trimtab-offload-*/*.safetensors"))
    del loaded
    gc.collect()
    assert not list(tmp_path.iterdir())
    with pytest.raises(SettingError):
        tt.load(str(folders / "qwen3_moe"), device={"": "disk", "model.layers.9": "cpu"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ({"model.layers.0": "tpu:0", "": "cpu"}, "device of 'model.layers.0'.*'tpu:0' is not available here"),
        ({"": "cuda:7"}, "'cuda:7' is not available here"),
        ({"": 7}, "device of ''.*'cuda:7' is not available here"),
        ({"": "meta"}, "'meta' is not available here: it has shapes and no numbers"),
        ({"": 0.5}, "device of '': 0.5 is none; write a GPU's number"),
        ({"": "balanced"}, "'balanced' is for a whole model"),
        ({"model.layer.0": "cpu", "": "cpu"}, "no module 'model.layer.0'; did you mean 'model.layers.0'?.*lm_head"),
        ({"model": "cpu"}, "no device for lm_head.weight"),
        (
            {"": "cpu", "model.layers.2.mlp": "disk"},
            r"model.layers.2 would be split over 'cpu' and 'disk' \(mlp.gate_proj.weight\)",
        ),
    ],
)
def test_a_mapping_that_cannot_be_is_refused_before_weights_are_loaded(
    device: dict[str, Any], words: str, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trimtab.models import load

    monkeypatch.delattr(load, "load_whole")
    with pytest.raises(SettingError, match=words):
        tt.load(str(folders / "llama"), dtype="float32", device=device)


def test_the_gpu_with_the_least_free_memory_decides_how_tall_a_batch_may_be(folders: Path) -> None:
    facts = tt.load(str(folders / "llama"), dtype="float32", device="cpu").facts
    first, second, cpu = torch.device("cuda:0"), torch.device("cuda:1"), torch.device("cpu")
    free = {first: 64 << 20, second: 8 << 20}

    def ceiling(*devices: torch.device) -> int:
        return budget_for(facts, devices, torch.float32, None, free.__getitem__).ceiling

    assert ceiling(first) > 7 * ceiling(second) > 7 * 256
    assert ceiling(first, second) == ceiling(second, first) == ceiling(first, cpu, second) == ceiling(second)
    assert budget_for(facts, [cpu], torch.float32).cache_bytes == CPU_BYTES


def test_cells_that_exceed_a_device_are_run_in_groups_with_the_same_scores(folders: Path) -> None:
    roomy, tight = (
        tt.load(str(folders / "llama"), dtype="float32", device=HEAD_ON_DISK, memory_bytes=size)
        for size in (1 << 30, 1 << 10)
    )
    assert tight.engine.budget.ceiling < roomy.engine.budget.ceiling  # type: ignore[attr-defined]
    expected = readings(roomy)
    for name, values in readings(tight).items():
        torch.testing.assert_close(values, expected[name], atol=1e-4, rtol=1e-4, msg=name)


def test_auto_spreads_a_model_that_its_gpu_cannot_hold_and_says_so() -> None:
    place = torch.device("cuda:0")
    with pytest.warns(TrimtabWarning, match="big: its weights take 20.0 GiB, and cuda:0 has 10.0 GiB free"):
        assert outgrown("big", 20 << 30, 10 << 30, place)
    assert not outgrown("small", 9 << 30, 10 << 30, place)


def test_several_gpus_that_hold_a_model_together_come_before_streaming_it(monkeypatch: pytest.MonkeyPatch) -> None:
    place, gib = torch.device("cuda:0"), 1 << 30
    free = [10 * gib, 30 * gib]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (free[index], 80 * gib))
    assert fits_all_gpus("auto", place, 30 * gib)
    assert not fits_all_gpus("auto", place, 39 * gib), "states need room"
    assert not fits_all_gpus("cuda:0", place, 30 * gib)
    assert not fits_all_gpus("auto", torch.device("cpu"), gib)
    free.pop()
    assert not fits_all_gpus("auto", place, gib), "one alone is looked at elsewhere"


def test_the_number_format_follows_the_device_that_computes() -> None:
    assert main_device({"model": "disk", "lm_head": "cpu"}) == torch.device("cpu")
    assert main_device({"": "disk"}) == torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "gpus"),
    [
        ("balanced", None),
        ({"a": 0, "b": "cuda:0", "c": "cuda:1"}, 2),
        ({"a": "cuda"}, 1),
        ({"": "cpu", "a": "disk"}, 0),
    ],
)
def test_gpus_that_a_mapping_names_are_counted(device: Any, gpus: int | None) -> None:
    assert gpus_of(device) == gpus


def test_where_the_layers_are_stands_in_the_summary(folders: Path) -> None:
    loaded = tt.load(str(folders / "llama"), dtype="float32", device=json.loads(json.dumps(HEAD_ON_DISK)))
    assert [str(device) for device in loaded.backbone.devices] == ["cpu"]  # type: ignore[attr-defined]
