"""A hybrid model (Qwen3.5: linear attention and attention) as far as vLLM's CPU build runs it: in bfloat16 only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from running import Both, both, every_kind, states

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent / "cpu_only"))
        folder = tmp_path_factory.mktemp("qwen3_5")
        with both("qwen3_5", folder, dtype="bfloat16", enforce_eager=True) as running:
            yield running


def test_every_layer_is_armed_linear_or_not(engines: Both) -> None:
    assert engines.vllm.engine.status()[0]["layers"] == list(range(engines.plain.facts.layers))


def test_states_agree_as_far_as_bfloat16_goes(engines: Both) -> None:
    ours, theirs = (states(model, engines.pairs) for model in (engines.vllm, engines.plain))
    assert torch.cosine_similarity(ours, theirs, dim=-1).min() > 0.99


@pytest.mark.parametrize("positions", ["all", "after_prompt", "prompt"])
def test_effects_of_pushes_agree_as_far_as_bfloat16_goes(engines: Both, positions: str) -> None:
    cells = [cell for cell in every_kind(engines.directions, positions).values() if not cell.first_token]
    effects = []
    for model in (engines.vllm, engines.plain):
        whole = torch.zeros(1 + len(cells), len(engines.pairs))
        for scored in model.score(engines.pairs, cells, "choice"):
            whole[:, scored.indices] = scored.scores
        effects.append((whole[1:] - whole[0]).flatten())
    assert torch.corrcoef(torch.stack(effects))[0, 1] > 0.95
