"""VLLM's V2 model runner (`vllm/v1/worker/gpu`): a batch made anew for each pass, its states on the GPU.

What steering needs is on the CPU as well: the order of the batch, and how many tokens of each request are computed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any

from trimtab.engines.vllm.plugin._steering import Scheduled, Steering, compiled_modules, without_compilation


class RunnerV2:
    """`vllm.v1.worker.gpu.model_runner.GPUModelRunner`, and the CPU's below it."""

    def __init__(self, runner: Any):
        self.runner = runner
        self._params: dict[str, Any] = {}
        """By request: its sampling parameters, which this runner does not hold on to."""
        self._compiled: list[Any] = []
        self._pass = ExitStack()
        """What has to be undone behind the pass that is under way."""
        self._output: Any = None
        """What the last pass for nobody handed to the next stage."""

    def install(self, steering: Steering) -> None:
        """See `Runner.install`."""
        runner = self.runner
        runner.add_requests = self._remembering(runner.add_requests)
        runner.gather_batch_req_state = self._planning(runner.gather_batch_req_state, steering)
        runner.initialize_kv_cache = self._dispatching(runner.initialize_kv_cache, steering)
        self._compiled = compiled_modules(runner.get_model())
        runner.execute_model = self._ending(runner.execute_model, steering)

    def trial_pass(self, tokens: int) -> Any:
        """See `Runner.trial_pass`. Graphs are recorded later, so none is replayed."""
        final, _ = self.runner._dummy_run(tokens, skip_eplb=True)
        return final

    def decoding_pass(self) -> Any:
        """See `Runner.decoding_pass`; vLLM itself makes it where one of several engines has nothing to do."""
        return self._graph_pass(1, uniform_decode=True)

    def prompt_pass(self) -> Any:
        """See `Runner.prompt_pass`. More tokens than requests: else this runner takes the pass for one that decodes."""
        return self._graph_pass(min(self.runner.max_num_reqs + 1, self.runner.max_num_tokens))

    def _graph_pass(self, tokens: int, **options: Any) -> Any:
        final, _ = self.runner._dummy_run(tokens, skip_eplb=True, **options)
        return self._output if final is None else final  # the former where a later stage has the final state

    def _remembering(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Requests come in here, those that were preempted once more."""

        @wraps(original)
        def add_requests(scheduler_output: Any, *args: Any, **kwargs: Any) -> Any:
            added = original(scheduler_output, *args, **kwargs)
            new = scheduler_output.scheduled_new_reqs
            if new:
                alive = self.runner.req_states.req_id_to_index
                self._params = {name: params for name, params in self._params.items() if name in alive}
                self._params |= {request.req_id: request.sampling_params for request in new}
            return added

        return add_requests

    def _planning(self, original: Callable[..., Any], steering: Steering) -> Callable[..., Any]:
        """The runner has updated its own state by now, and decides next whether to replay a graph."""

        @wraps(original)
        def gather_batch_req_state(*args: Any, **kwargs: Any) -> Any:
            gathered = original(*args, **kwargs)
            state, _ = gathered
            if state is not None:  # else a pass for nobody
                steering.plan(self._batch(state), self.runner.req_states.req_id_to_index)
                if steering.armed.step.uncompiled:
                    self._pass.enter_context(without_compilation(self._compiled))
            return gathered

        return gather_batch_req_state

    def _batch(self, state: Any) -> list[Scheduled]:
        states, index = self.runner.req_states, state.idx_mapping_np
        # Exact where nothing is speculated, and steering refuses that; on the GPU the same numbers come later.
        computed = states.num_computed_tokens_np[index].tolist()
        prompts = states.prompt_len.np[index].tolist()
        counts = state.num_scheduled_tokens.tolist()
        return [
            Scheduled(name, self._params[name], prompt, first, count)
            for name, prompt, first, count in zip(state.req_ids, prompts, computed, counts, strict=True)
        ]

    def _dispatching(self, original: Callable[..., Any], steering: Steering) -> Callable[..., Any]:
        """The manager of recorded graphs is made with the cache, and made again."""

        @wraps(original)
        def initialize_kv_cache(*args: Any, **kwargs: Any) -> Any:
            initialized = original(*args, **kwargs)
            manager = self.runner.cudagraph_manager
            manager.dispatch = _eager_where_needed(manager.dispatch, steering)
            return initialized

        return initialize_kv_cache

    def _ending(self, original: Callable[..., Any], steering: Steering) -> Callable[..., Any]:
        """Behind the whole pass, since a recorded graph runs without the model being called."""

        @wraps(original)
        def execute_model(*args: Any, **kwargs: Any) -> Any:
            with self._pass:
                output = original(*args, **kwargs)
            self._output = output if kwargs.get("dummy_run") else None
            done = self.runner.execute_model_state
            steering.armed.end(None if done is None else done.hidden_states)
            return output

        return execute_model


def _eager_where_needed(original: Callable[..., Any], steering: Steering) -> Callable[..., Any]:
    """No recorded graph is replayed where Python has to run between the layers."""

    @wraps(original)
    def dispatch(num_reqs: int, num_tokens: int, *args: Any, **kwargs: Any) -> Any:
        from vllm.config import CUDAGraphMode

        found = original(num_reqs, num_tokens, *args, **kwargs)
        if not steering.armed.step.uncompiled or found.cg_mode == CUDAGraphMode.NONE:
            return found
        return type(found)(CUDAGraphMode.NONE, num_tokens, num_reqs, num_active_loras=found.num_active_loras)

    return dispatch
