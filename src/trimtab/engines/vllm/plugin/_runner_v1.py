"""VLLM's V1 model runner: a batch that lasts, with the requests' states beside it on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from trimtab.engines.vllm.plugin._steering import Scheduled, Steering

_PROMPT_TOKENS = 16


class RunnerV1:
    """`vllm.v1.worker.gpu_model_runner.GPUModelRunner`, and the CPU's below it."""

    def __init__(self, runner: Any):
        self.runner = runner

    def install(self, steering: Steering) -> None:
        """See `Runner.install`."""
        runner = self.runner
        runner._prepare_inputs = self._planning(runner._prepare_inputs, steering)
        determine = runner._determine_batch_execution_and_padding
        runner._determine_batch_execution_and_padding = _eager_where_needed(determine, steering)
        runner._model_forward = _around(runner._model_forward, steering)

    def trial_pass(self, tokens: int) -> Any:
        """See `Runner.trial_pass`."""
        from vllm.config import CUDAGraphMode

        final, _ = self.runner._dummy_run(
            tokens, cudagraph_runtime_mode=CUDAGraphMode.NONE, force_attention=True, skip_eplb=True
        )
        return final

    def decoding_pass(self) -> Any:
        """See `Runner.decoding_pass`; vLLM itself makes it where one of several engines has nothing to do."""
        return self._graph_pass(1, uniform_decode=True)

    def prompt_pass(self) -> Any:
        """See `Runner.prompt_pass`."""
        return self._graph_pass(min(_PROMPT_TOKENS, self.runner.max_num_tokens))

    def _graph_pass(self, tokens: int, **options: Any) -> Any:
        # With attention, as for requests: without it some kernels leave in its place whatever lay in that memory.
        final, _ = self.runner._dummy_run(tokens, force_attention=True, skip_eplb=True, **options)
        return final

    def _planning(self, original: Callable[..., Any], steering: Steering) -> Callable[..., Any]:
        """The runner has updated its own state by now: positions are those of this pass."""

        @wraps(original)
        def prepare_inputs(scheduler_output: Any, num_scheduled_tokens: Any, *args: Any, **kwargs: Any) -> Any:
            steering.plan(self._batch(num_scheduled_tokens), self.runner.requests)
            return original(scheduler_output, num_scheduled_tokens, *args, **kwargs)

        return prepare_inputs

    def _batch(self, counts: Any) -> list[Scheduled]:
        batch, requests = self.runner.input_batch, self.runner.requests
        computed = batch.num_computed_tokens_cpu
        scheduled = []
        for index, name in enumerate(batch.req_ids):
            request = requests[name]
            place = request.num_prompt_tokens, int(computed[index]), int(counts[index])
            scheduled.append(Scheduled(name, request.sampling_params, *place))
        return scheduled


def _eager_where_needed(original: Callable[..., Any], steering: Steering) -> Callable[..., Any]:
    """No recorded graph is replayed where Python has to run between the layers."""

    @wraps(original)
    def determine(*args: Any, **kwargs: Any) -> Any:
        if steering.armed.step.uncompiled:
            kwargs["force_eager"] = True
        return original(*args, **kwargs)

    return determine


def _around(original: Callable[..., Any], steering: Steering) -> Callable[..., Any]:
    @wraps(original)
    def model_forward(*args: Any, **kwargs: Any) -> Any:
        from vllm.forward_context import get_forward_context

        if steering.armed.step.uncompiled:
            get_forward_context().skip_compiled = True
        output = original(*args, **kwargs)
        steering.armed.end(output[0] if isinstance(output, tuple) else output)
        return output

    return model_forward
