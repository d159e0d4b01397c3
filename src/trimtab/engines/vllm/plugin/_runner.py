"""A vLLM model runner (V1) that steers: armed when its model is loaded, instructed before each forward pass."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from trimtab.engines.vllm.plugin._push_table import Armed, ByHand, Step, Stretch, Wanted, fits_a_row
from trimtab.engines.vllm.plugin._residual_taps import Trial
from trimtab.engines.vllm.plugin._table_rows import Rows, TableFull
from trimtab.engines.vllm.plugin.plugin_settings import PluginSettings, code_hash, plugin_settings
from trimtab.engines.vllm.plugin.vector_table import Vectors
from trimtab.engines.vllm.wire.spec import KEY, Spec, parse_spec
from trimtab.errors import ModelError
from trimtab.models.architecture import find_layers
from trimtab.steering import Intervention

_log = logging.getLogger(__name__)
_TRIAL_TOKENS = 16


class Steering:
    """The steering of one worker: which request is pushed how, and where its tokens stand in the next pass."""

    def __init__(self, runner: Any, settings: PluginSettings):
        config = runner.vllm_config
        refuse_unsupported(config)
        text = runner.model_config.hf_text_config
        count, width = int(text.num_hidden_layers), int(runner.model_config.get_hidden_size())
        capacity = settings.rows or runner.max_num_reqs
        from vllm.model_executor.models.utils import PPMissingLayer

        layers: list[nn.Module] = list(find_layers(runner.model, count))
        mine = {i: layer for i, layer in enumerate(layers) if not isinstance(layer, PPMissingLayer)}
        self.armed = Armed(mine, capacity, runner.max_num_tokens, width, runner.device)
        self.rows = Rows(capacity)
        self.vectors = Vectors(count, width)
        self._asked: dict[str, tuple[Any, _Asked | None]] = {}
        """By request: its parameters, and what was read from them."""
        self._told_full = False
        self.passes_by_hand = 0
        """Forward passes that ran uncompiled, for pushes that fit no row or for reading states."""

    def plan(self, runner: Any, scheduled: Any) -> None:
        """Before a forward pass: which row each of its tokens has. The runner has updated its state by now.

        Args:
            runner: the model runner.
            scheduled: number of tokens of each request in the batch, in its order.
        """
        batch = runner.input_batch
        # Of the requests in this pass only: those that wait, preempted, may need more rows than there are.
        self.rows.keep_only(set(batch.req_ids))
        for ended in [request for request in self._asked if request not in runner.requests]:
            del self._asked[ended]
        rows = np.zeros(int(scheduled.sum()), dtype=np.int64)
        step, start = Step(), 0
        for index, name in enumerate(batch.req_ids):
            count = int(scheduled[index])
            request = runner.requests[name]
            asked = self._asked_by(name, request.sampling_params)
            if asked is not None:
                first = int(batch.num_computed_tokens_cpu[index])
                self._place(name, asked, request.num_prompt_tokens, first, Stretch(start, start + count), rows, step)
            start += count
        self.passes_by_hand += step.uncompiled
        self.armed.begin(torch.from_numpy(rows), step)

    def _asked_by(self, name: str, params: Any) -> _Asked | None:
        """What a request asks for, read once; a name may come again with other parameters."""
        if name not in self._asked or self._asked[name][0] is not params:
            self._asked[name] = params, self._read_spec(params)
        return self._asked[name][1]

    def _read_spec(self, params: Any) -> _Asked | None:
        given = (params.extra_args or {}).get(KEY) if params is not None else None
        if given is None:
            return None
        spec = parse_spec(given)
        intervention = self.vectors.intervention(spec)
        return _Asked(spec, intervention, intervention is not None and fits_a_row(intervention))

    def _place(
        self,
        name: str,
        asked: _Asked,
        prompt_tokens: int,
        first: int,
        where: Stretch,
        rows: npt.NDArray[np.int64],
        step: Step,
    ) -> None:
        """Enter one request's tokens of this pass, the first of which is its token number `first`."""
        spec, last, shift = asked.spec, first + where.stop - where.start, where.start - first
        if asked.intervention is not None:
            row = self._row(name, spec, asked.intervention) if asked.fits else None
            for begin, end in spec.spans(prompt_tokens):
                start, stop = max(begin, first), last if end is None else min(end, last)
                if start >= stop:
                    continue
                if row is not None:
                    rows[start + shift : stop + shift] = row
                else:
                    step.by_hand.append(ByHand(Stretch(start + shift, stop + shift), asked.intervention))
        if spec.read is not None:
            begin, stop = max(spec.read.start, first), min(spec.read.stop, last)
            if begin < stop:
                tokens = Stretch(begin + shift, stop + shift)
                step.wanted.append(Wanted(tokens, name, begin - spec.read.start, spec.read.layers))

    def _row(self, name: str, spec: Spec, intervention: Intervention) -> int | None:
        """The row of a request's push; None while other pushes have all of them."""
        try:
            row, new = self.rows.take(spec.steering, name)
        except TableFull:
            if not self._told_full:
                self._told_full = True
                _log.warning(
                    "more different pushes at once than the %d rows of the table: until some end, passes run "
                    "uncompiled, which is slower; give more rows",
                    self.rows.capacity,
                )
            return None
        if new:
            self.armed.write_row(row, intervention)
        return row


