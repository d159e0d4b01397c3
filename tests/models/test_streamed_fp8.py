"""Weights stored in 8 bits with a scale for each block are streamed as stored, and made plain layer by layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sweeps import make_cells, swept
from tiny import random_pairs, tiny_model, tiny_tokenizer
from trimtab.engines import TransformersEngine
from trimtab.errors import ModelError
from trimtab.models import load_backbone, peek_stream

BLOCK = (8, 16)
IDS = torch.arange(3, 60).reshape(3, 19)
KEPT = ("norm", "router", "mlp.gate.weight")
"""Weights of layers that such checkpoints hold in full."""


def in_8_bits(name: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """A matrix of a layer in float8 and the scales of its blocks, as published checkpoints have it."""
    whole = weight.ndim == 2 and not any(size % block for size, block in zip(weight.shape, BLOCK, strict=True))
    if ".layers." not in name or not whole or any(part in name for part in KEPT):
        return {name: weight}
    rows, columns = weight.shape[0] // BLOCK[0], weight.shape[1] // BLOCK[1]
    blocks = weight.reshape(rows, BLOCK[0], columns, BLOCK[1])
    scales = blocks.abs().amax(dim=(1, 3)) / torch.finfo(torch.float8_e4m3fn).max
    stored = (blocks / scales[:, None, :, None]).to(torch.float8_e4m3fn).reshape(weight.shape)
    return {name: stored, f"{name}_scale_inv": scales}


def saved(family: str, folder: Path, **settings: Any) -> Path:
    tiny_model(family).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    file, config = folder / "model.safetensors", folder / "config.json"
    stored = {key: one for name, weight in load_file(file).items() for key, one in in_8_bits(name, weight).items()}
    assert any(weight.dtype == torch.float8_e4m3fn for weight in stored.values())
    save_file(stored, file, metadata={"format": "pt"})
    method = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": list(BLOCK)} | settings
    config.write_text(json.dumps(json.loads(config.read_text()) | {"quantization_config": method}))
    return folder


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in 8 bits, so such models are refused there")
@pytest.mark.parametrize(("family", "dtype"), [("llama", "bfloat16"), ("qwen3_moe", "float32")])
def test_it_is_the_model_that_transformers_makes_plain_in_memory(family: str, dtype: Any, tmp_path: Path) -> None:
    folder = saved(family, tmp_path)
    whole, streamed = (load_backbone(str(folder), dtype=dtype, device="cpu", stream=s) for s in (False, True))
    assert streamed.stream is not None
    with torch.no_grad():
        assert torch.equal(streamed.model(IDS).logits, whole.model(IDS).logits)
    assert streamed.fingerprint == whole.fingerprint
    plain = sum(weight.nbytes for weight in whole.anatomy.layers[0].parameters())
    assert streamed.stream.bytes_of(0) < plain * (0.75 if dtype == "bfloat16" else 0.5), "read in 8 bits"
    tables = [swept(TransformersEngine(one), random_pairs(), make_cells(one), "text") for one in (whole, streamed)]
    assert torch.equal(*tables)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU computes in 8 bits, so such models are refused there")
def test_its_plan_counts_what_is_read(tmp_path: Path) -> None:
    folder = saved("llama", tmp_path)
    place, dtype = torch.device("cpu"), torch.float32
    plan = peek_stream(str(folder), stream=True, dtype=dtype, place=place)
    streamed = load_backbone(str(folder), dtype="float32", device="cpu", stream=True).stream
    assert plan is not None
    assert streamed is not None
    assert plan.layer_bytes == sum(streamed.bytes_of(layer) for layer in range(streamed.layers))
    assert plan.present_bytes > 2 * 3 * streamed.bytes_of(0), "in memory they are plain"


def test_it_is_refused_beside_a_gpu_that_computes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(ModelError, match=r"quantized \(fp8\).*whose GPU computes with them as they are.*stream=False"):
        load_backbone(str(saved("llama", tmp_path)), device="cpu", stream=True)


@pytest.mark.parametrize("method", ["gptq", "bitsandbytes", "compressed-tensors"])
def test_other_methods_are_refused_by_name(method: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"quantized \({method}\).*cannot be streamed.*plain weights"):
        load_backbone(str(saved("llama", tmp_path, quant_method=method)), device="cpu", stream=True)
