"""Loading: names, folders, dtypes, and what is said when it does not work."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tiny import save_tiny
from trimtab.errors import ModelError, SettingError
from trimtab.models import Backbone, choose_dtype, load_backbone, peek
from trimtab.models.precision import choose_device


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model"))


def test_a_folder_loads_as_the_model_that_was_saved(folder: Path, llama: Backbone) -> None:
    loaded = load_backbone(str(folder), dtype="float32", device="cpu")
    assert loaded.fingerprint == llama.fingerprint
    assert loaded.facts == llama.facts
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(loaded.model(ids).logits, llama.model(ids).logits)


def test_the_dtype_asked_for_is_the_dtype_loaded(folder: Path, llama: Backbone) -> None:
    loaded = load_backbone(str(folder), dtype="bfloat16", device="cpu")
    assert loaded.dtype == torch.bfloat16
    assert loaded.fingerprint == llama.fingerprint


def test_peeking_reads_the_facts_without_the_weights(folder: Path, llama: Backbone) -> None:
    (weights := folder / "model.safetensors").rename(hidden := folder / "hidden")
    try:
        facts, tokenizer = peek(str(folder))
    finally:
        hidden.rename(weights)
    assert facts == llama.facts
    assert tokenizer.eos_token == "</s>"


def test_loading_is_silent(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_backbone(str(folder), dtype="float32", device="cpu")
    assert capfd.readouterr() == ("", "")


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(ModelError, match="nowhere: no such folder"):
        load_backbone("./nowhere")


def test_a_folder_without_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.json"):
        load_backbone(str(tmp_path))


def test_an_unknown_hub_name_points_to_the_bundled_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"'nobody/no-such-model'.*bundled one is called 'smollm2-135m'"):
        load_backbone("nobody/no-such-model")


def test_truncated_weights_are_a_model_error(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_backbone(str(tmp_path))


def test_missing_weights_are_not_called_a_missing_folder(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.name != "model.safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match=r"cannot be loaded: .*model\.safetensors"):
        load_backbone(str(tmp_path))


def test_a_broken_tokenizer_is_a_model_error(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_backbone(str(tmp_path))


def test_a_missing_gguf_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.gguf: no such GGUF file"):
        load_backbone(str(tmp_path / "gone.gguf"))


def test_a_broken_gguf_file_is_a_model_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "broken.gguf").write_bytes(b"GGUF but not really")
    with pytest.raises(ModelError, match=r"broken\.gguf: of version"):
        load_backbone(str(tmp_path / "broken.gguf"))


def test_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(SettingError, match="auto or one of float32, bfloat16, float16"):
        load_backbone(dtype="float64")  # type: ignore[arg-type]


def test_an_absent_device_is_refused() -> None:
    with pytest.raises(SettingError, match=r"device 'cuda:99' is not available here"):
        choose_device("cuda:99")


@pytest.mark.parametrize(("native", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_takes_bfloat16_only_where_the_processor_multiplies_it(
    native: bool, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.models.precision._cpu_multiplies_bfloat16", lambda: native)
    assert choose_dtype("auto", torch.device("cpu")) == expected


def test_a_dtype_asked_for_is_taken_whatever_the_processor() -> None:
    assert choose_dtype("float16", torch.device("cpu")) == torch.float16
    assert choose_dtype(torch.bfloat16) == torch.bfloat16


@pytest.mark.parametrize("device", ["meta", "cpu:x", "", "\x1b", "nowhere", "meta:0"])
def test_devices_that_hold_no_numbers_are_refused(device: str) -> None:
    with pytest.raises(SettingError, match="is not available here"):
        choose_device(device)
