"""The steering of one vLLM worker: which request is pushed how, and where its tokens stand in the next pass.

What differs between vLLM's model runners, V1 and V2, is behind `Runner`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from trimtab.engines.vllm.plugin._config_checks import refuse_unsupported
from trimtab.engines.vllm.plugin._push_table import Armed, ByHand, Step, Stretch, Wanted, fits_a_row
from trimtab.engines.vllm.plugin._residual_taps import Trial
from trimtab.engines.vllm.plugin._startup_check import require_steered_passes
from trimtab.engines.vllm.plugin._table_rows import Rows, TableFull
from trimtab.engines.vllm.plugin.plugin_settings import PluginSettings, code_hash, plugin_settings
from trimtab.engines.vllm.plugin.vector_table import Vectors
from trimtab.engines.vllm.wire.spec import KEY, Spec, parse_spec
from trimtab.models.architecture import find_layers
from trimtab.steering import Intervention

_log = logging.getLogger(__name__)
_TRIAL_TOKENS = 16


class Scheduled(NamedTuple):
    """One request's part of a forward pass."""

    name: str
    params: Any
    """Its sampling parameters; None where it samples nothing."""
    prompt_tokens: int
    computed: int
    """Tokens of it that earlier passes have computed, or the cache held: the position of its first token here."""
    tokens: int
    """How many of its tokens are in this pass."""


class Runner(Protocol):
    """What steering needs of one of vLLM's model runners."""

    runner: Any
    """VLLM's own."""

    def install(self, steering: Steering) -> None:
        """Make it call `Steering.plan` before each pass and `Armed.end` behind it.

        A pass in which Python has to run between the layers runs no compiled code, and replays no recorded graph.
        """
        ...

    def trial_pass(self, tokens: int) -> Any:
        """Make a pass over this many tokens of nobody, with attention and without a graph; what the model returns."""
        ...

    def decoding_pass(self) -> Any:
        """Make a pass that writes one token of nobody's, as for requests: compiled, in its graph if one was recorded.

        What the model returns: the final state, or what is handed to the next stage.
        """
        ...

    def prompt_pass(self) -> Any:
        """Make a pass over a prompt of nobody's, as `decoding_pass`."""
        ...


class Steering:
    """Pushes and reads of one worker, placed anew before each pass."""

    def __init__(self, seen: Runner, settings: PluginSettings):
        self._seen, runner = seen, seen.runner
        refuse_unsupported(runner.vllm_config)
        text = runner.model_config.hf_text_config
        count, width = int(text.num_hidden_layers), int(runner.model_config.get_hidden_size())
        capacity = settings.rows or runner.max_num_reqs
        from vllm.model_executor.models.utils import PPMissingLayer

        layers: list[nn.Module] = list(find_layers(runner.get_model(), count))
        mine = {i: layer for i, layer in enumerate(layers) if not isinstance(layer, PPMissingLayer)}
        self.armed = Armed(mine, capacity, runner.max_num_tokens, width, runner.device)
        self.rows = Rows(capacity)
        self.vectors = Vectors(count, width)
        self._asked: dict[str, tuple[Any, _Asked | None]] = {}
        """By request: its parameters, and what was read from them."""
        self._told_full = False
        self.passes_by_hand = 0
        """Forward passes that ran uncompiled, for pushes that fit no row or for reading states."""

    def verify(self) -> None:
        """See that the passes made for requests are steered, before the first request comes.

        Raises:
            ModelError: when a push changes nothing.
        """
        require_steered_passes(self.armed, self._seen, self.rows.capacity)

    def plan(self, batch: Sequence[Scheduled], alive: Container[str]) -> None:
        """Before a forward pass: which row each of its tokens has.

        Args:
            batch: the requests of the pass in the order in which their tokens stand in it.
            alive: every request that has not ended, also those that are not in this pass.
        """
        # Of the requests in this pass only: those that wait, preempted, may need more rows than there are.
        self.rows.keep_only({request.name for request in batch})
        for ended in [name for name in self._asked if name not in alive]:
            del self._asked[ended]
        rows = np.zeros(sum(request.tokens for request in batch), dtype=np.int64)
        step, start = Step(), 0
        for request in batch:
            asked = self._asked_by(request.name, request.params)
            if asked is not None:
                self._place(request, asked, Stretch(start, start + request.tokens), rows, step)
            start += request.tokens
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
        self, request: Scheduled, asked: _Asked, where: Stretch, rows: npt.NDArray[np.int64], step: Step
    ) -> None:
        """Enter one request's tokens of this pass."""
        name, spec, first = request.name, asked.spec, request.computed
        last, shift = first + request.tokens, where.start - first
        if asked.intervention is not None:
            row = self._row(name, spec, asked.intervention) if asked.fits else None
            for begin, end in spec.spans(request.prompt_tokens):
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


def arm(seen: Runner) -> None:
    """Make a runner steer whose model was just loaded, if its configuration asks for that."""
    runner = seen.runner
    settings = plugin_settings(runner.vllm_config.additional_config)
    if settings is None:
        return
    steering = runner.trimtab = Steering(seen, settings)
    # Before the first compilation: a graph on disk that was traced without these hooks, or with others, is not taken.
    runner.vllm_config.additional_config[KEY] = {**runner.vllm_config.additional_config[KEY], "code": code_hash()}
    runner.initialize_kv_cache = _settling(runner.initialize_kv_cache, steering, seen)
    seen.install(steering)


def _settling(original: Callable[..., Any], steering: Steering, seen: Runner) -> Callable[..., Any]:
    """When a forward pass is possible: find out what the layers return. All workers make the same passes."""

    @wraps(original)
    def initialize_kv_cache(kv_cache_config: Any, is_profiling: bool = False, *args: Any, **kwargs: Any) -> Any:
        initialized = original(kv_cache_config, is_profiling, *args, **kwargs)
        if not is_profiling:
            tokens = min(_TRIAL_TOKENS, seen.runner.max_num_tokens)
            trial = steering.armed.trial = Trial(steering.armed.layers)
            try:
                with without_compilation(compiled_modules(seen.runner.get_model())):
                    steering.armed.settle(trial.shares(lambda: seen.trial_pass(tokens), tokens))
            finally:
                steering.armed.trial = None
        return initialized

    return initialize_kv_cache


def compiled_modules(model: nn.Module) -> list[Any]:
    """The parts of a model that vLLM compiles."""
    return [module for module in model.modules() if getattr(module, "do_not_compile", None) is False]


@contextmanager
def without_compilation(compiled: Sequence[Any]) -> Iterator[None]:
    """Python runs between the layers of what vLLM has compiled."""
    for module in compiled:
        module.do_not_compile = True
    try:
        yield
    finally:
        for module in compiled:
            module.do_not_compile = False
