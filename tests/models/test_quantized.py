"""Quantized weights are packed, several to a number: they are counted and told apart by what they stand for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BitNetQuantConfig

from tiny import tiny, tiny_model, tiny_tokenizer
from trimtab.errors import ModelError
from trimtab.models import load_backbone, peek


@pytest.fixture(autouse=True)
def _uncompiled() -> Iterator[None]:
    """The format's own layers are compiled, which takes a minute."""
    with torch.compiler.set_stance("force_eager"):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ternary weights, four to a byte: the one format of transformers that takes neither a GPU nor another package."""
    path = tmp_path_factory.mktemp("packed")
    tiny_model("llama").save_pretrained(path)
    tiny_tokenizer().save_pretrained(path)
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    quantized = BitNetQuantConfig(modules_to_not_convert=["lm_head"]).to_dict()
    (path / "config.json").write_text(json.dumps(config | {"quantization_config": quantized}), encoding="utf-8")
    held = load_file(path / "model.safetensors")
    source = torch.Generator().manual_seed(0)
    for name in [name for name in held if "_proj.weight" in name]:
        rows, columns = held[name].shape
        ternary = torch.randint(0, 3, (4, rows // 4, columns), generator=source)
        held[name] = (ternary * torch.tensor([1, 4, 16, 64])[:, None, None]).sum(0).to(torch.uint8)
        held[f"{name}_scale"] = torch.tensor([1.0])
    save_file(held, path / "model.safetensors", metadata={"format": "pt"})
    return path


def changed(folder: Path, target: Path, name: str, value: torch.Tensor | None) -> str:
    """A copy with one tensor replaced, or without it."""
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    held = load_file(target / "model.safetensors")
    found = next(key for key in held if key.endswith(name))
    if value is None:
        del held[found]
    else:
        held[found] = value.to(held[found].dtype).expand(held[found].shape).contiguous()
    save_file(held, target / "model.safetensors", metadata={"format": "pt"})
    return str(target)


def test_packed_parameters_are_counted_as_what_they_stand_for(folder: Path) -> None:
    loaded = load_backbone(str(folder), dtype="float32", device="cpu")
    assert next(b for b in loaded.model.buffers() if b.dtype == torch.uint8).numel() > 0
    assert loaded.facts.parameters == tiny("llama").facts.parameters
    assert loaded.facts == peek(str(folder))[0]


def test_other_packed_weights_are_another_model(folder: Path, tmp_path: Path) -> None:
    other = changed(folder, tmp_path, "layers.2.mlp.down_proj.weight", torch.tensor(7))
    one, two = (load_backbone(path, dtype="float32", device="cpu").fingerprint for path in (str(folder), other))
    assert one != two


@pytest.mark.parametrize("name", ["layers.2.mlp.down_proj.weight", "layers.2.mlp.down_proj.weight_scale"])
def test_a_quantized_checkpoint_that_lacks_a_tensor_is_refused(name: str, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=name):
        load_backbone(changed(folder, tmp_path, name, None), dtype="float32", device="cpu")
