"""What steering takes of the CPU before each pass of vLLM: a runner placing steered requests. Needs no vLLM.

python bench/placing.py [--requests 256]
"""

from __future__ import annotations

import argparse
import statistics
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from trimtab.engines.vllm.plugin._runner_v1 import RunnerV1
from trimtab.engines.vllm.plugin._steering import Steering
from trimtab.engines.vllm.plugin._table_rows import Rows
from trimtab.engines.vllm.plugin.vector_table import Vectors, content_name, packed
from trimtab.engines.vllm.wire.spec import KEY, Push, Spec


def steering(requests: int) -> Steering:
    """What a worker has, without a model: rows are entered, and lead nowhere."""
    made = Steering.__new__(Steering)
    made.rows, made.vectors, made._asked = Rows(requests), Vectors(4, 8), {}
    made.passes_by_hand = 0
    made.armed = SimpleNamespace(write_row=lambda *_: None, begin=lambda *_: None)  # type: ignore[assignment]
    return made


def runner(made: Steering, requests: int) -> Any:
    """A batch in which each request decodes under an intervention of its own."""
    content = packed({1: torch.ones(8)}, None)
    made.vectors.add(content_name(content), content)
    specs = [Spec((Push(content_name(content), (1,), 1 + i / 1000),)).to_json() for i in range(requests)]
    known = {
        f"request-{i}": SimpleNamespace(sampling_params=SimpleNamespace(extra_args={KEY: spec}), num_prompt_tokens=100)
        for i, spec in enumerate(specs)
    }
    batch = SimpleNamespace(req_ids=list(known), num_computed_tokens_cpu=np.full(requests, 120))
    return SimpleNamespace(input_batch=batch, requests=known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=256)
    requests = parser.parse_args().requests
    made = steering(requests)
    running, scheduled = RunnerV1(runner(made, requests)), np.ones(requests, dtype=np.int32)

    def place() -> None:
        made.plan(running._batch(scheduled), running.runner.requests)

    place()
    seconds = []
    for _ in range(200):
        start = time.perf_counter()
        place()
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    print(f"{requests} requests: {1e3 * median:.2f} ms a pass, {1e6 * median / requests:.1f} µs a request")


if __name__ == "__main__":
    main()
