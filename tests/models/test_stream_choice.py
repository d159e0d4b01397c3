"""A model is streamed where it is asked for or does not fit into memory, and refused in words where it cannot be."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import trimtab as tt
from tiny import tiny_model, tiny_tokenizer, vector_for
from trimtab.engines import Model, TransformersEngine
from trimtab.errors import ModelError, SettingError, TrimtabWarning
from trimtab.models import load_backbone
from trimtab.models.streaming import _memory_fit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_model("llama").save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def memory(monkeypatch: pytest.MonkeyPatch, folder: Path, available: int, swap: int = 0) -> None:
    """Let a machine have so many kB of memory, and no cgroup with less."""
    file = folder / "meminfo"
    file.write_text(f"MemTotal: 99999999 kB\nMemAvailable: {available} kB\nSwapFree: {swap} kB\n")
    monkeypatch.setattr(_memory_fit, "_MEMINFO", file)
    monkeypatch.setattr(_memory_fit, "_OWN_CGROUPS", folder / "none")


def test_a_model_that_does_not_fit_is_streamed_and_a_warning_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(monkeypatch, tmp_path, 2**20)  # 1 GiB, which states alone take
    with pytest.warns(TrimtabWarning, match=r"does not fit into memory.*1\.0 GiB are free.*stream=False"):
        loaded = load_backbone(str(folder), device="cpu")
    assert loaded.stream is not None


def test_one_that_fits_is_not(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory(monkeypatch, tmp_path, 2**20 + 2**12)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrimtabWarning)
        assert load_backbone(str(folder), device="cpu").stream is None


def test_one_that_must_not_be_streamed_is_refused_unless_swap_holds_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(monkeypatch, tmp_path, 2**20)
    with pytest.raises(ModelError, match=r"does not fit into memory: 0\.0 GiB of weights and 1\.0 GiB for states"):
        load_backbone(str(folder), device="cpu", stream=False)
    memory(monkeypatch, tmp_path, 2**20, swap=2**20)
    assert load_backbone(str(folder), device="cpu", stream=False).stream is None


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("0::/job", ("job/memory.max", "job/memory.current", "job/memory.stat", "inactive_file")),
        (
            "9:memory:/job/step",
            (
                "memory/job/memory.limit_in_bytes",
                "memory/job/memory.usage_in_bytes",
                "memory/job/memory.stat",
                "total_inactive_file",
            ),
        ),
    ],
)
def test_the_limit_of_a_cgroup_counts_and_its_caches_do_not(
    line: str, names: tuple[str, str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(monkeypatch, tmp_path, 8 * 2**20)
    (tmp_path / "own").write_text(f"12:cpu:/other\n{line}\n")
    for name, content in zip(names[:3], (3 << 30, 2 << 30, f"{names[3]} {1 << 30}"), strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{content}\n")
    monkeypatch.setattr(_memory_fit, "_OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(_memory_fit, "_CGROUP", tmp_path)
    assert _memory_fit.shortage((1 << 30) - 1, torch.device("cpu")) == ""
    assert "2.0 GiB are free" in _memory_fit.shortage((1 << 30) + 1, torch.device("cpu"))


@pytest.mark.parametrize(
    ("on_gpu", "in_machine", "short"),
    [(4, 8, ""), (2, 8, r"2\.0 GiB of weights and 1\.0 GiB for states, and 2\.0 GiB are free on cuda"),
     (4, 2, r"for states, and 2\.0 GiB are free$"), (2, 2, "are free on cuda")],
)  # fmt: skip
def test_weights_for_a_gpu_need_room_there_and_in_the_machine_that_they_pass_through(
    on_gpu: int, in_machine: int, short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(monkeypatch, tmp_path, in_machine * 2**20)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (on_gpu << 30, 80 << 30))
    found = _memory_fit.shortage(2 << 30, torch.device("cuda"))
    assert re.search(short, found) if short else found == ""


def config_of(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_pickled_weights_cannot_be_streamed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(tiny_model("llama").state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only safetensors files can be read a layer at a time.*save_pretrained"):
        load_backbone(str(folder), device="cpu", stream=True)
    memory(monkeypatch, tmp_path, 1)  # nobody asked: it is loaded as it always was
    assert load_backbone(str(folder), device="cpu").stream is None


def test_an_adapter_cannot_be_streamed(folder: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    adapted = peft.get_peft_model(tiny_model("llama"), peft.LoraConfig(target_modules=["q_proj"]))
    adapted.peft_config["default"].base_model_name_or_path = str(folder)
    adapted.save_pretrained(tmp_path / "adapter")
    with pytest.raises(ModelError, match=r"it is an adapter.*[Mm]erge"):
        load_backbone(str(tmp_path / "adapter"), device="cpu", stream=True)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"quantization": "quanto-int8"}, "streamed and quantized"),
        ({"device": "balanced"}, "over several devices"),
        ({"device": {"": "cpu"}}, "over several devices"),
        ({"engine": "vllm"}, "stream is of the default engine"),
    ],
)
def test_options_that_need_the_whole_model_are_refused_beside_it(
    options: dict[str, Any], problem: str, folder: Path
) -> None:
    with pytest.raises(SettingError, match=problem):
        tt.load(str(folder), stream=True, **options)


def test_a_model_in_memory_is_taken_as_it_is() -> None:
    with pytest.raises(SettingError, match="leave out stream"):
        tt.load(tiny_model("llama"), tiny_tokenizer(), stream=True)


def test_what_needs_all_weights_refuses_a_streamed_model(folder: Path, tmp_path: Path) -> None:
    backbone = load_backbone(str(folder), dtype="float32", device="cpu", stream=True)
    with pytest.raises(SettingError, match=r"baking needs the weights of all layers.*stream=False"):
        tt.bake(Model(backbone), vector_for(backbone), tmp_path / "baked", layer=1, strength=1.0, scale="raw")
    assert not (tmp_path / "baked").exists()
    with pytest.raises(SettingError, match="training a vector needs the weights of all layers"):
        TransformersEngine(backbone).gradient_passes([], "all", False, Model(backbone)._lock)
