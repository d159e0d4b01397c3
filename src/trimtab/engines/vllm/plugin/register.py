"""The entry point of `vllm.general_plugins`: vLLM calls it in each of its processes.

It changes nothing for an engine whose `additional_config` has no key `trimtab`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from trimtab.engines.vllm.guard.admission import Admission, admitted, deliver, deliver_async
from trimtab.engines.vllm.guard.process_guard import end_with_owner
from trimtab.engines.vllm.plugin.plugin_settings import plugin_settings
from trimtab.engines.vllm.plugin.seams import require_supported, unsupported
from trimtab.engines.vllm.wire.spec import KEY
from trimtab.errors import ModelError

if TYPE_CHECKING:
    from trimtab.engines.vllm.plugin._steering import Runner

_installed = False


def register() -> None:
    """Make this process's vLLM able to steer."""
    global _installed
    if _installed:
        return
    _installed = True
    end_with_owner()
    from vllm.v1.engine.input_processor import InputProcessor

    InputProcessor.process_inputs = _admitting(InputProcessor.process_inputs)
    InputProcessor.__init__ = _with_admission(InputProcessor.__init__)
    _refuse_beams()
    if unsupported():
        return  # without steering nothing changes; an engine or a request that asks for it is refused
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.engine.core import EngineCore
    from vllm.v1.engine.llm_engine import LLMEngine
    from vllm.v1.worker.worker_base import WorkerBase

    from trimtab.engines.vllm.plugin._worker import WorkerMethods
    from trimtab.engines.vllm.wire import cache_keys

    cache_keys.install()
    LLMEngine.add_request = _delivering(LLMEngine.add_request)
    AsyncLLM.add_request = _delivering_async(AsyncLLM.add_request)
    EngineCore._initialize_kv_caches = _seeing_to_workers(EngineCore._initialize_kv_caches)
    for name, method in vars(WorkerMethods).items():
        if name.startswith(KEY):
            setattr(WorkerBase, name, method)
    _arm_runners()


def _arm_runners() -> None:
    """Both of vLLM's model runners: which of them an engine has, its configuration decides."""
    from vllm.v1.worker.cpu_model_runner import CPUModelRunner
    from vllm.v1.worker.gpu.model_runner import GPUModelRunner as GPUModelRunnerV2
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    from trimtab.engines.vllm.plugin._runner_v1 import RunnerV1
    from trimtab.engines.vllm.plugin._runner_v2 import RunnerV2

    for runner in (GPUModelRunner, CPUModelRunner):
        if "load_model" in vars(runner):
            runner.load_model = _arming(runner.load_model, RunnerV1)
    GPUModelRunnerV2.load_model = _arming(GPUModelRunnerV2.load_model, RunnerV2)


def _arming(load_model: Callable[..., Any], seen_as: Callable[[Any], Runner]) -> Callable[..., Any]:
    @wraps(load_model)
    def load_and_arm(self: Any, *args: Any, **kwargs: Any) -> Any:
        from trimtab.engines.vllm.plugin._steering import arm

        loaded = load_model(self, *args, **kwargs)
        if not hasattr(self, "trimtab"):
            arm(seen_as(self))
        return loaded

    return load_and_arm


def _admitting(process_inputs: Callable[..., Any]) -> Callable[..., Any]:
    """Requests are checked where they come in."""

    @wraps(process_inputs)
    def check_and_process(self: Any, request_id: str, prompt: Any, params: Any, *args: Any, **kwargs: Any) -> Any:
        params = admitted(self, params, resumable=bool(kwargs.get("resumable")))
        return process_inputs(self, request_id, prompt, params, *args, **kwargs)

    return check_and_process


def _with_admission(init: Callable[..., None]) -> Callable[..., None]:
    """Invalid settings, a missing folder and another vLLM are reported before the engine's processes start."""

    @wraps(init)
    def make(self: Any, vllm_config: Any, *args: Any, **kwargs: Any) -> None:
        if plugin_settings(vllm_config.additional_config) is not None:
            require_supported()
            self.trimtab_admission = Admission(vllm_config)
        init(self, vllm_config, *args, **kwargs)

    return make


def _delivering(add_request: Callable[..., Any]) -> Callable[..., Any]:
    """The workers of an `LLMEngine` get a request's vectors before the request."""

    @wraps(add_request)
    def deliver_and_add(self: Any, request_id: str, prompt: Any, params: Any, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(prompt, "params"):  # else it was processed, and so admitted, by the caller
            params = admitted(self.input_processor, params)
        deliver(self, getattr(prompt, "params", params))
        return add_request(self, request_id, prompt, params, *args, **kwargs)

    return deliver_and_add


def _delivering_async(add_request: Callable[..., Any]) -> Callable[..., Any]:
    """The workers of an `AsyncLLM`, which servers have, get a request's vectors before the request."""

    @wraps(add_request)
    async def deliver_and_add(self: Any, request_id: str, prompt: Any, params: Any, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(prompt, "params"):
            params = admitted(self.input_processor, params, resumable=isinstance(prompt, AsyncGenerator))
        await deliver_async(self, getattr(prompt, "params", params))
        return await add_request(self, request_id, prompt, params, *args, **kwargs)

    return deliver_and_add


def _seeing_to_workers(initialize: Callable[..., Any]) -> Callable[..., Any]:
    """An engine core starts only if each of its workers is armed and steers; graphs are recorded by then."""

    @wraps(initialize)
    def initialize_and_see(self: Any, vllm_config: Any, *args: Any, **kwargs: Any) -> Any:
        from vllm import envs

        steers = plugin_settings(vllm_config.additional_config) is not None
        if steers and getattr(envs, "VLLM_USE_RUST_FRONTEND", False):
            raise ModelError("steering does not work with vLLM's Rust front end: unset VLLM_USE_RUST_FRONTEND")
        initialized = initialize(self, vllm_config, *args, **kwargs)
        if steers:
            try:
                self.model_executor.collective_rpc("trimtab_status")
            except Exception as error:
                raise ModelError(
                    f"a worker of this engine does not steer: {error}. trimtab has to be installed wherever vLLM's "
                    "processes run, and VLLM_PLUGINS, if it is set, has to name it"
                ) from error
            self.model_executor.collective_rpc("trimtab_verify")
        return initialized

    return initialize_and_see


def _refuse_beams() -> None:
    """Beam search makes requests of its own, without the extra arguments of the one that came in."""
    for name in ("chat_completion", "completion"):
        # Only a server has these modules; importing them would slow every other process down.
        module = sys.modules.get(f"vllm.entrypoints.openai.{name}.protocol")
        for kind in vars(module).values() if module else ():
            if isinstance(kind, type) and "to_beam_search_params" in vars(kind):
                kind.to_beam_search_params = _unsteered_only(kind.to_beam_search_params)  # type: ignore[attr-defined]


def _unsteered_only(to_params: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(to_params)
    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        if KEY in (getattr(self, "vllm_xargs", None) or {}):
            from vllm.exceptions import VLLMValidationError

            raise VLLMValidationError(f"{KEY}: beam search is not steered; ask without it")
        return to_params(self, *args, **kwargs)

    return refuse
