"""An engine with too little of everything: few blocks for keys and values, so that requests are preempted; few rows.

Preempted requests are computed again later, at positions that were computed before; pushes that find no row free run
uncompiled. Neither may be seen in what is answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from running import IN_PROCESS, RUNNERS, Both, both, every_kind, model_runner

from trimtab.engines import Request
from trimtab.models import Text
from trimtab.steering import Intervention

pytestmark = pytest.mark.vllm

ROWS = 3
NEW_TOKENS = {"V1": 60, "V2": 24}
"""Of each text. Triton's interpreter, in which V2 runs here, is slow; two blocks each are more than there are."""
SCARCE = {"num_gpu_blocks_override": 12, "block_size": 32, "max_num_batched_tokens": 64, "rows": ROWS}


@pytest.fixture(scope="module")
def preempted() -> list[str]:
    """Names of requests that lost their place."""
    return []


@pytest.fixture(scope="module", params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def engines(runner: str, tmp_path_factory: pytest.TempPathFactory, preempted: list[str]) -> Iterator[Both]:
    """An engine inside this process, whose scheduler can be watched."""
    from vllm.v1.core.sched.scheduler import Scheduler

    original = Scheduler._preempt_request

    def watched(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        preempted.append(request.request_id)
        return original(self, request, *args, **kwargs)

    with model_runner(runner) as patch:
        patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        patch.setattr(Scheduler, "_preempt_request", watched)
        with both(
            "llama", tmp_path_factory.mktemp("llama"), enforce_eager=True, **SCARCE, **IN_PROCESS[runner]
        ) as running:
            yield running


def prompt(seed: int, length: int) -> tuple[int, ...]:
    return tuple(torch.randint(3, 250, (length,), generator=torch.Generator().manual_seed(seed)).tolist())


def replies(model: Any, requests: list[Request]) -> list[tuple[int, ...]]:
    found = dict(model.replies(requests))
    return [found[index].tokens for index in range(len(requests))]


@pytest.mark.parametrize("positions", ["all", "after_prompt", "prompt", "generated"])
def test_preempted_requests_are_steered_as_if_nothing_had_happened(
    runner: str, engines: Both, positions: Any, preempted: list[str]
) -> None:
    preempted.clear()
    cells = [None, *every_kind(engines.directions, positions).values()]
    requests = [Request(prompt(i, 20 + i), cells[i % len(cells)], NEW_TOKENS[runner]) for i in range(16)]
    assert replies(engines.vllm, requests) == replies(engines.plain, requests)
    assert preempted, "cache ran out"


def test_more_pushes_at_once_than_rows_are_done_by_hand(engines: Both) -> None:
    before = engines.vllm.engine.status()[0]
    assert before["rows"] == ROWS
    cells = [Intervention({i % 4: engines.directions[i % 4]}, 0.1 + i / 20, "relative") for i in range(12)]
    requests = [Request(prompt(i, 12), cell, 8) for i, cell in enumerate(cells)]
    assert replies(engines.vllm, requests) == replies(engines.plain, requests)
    after = engines.vllm.engine.status()[0]
    assert after["passes_by_hand"] > before["passes_by_hand"]
    one = [Request(prompt(i, 12), cells[0], 8) for i in range(3)]
    assert replies(engines.vllm, one) == replies(engines.plain, one)
    assert engines.vllm.engine.status()[0]["passes_by_hand"] == after["passes_by_hand"], "rows are free again"


def test_texts_are_read_whole_though_their_requests_are_preempted(engines: Both) -> None:
    texts = [Text(prompt(i, 120), 60) for i in range(8)]
    ours, theirs = (dict(model.states(texts, [1, 3])) for model in (engines.vllm, engines.plain))
    for index in range(len(texts)):
        assert torch.allclose(ours[index], theirs[index], rtol=1e-3, atol=1e-3)
