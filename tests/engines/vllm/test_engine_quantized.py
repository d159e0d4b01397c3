"""Quantized weights beside steering: what a push does to a state is the push, whatever the weights are made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
PROMPT = tuple(torch.randint(3, 250, (20,), generator=torch.Generator().manual_seed(0)).tolist())


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
        # The CPU's kernels for these integers take bfloat16 only.
        running = load(str(folder), dtype="bfloat16", engine="vllm", engine_options=SMALL | {"enforce_eager": True})
        try:
            yield running
        finally:
            running.close()


@pytest.fixture(scope="module")
def direction(model: Model) -> torch.Tensor:
    return torch.randn(model.facts.width, generator=torch.Generator().manual_seed(1))


def state_behind(model: Model, cell: Intervention | None) -> torch.Tensor:
    """Of each token of the prompt [tokens, d_model]."""
    from trimtab.engines.vllm.guard.request_pool import Ask, one_token
    from trimtab.engines.vllm.wire.spec import Read

    engine: Any = model.engine
    spec = engine.registry.spec(cell, read=Read(0, len(PROMPT), (LAYER,)))
    news = [news for news in engine.pool.run([Ask((0,), PROMPT, one_token(), spec)], 1) if news.output.finished]
    states: torch.Tensor = engine._fetch_states(news[0].inside, (LAYER,), len(PROMPT))[:, 0]
    return states


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_state_is_moved_by_the_push_and_nothing_else(model: Model, direction: torch.Tensor, by_hand: bool) -> None:
    """No row holds two pushes at one layer, so that two halves are done by hand."""
    whole = Intervention({LAYER: direction}, 0.6, "raw", "after_prompt")
    half = Intervention({LAYER: direction}, 0.3, "raw", "after_prompt")
    plain, moved = (state_behind(model, cell) for cell in (None, half.and_also(half) if by_hand else whole))
    assert torch.equal(moved[:-1], plain[:-1]), "tokens before the last are not steered"
    rounded_off = 2**-7 * (plain[-1].norm() + direction.norm())
    assert (moved[-1] - plain[-1] - 0.6 * direction).norm() < rounded_off < 0.1 * direction.norm()


def test_steered_and_unsteered_requests_of_a_batch_are_each_what_they_are_alone(
    model: Model, direction: torch.Tensor
) -> None:
    cells = [None, Intervention({LAYER: direction}, 0.6, "raw"), Intervention({LAYER: direction}, -0.6, "raw")]
    requests = [Request(PROMPT, cell, 12) for cell in cells]
    together = [reply.tokens for _, reply in sorted(model.replies(requests))]
    assert together == [dict(model.replies([request]))[0].tokens for request in requests]
    assert len(set(together)) == len(cells)