@dataclass(frozen=True, eq=False)
class _Asked:
    """What a request asks for, read once."""

    spec: Spec
    intervention: Intervention | None
    fits: bool
    """Whether a row of the table can hold it."""


def arm(runner: Any) -> None:
    """Make a runner steer whose model was just loaded, if its configuration asks for that."""
    settings = plugin_settings(runner.vllm_config.additional_config)
    if settings is None:
        return
    steering = runner.trimtab = Steering(runner, settings)
    # Before the first compilation: a graph on disk that was traced without these hooks, or with others, is not taken.
    runner.vllm_config.additional_config[KEY] = {**runner.vllm_config.additional_config[KEY], "code": code_hash()}
    runner.initialize_kv_cache = _settling(runner.initialize_kv_cache, steering, runner)
    runner._prepare_inputs = _before(runner._prepare_inputs, steering, runner)
    runner._determine_batch_execution_and_padding = _uncompiled(runner._determine_batch_execution_and_padding, steering)
    runner._model_forward = _around(runner._model_forward, steering)


def _before(original: Callable[..., Any], steering: Steering, runner: Any) -> Callable[..., Any]:
    @wraps(original)
    def prepare_inputs(scheduler_output: Any, num_scheduled_tokens: Any, *args: Any, **kwargs: Any) -> Any:
        steering.plan(runner, num_scheduled_tokens)
        return original(scheduler_output, num_scheduled_tokens, *args, **kwargs)

    return prepare_inputs


def _settling(original: Callable[..., Any], steering: Steering, runner: Any) -> Callable[..., Any]:
    """When a forward pass is possible: find out what the layers return. All workers make the same passes."""

    @wraps(original)
    def initialize_kv_cache(kv_cache_config: Any, is_profiling: bool = False, *args: Any, **kwargs: Any) -> Any:
        initialized = original(kv_cache_config, is_profiling, *args, **kwargs)
        if not is_profiling:
            tokens = min(_TRIAL_TOKENS, runner.max_num_tokens)
            trial = steering.armed.trial = Trial(steering.armed.layers)
            try:
                with _without_compilation(runner.model):
                    steering.armed.settle(trial.shares(lambda: _trial_pass(runner, tokens), tokens))
            finally:
                steering.armed.trial = None
        return initialized

    return initialize_kv_cache


def _trial_pass(runner: Any, tokens: int) -> Any:
    from vllm.config import CUDAGraphMode

    final, _ = runner._dummy_run(
        tokens, cudagraph_runtime_mode=CUDAGraphMode.NONE, force_attention=True, skip_eplb=True
    )
    return final


@contextmanager
def _without_compilation(model: nn.Module) -> Iterator[None]:
    """Python runs between the layers of what vLLM has compiled."""
    compiled = [module for module in model.modules() if getattr(module, "do_not_compile", None) is False]
    for module in compiled:
        module.do_not_compile = True  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in compiled:
            module.do_not_compile = False  # type: ignore[assignment]


def _uncompiled(original: Callable[..., Any], steering: Steering) -> Callable[..., Any]:
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


def refuse_unsupported(config: Any) -> None:
    """Refuse what would steer the wrong tokens, or none.

    Raises:
        ModelError: when the engine splits or repeats tokens in a way that rows of tokens do not follow.
    """
    parallel, compilation = config.parallel_config, config.compilation_config
    problems = {
        "speculative decoding": config.speculative_config is not None,
        "dual-batch overlap": bool(parallel.use_ubatching),
        "sequence parallelism": bool(getattr(compilation.pass_config, "enable_sp", False))
        or bool(getattr(parallel, "use_sequence_parallel_moe", False)),
        "a stream that is scaled (float16 and routed_scaling_factor; take bfloat16)": _scales_its_stream(config),
        "elastic expert parallelism": bool(getattr(parallel, "enable_elastic_ep", False)),
        "context parallelism": parallel.decode_context_parallel_size > 1 or parallel.prefill_context_parallel_size > 1,
        "a KV connector (its cache does not know of steering)": config.kv_transfer_config is not None,
        "pooling models": config.model_config.runner_type == "pooling",
        "the V2 model runner (set VLLM_USE_V2_MODEL_RUNNER=0)": bool(config.use_v2_model_runner),
    }
    if found := [name for name, present in problems.items() if present]:
        raise ModelError(f"steering does not work with {' or '.join(found)}; start vLLM without it")


def _scales_its_stream(config: Any) -> bool:
    """DeepSeek's models divide it by a factor in float16, so that it overflows less."""
    factor = getattr(config.model_config.hf_text_config, "routed_scaling_factor", None)
    return config.model_config.dtype == torch.float16 and factor not in (None, 1, 1.0)
