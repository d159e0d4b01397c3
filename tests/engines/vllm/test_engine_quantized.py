"""Quantized weights beside steering: what a push does to a state is the push, whatever the weights are made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from running import SMALL, model_runner, saved

from trimtab.engines import Model, Request, load
from trimtab.steering import Intervention

pytestmark = pytest.mark.vllm

LAYER = 1
EIGHT_BITS = {"num_bits": 8, "type": "int", "symmetric": True}
PROMPTS = [
    tuple(torch.randint(3, 250, (20 + i,), generator=torch.Generator().manual_seed(i)).tolist()) for i in range(4)
]


def quantize(folder: Path) -> None:
    """Put 8-bit integers in place of a saved model's matrices, as the library compressed-tensors writes them."""
    tensors = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        if name.endswith("_proj.weight"):
            scale = tensor.abs().amax(1, keepdim=True) / 127
            tensors[name] = (tensor / scale).round().to(torch.int8)
            tensors[f"{name}_scale"] = scale
        else:
            tensors[name] = tensor
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    group = {
        "targets": ["Linear"],
        "weights": EIGHT_BITS | {"strategy": "channel", "dynamic": False},
        "input_activations": EIGHT_BITS | {"strategy": "token", "dynamic": True},
    }
    config["quantization_config"] = {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": group},
    }
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    folder = saved("llama", tmp_path_factory.mktemp("llama"))
    quantize(folder)
    with model_runner("V1"):
        running = load(str(folder), dtype="float32", engine="vllm", engine_options=SMALL | {"enforce_eager": True})
        try:
            yield running
        finally:
            running.close()


@pytest.fixture(scope="module")
def direction(model: Model) -> torch.Tensor:
    return torch.randn(model.facts.width, generator=torch.Generator().manual_seed(1))


def test_a_state_is_moved_by_the_push_and_nothing_else(model: Model, direction: torch.Tensor) -> None:
    from trimtab.engines.vllm.guard.request_pool import Ask, one_token
    from trimtab.engines.vllm.wire.spec import Read

    engine = model.engine
    push = Intervention({LAYER: direction}, 0.5, "raw", first_token=True)
    found = []
    for cell in (None, push):
        spec = engine.registry.spec(cell, read=Read(0, len(PROMPTS[0]), (LAYER,)))
        (news,) = [
            news for news in engine.pool.run([Ask((0,), PROMPTS[0], one_token(), spec)], 1) if news.output.finished
        ]
        found.append(engine._fetch_states(news.inside, (LAYER,), len(PROMPTS[0]))[:, 0])
    plain, moved = found
    torch.testing.assert_close(moved - plain, (0.5 * direction).expand_as(plain), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("positions", ["all", "after_prompt", "generated"])
def test_a_row_of_the_table_pushes_as_the_pure_functions_do(
    model: Model, direction: torch.Tensor, positions: str
) -> None:
    """Of two halves of a push at one layer no row holds both, so that they are done by hand."""
    whole = Intervention({LAYER: direction}, 0.6, "raw", positions)  # type: ignore[arg-type]
    half = Intervention({LAYER: direction}, 0.3, "raw", positions)  # type: ignore[arg-type]
    before = model.engine.status()[0]["passes_by_hand"]  # type: ignore[attr-defined]
    cells = (None, whole, half.and_also(half))
    plain, row, by_hand = (
        [reply.tokens for _, reply in sorted(model.replies([Request(p, cell, 12) for p in PROMPTS]))] for cell in cells
    )
    assert row == by_hand
    assert row != plain
    assert model.engine.status()[0]["passes_by_hand"] > before  # type: ignore[attr-defined]
