"""What steering asks of vLLM's V2 model runner: the order of the batch, positions, and passes without graphs."""

from __future__ import annotations

import sys
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from trimtab.engines.vllm.plugin._push_table import Step
from trimtab.engines.vllm.plugin._runner_v2 import RunnerV2
from trimtab.engines.vllm.plugin._steering import Scheduled


class CUDAGraphMode(IntEnum):
    NONE = 0
    FULL = 2


class Descriptor(NamedTuple):
    cg_mode: CUDAGraphMode
    num_tokens: int
    num_reqs: int
    num_active_loras: int = 0


class Manager:
    """Has one graph, of eight tokens."""

    def dispatch(self, num_reqs: int, num_tokens: int, uniform: int | None, loras: int) -> Descriptor:
        return Descriptor(CUDAGraphMode.FULL, 8, 8, loras)


class Compiled(nn.Module):
    """What vLLM compiles is known by this attribute."""

    do_not_compile = False


class V2:
    """As much of the runner as steering looks at; it notes how each pass ran."""

    def __init__(self) -> None:
        self.model = nn.Sequential(Compiled(), nn.Linear(2, 2))
        self.req_states = SimpleNamespace(
            req_id_to_index={},
            num_computed_tokens_np=np.zeros(4, np.int32),
            prompt_len=SimpleNamespace(np=np.zeros(4, int)),
        )
        self.execute_model_state: Any = None
        self.cudagraph_manager: Any = None
        self.passes: list[tuple[CUDAGraphMode, bool]] = []
        self.initialize_kv_cache(None)

    def get_model(self) -> nn.Module:
        return self.model

    def initialize_kv_cache(self, kv_cache_config: Any, is_profiling: bool = False) -> None:
        self.cudagraph_manager = Manager()

    def add_requests(self, scheduler_output: Any) -> None:
        for slot, request in enumerate(scheduler_output.scheduled_new_reqs):
            self.req_states.req_id_to_index[request.req_id] = 3 - slot
            self.req_states.num_computed_tokens_np[3 - slot] = request.computed
            self.req_states.prompt_len.np[3 - slot] = request.prompt

    def gather_batch_req_state(self, scheduler_output: Any, dummy_run: bool) -> Any:
        if dummy_run:
            return None, 1
        counts = scheduler_output.num_scheduled_tokens
        names = sorted(counts, key=counts.__getitem__)  # the runner puts short parts first
        index = np.array([self.req_states.req_id_to_index[name] for name in names])
        tokens = np.array([counts[name] for name in names], np.int32)
        return SimpleNamespace(req_ids=names, num_scheduled_tokens=tokens, idx_mapping_np=index), None

    def execute_model(self, scheduler_output: Any, dummy_run: bool = False) -> None:
        if not dummy_run:
            self.add_requests(scheduler_output)
        self.gather_batch_req_state(scheduler_output, dummy_run)
        found = self.cudagraph_manager.dispatch(2, 5, None, 1)
        self.passes.append((found.cg_mode, self.model[0].do_not_compile))  # type: ignore[arg-type]
        if scheduler_output.fails:
            raise RuntimeError("a pass")
        self.execute_model_state = SimpleNamespace(hidden_states=torch.ones(5, 2))


class Steering:
    """Notes what it is called with; `by_hand`: whether the passes need Python between the layers."""

    def __init__(self, by_hand: bool = False):
        self.planned: list[list[Scheduled]] = []
        self.ended: list[Any] = []
        self.armed: Any = SimpleNamespace(step=Step(), end=self._end)
        self.by_hand = by_hand

    def plan(self, batch: list[Scheduled], alive: Any) -> None:
        assert all(request.name in alive for request in batch)
        self.planned.append(batch)
        self.armed.step = SimpleNamespace(uncompiled=self.by_hand)

    def _end(self, final: Any) -> None:
        self.ended.append(final)
        self.armed.step = Step()


def scheduled(counts: dict[str, int], *new: Any, fails: bool = False) -> Any:
    return SimpleNamespace(num_scheduled_tokens=counts, scheduled_new_reqs=new, fails=fails)


def request(name: str, prompt: int, computed: int = 0) -> Any:
    return SimpleNamespace(req_id=name, prompt=prompt, computed=computed, sampling_params=f"parameters of {name}")


@pytest.fixture(autouse=True)
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    config = ModuleType("vllm.config")
    config.CUDAGraphMode = CUDAGraphMode  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
    monkeypatch.setitem(sys.modules, "vllm.config", config)


def steered(by_hand: bool = False) -> tuple[V2, Steering]:
    runner, steering = V2(), Steering(by_hand)
    RunnerV2(runner).install(steering)  # type: ignore[arg-type]
    runner.initialize_kv_cache(None)
    return runner, steering


def test_a_pass_is_planned_in_the_runners_own_order_with_positions_and_prompt_lengths() -> None:
    runner, steering = steered()
    runner.execute_model(scheduled({"a": 7, "b": 1}, request("a", 9, computed=2), request("b", 4, computed=6)))
    assert steering.planned == [
        [Scheduled("b", "parameters of b", 4, 6, 1), Scheduled("a", "parameters of a", 9, 2, 7)]
    ]


def test_parameters_of_requests_that_ended_are_dropped_and_of_those_that_come_again_replaced() -> None:
    runner, steering = V2(), Steering()
    seen = RunnerV2(runner)
    seen.install(steering)  # type: ignore[arg-type]
    runner.execute_model(scheduled({"a": 1}, request("a", 1)))
    runner.req_states.req_id_to_index.clear()
    again = request("b", 1)
    again.sampling_params = "others"
    runner.execute_model(scheduled({"b": 1}, again))
    assert seen._params == {"b": "others"}


def test_a_pass_for_nobody_is_not_planned() -> None:
    runner, steering = steered()
    runner.execute_model(scheduled({"nobody": 1}), dummy_run=True)
    assert steering.planned == []


def test_passes_replay_graphs_and_compiled_code_but_for_those_that_need_python() -> None:
    runner, _ = steered()
    runner.execute_model(scheduled({"a": 1}, request("a", 1)))
    assert runner.passes == [(CUDAGraphMode.FULL, False)]
    runner, _ = steered(by_hand=True)
    runner.execute_model(scheduled({"a": 1}, request("a", 1)))
    assert runner.passes == [(CUDAGraphMode.NONE, True)]
    assert runner.model[0].do_not_compile is False


def test_a_pass_without_a_graph_has_as_many_tokens_as_there_are() -> None:
    runner, steering = steered()
    assert runner.cudagraph_manager.dispatch(2, 5, None, 1) == Descriptor(CUDAGraphMode.FULL, 8, 8, 1)
    steering.armed.step = SimpleNamespace(uncompiled=True)
    assert runner.cudagraph_manager.dispatch(2, 5, None, 1) == Descriptor(CUDAGraphMode.NONE, 5, 2, 1)


def test_a_pass_that_fails_leaves_the_model_compiled() -> None:
    runner, _ = steered(by_hand=True)
    with pytest.raises(RuntimeError):
        runner.execute_model(scheduled({"a": 1}, request("a", 1), fails=True))
    assert runner.model[0].do_not_compile is False


def test_final_states_are_read_behind_the_pass_though_a_graph_never_calls_the_model() -> None:
    runner, steering = steered()
    runner.execute_model(scheduled({"a": 1}, request("a", 1)))
    assert torch.equal(steering.ended[0], torch.ones(5, 2))
