"""LoRA adapters beside steering: each request of one engine has its adapter or none, and its push or none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from running import Both, both, model_runner

from trimtab.engines import Model, Request, load
from trimtab.engines.vllm._vllm_writer import sampling_params
from trimtab.engines.vllm.wire.spec import KEY
from trimtab.steering import Intervention

pytestmark = pytest.mark.vllm

RANK, ALPHA, NEW_TOKENS = 4, 8, 10
ADAPTED = ("self_attn.q_proj", "mlp.down_proj")
PROMPT = tuple(torch.randint(3, 250, (70,), generator=torch.Generator().manual_seed(5)).tolist())


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    options = {"enforce_eager": True, "enable_lora": True, "max_loras": 2, "max_lora_rank": 8}
    with model_runner("V1"), both("llama", tmp_path_factory.mktemp("llama"), **options) as running:
        yield running


@pytest.fixture(scope="module")
def adapter(engines: Both, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model]:
    """An adapter's folder, and the default engine with the adapter merged into the weights."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base, adapter, merged = engines.plain.name, tmp_path_factory.mktemp("adapter"), tmp_path_factory.mktemp("merged")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    source, tensors = torch.Generator().manual_seed(0), dict[str, torch.Tensor]()
    for name, module in model.named_modules():
        if name.endswith(ADAPTED):
            out, into = module.weight.shape
            down, up = torch.randn(RANK, into, generator=source), torch.randn(out, RANK, generator=source)
            down, up = 0.3 * down, 0.3 * up
            tensors |= {
                f"base_model.model.{name}.lora_A.weight": down,
                f"base_model.model.{name}.lora_B.weight": up.contiguous(),
            }
            with torch.no_grad():
                module.weight += ALPHA / RANK * up @ down
    save_file(tensors, adapter / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base, "bias": "none"}
    targets = [name.split(".")[-1] for name in ADAPTED]
    config |= {"r": RANK, "lora_alpha": ALPHA, "target_modules": targets}  # type: ignore[dict-item]
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    model.save_pretrained(merged)
    AutoTokenizer.from_pretrained(base).save_pretrained(merged)
    return adapter, load(str(merged), dtype="float32")


def asked(engines: Both, requests: list[tuple[Any, Intervention | None]]) -> list[tuple[int, ...]]:
    """What vLLM writes for the prompt, all in one batch: each with an adapter or none, and steering or none."""
    engine: Any = engines.vllm.engine
    for number, (lora, cell) in enumerate(requests):
        params = sampling_params(Request(PROMPT, cell, NEW_TOKENS), engine.identity.ends)
        params.extra_args = {KEY: engine.registry.spec(cell).to_json()} if cell is not None else None
        prompt = {"type": "token", "prompt_token_ids": list(PROMPT)}  # without a salt: the plugin's own names must do
        engine.engine.add_request(str(number), prompt, params, lora_request=lora)
    found = {number: tuple[int, ...]() for number in range(len(requests))}
    while engine.engine.has_unfinished_requests():
        for output in engine.engine.step():
            found[int(output.request_id)] += tuple(output.outputs[0].token_ids)
    return [found[number] for number in range(len(requests))]


@pytest.mark.parametrize("positions", ["all", "after_prompt", "generated"])
def test_adapters_and_steering_are_each_requests_own(
    engines: Both, adapter: tuple[Path, Model], positions: Any
) -> None:
    """Twice: the second time what can be is found in the prefix cache."""
    from vllm.lora.request import LoRARequest

    folder, merged = adapter
    lora = LoRARequest("adapter", 1, str(folder))
    cell = Intervention({1: engines.directions[1]}, 0.4, "relative", positions)
    by_hand = Intervention({2: engines.directions[2]}, 1.0, "project_out", positions)
    requests = [(which, push) for which in (None, lora) for push in (None, cell, by_hand)]
    expected = [
        dict(model.replies([Request(PROMPT, push, NEW_TOKENS)]))[0].tokens
        for model in (engines.plain, merged)
        for push in (None, cell, by_hand)
    ]
    assert len({expected[0], expected[1], expected[3], expected[4]}) == 4, "both the adapter and the push matter"
    for _ in range(2):
        assert asked(engines, requests) == expected
