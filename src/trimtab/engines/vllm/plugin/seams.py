"""What the plugin replaces in vLLM or reads there, by version; verified before anything is replaced."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from trimtab.errors import ModelError


class Seam(NamedTuple):
    """A function or class of vLLM's by which the plugin holds on to it."""

    module: str
    """Inside of the package `vllm`."""
    name: str
    """Of a function, `Class`, or `Class.method`."""
    needs: tuple[str, ...] = ()
    """Parameters of the function; or fields of the class, or attributes that its `__init__` sets."""


_ADMISSION = (
    Seam("v1.engine.input_processor", "InputProcessor.__init__", ("vllm_config",)),
    Seam("v1.engine.input_processor", "InputProcessor.process_inputs", ("request_id", "prompt", "params", "resumable")),
    Seam("v1.engine.llm_engine", "LLMEngine.add_request", ("request_id", "prompt", "params")),
    Seam("v1.engine.llm_engine", "LLMEngine.collective_rpc", ("method", "args")),
    Seam("v1.engine.async_llm", "AsyncLLM.add_request", ("request_id", "prompt", "params")),
    Seam("v1.engine.async_llm", "AsyncLLM.collective_rpc", ("method", "args")),
    Seam("v1.engine.core", "EngineCore._initialize_kv_caches", ("vllm_config",)),
)
"""Where requests and engines begin."""

_CLIENT = (
    Seam("v1.engine.core_client", "MPClient", ("utility_results", "resources")),
    Seam("v1.engine.core_client", "SyncMPClient._send_input", ("request_type", "request")),
    Seam("v1.engine.core_client", "BackgroundResources", ("engine_dead",)),
)
"""Calls of workers from the process that started an engine."""

_CACHE = (
    Seam(
        "v1.core.kv_cache_utils",
        "generate_block_hash_extra_keys",
        ("request", "start_token_idx", "end_token_idx", "start_mm_idx"),
    ),
    Seam("v1.request", "Request", ("request_id", "sampling_params", "num_prompt_tokens")),
)
"""Names of cached blocks."""

_REQUESTS = (
    Seam("sampling_params", "SamplingParams", ("extra_args", "logprob_token_ids", "clone")),
    Seam("exceptions", "VLLMValidationError"),
)
"""What a request says, and how it is refused."""

_MODEL = (
    Seam("v1.worker.worker_base", "WorkerBase"),
    Seam("v1.worker.cpu_model_runner", "CPUModelRunner"),
    Seam("model_executor.models.utils", "PPMissingLayer"),
    # Of every model that vLLM compiles: what makes its next pass run uncompiled.
    Seam("model_executor.models.llama", "LlamaModel", ("do_not_compile",)),
    Seam("distributed.parallel_state", "get_tp_group"),
    Seam("distributed.parallel_state", "get_pp_group"),
    Seam("distributed.parallel_state", "GroupCoordinator", ("is_first_rank", "is_last_rank")),
)
"""Workers, and the layers they hold."""

_CONFIG = (
    Seam("config", "VllmConfig", ("additional_config", "speculative_config", "kv_transfer_config")),
    Seam(
        "config", "ModelConfig", ("hf_text_config", "get_hidden_size", "get_vocab_size", "runner_type", "is_diffusion")
    ),
    Seam("config", "ParallelConfig", ("use_ubatching", "use_sequence_parallel_moe", "enable_elastic_ep")),
    Seam("config", "ParallelConfig", ("decode_context_parallel_size", "prefill_context_parallel_size")),
    Seam("config", "CacheConfig", ("kv_sharing_fast_prefill",)),
    Seam("config", "CompilationConfig", ("mode", "pass_config")),
    Seam("config", "CUDAGraphMode", ("NONE",)),
)
"""By what a configuration in which steering does not work is known."""

_SEQUENCE_PARALLEL_PASS = Seam("config.compilation", "PassConfig", ("enable_sp",))
"""A pass of the compiler that divides the tokens over workers; newer versions have none."""

_V1 = (
    Seam("v1.worker.gpu_model_runner", "GPUModelRunner", ("max_num_reqs", "max_num_tokens", "device", "requests")),
    Seam("v1.worker.gpu_model_runner", "GPUModelRunner", ("vllm_config", "model_config", "load_model", "get_model")),
    Seam("v1.worker.gpu_model_runner", "GPUModelRunner.initialize_kv_cache", ("kv_cache_config", "is_profiling")),
    Seam(
        "v1.worker.gpu_model_runner",
        "GPUModelRunner._dummy_run",
        ("num_tokens", "cudagraph_runtime_mode", "force_attention", "uniform_decode", "skip_eplb"),
    ),
    Seam("v1.worker.gpu_model_runner", "GPUModelRunner._prepare_inputs", ("scheduler_output", "num_scheduled_tokens")),
    Seam("v1.worker.gpu_model_runner", "GPUModelRunner._determine_batch_execution_and_padding", ("force_eager",)),
    Seam("v1.worker.gpu_model_runner", "GPUModelRunner._model_forward"),
    Seam("v1.worker.gpu_input_batch", "InputBatch", ("num_computed_tokens_cpu", "req_ids")),
    Seam("v1.worker.gpu_input_batch", "CachedRequestState", ("sampling_params", "num_prompt_tokens")),
    Seam("forward_context", "get_forward_context"),
    Seam("forward_context", "ForwardContext", ("skip_compiled",)),
)
"""The V1 model runner."""

_V2 = (
    Seam("v1.worker.gpu.model_runner", "GPUModelRunner", ("max_num_reqs", "max_num_tokens", "device", "req_states")),
    Seam("v1.worker.gpu.model_runner", "GPUModelRunner", ("vllm_config", "model_config", "load_model", "get_model")),
    Seam("v1.worker.gpu.model_runner", "GPUModelRunner", ("cudagraph_manager", "execute_model_state")),
    Seam("v1.worker.gpu.model_runner", "GPUModelRunner.initialize_kv_cache", ("kv_cache_config", "is_profiling")),
    Seam("v1.worker.gpu.model_runner", "GPUModelRunner._dummy_run", ("num_tokens", "uniform_decode", "skip_eplb")),
    Seam("v1.worker.gpu.model_runner", "GPUModelRunner.add_requests", ("scheduler_output",)),
    Seam("v1.worker.gpu.model_runner", "GPUModelRunner.gather_batch_req_state", ("scheduler_output", "dummy_run")),
    Seam("v1.worker.gpu.model_runner", "GPUModelRunner.execute_model", ("scheduler_output", "dummy_run")),
    Seam("v1.worker.gpu.model_runner", "BatchReqState", ("req_ids", "num_scheduled_tokens", "idx_mapping_np")),
    Seam("v1.worker.gpu.model_runner", "ExecuteModelState", ("hidden_states",)),
    Seam("v1.worker.gpu.buffer_utils", "UvaBackedTensor", ("np",)),
    Seam("v1.worker.gpu.states", "RequestState", ("req_id_to_index", "num_computed_tokens_np", "prompt_len")),
    Seam("v1.worker.gpu.cudagraph_utils", "CudaGraphManager.dispatch", ("num_reqs", "num_tokens")),
    Seam(
        "v1.worker.gpu.cudagraph_utils",
        "BatchExecutionDescriptor",
        ("cg_mode", "num_tokens", "num_reqs", "num_active_loras"),
    ),
    Seam("v1.core.sched.output", "SchedulerOutput", ("scheduled_new_reqs",)),
    Seam("v1.core.sched.output", "NewRequestData", ("req_id", "sampling_params")),
)
"""The V2 model runner."""

_ALL = (*_ADMISSION, *_CLIENT, *_CACHE, *_REQUESTS, *_MODEL, *_CONFIG, *_V1, *_V2)
SEAMS: Mapping[str, tuple[Seam, ...]] = {"0.31": (*_ALL, _SEQUENCE_PARALLEL_PASS), "0.32": _ALL, "0.33": _ALL}
"""By version of vLLM, the oldest first; what these versions have alike is listed once."""
SUPPORTED = tuple(SEAMS)


def lacking(seams: Iterable[Seam]) -> list[str]:
    """What the installed vLLM lacks of them, as `vllm.v1.request.Request lacks request_id`."""
    return [lack for seam in seams if (lack := _lack(seam))]


def _lack(seam: Seam) -> str:
    """What is missing of a seam; empty where nothing is."""
    try:
        found: object = importlib.import_module(f"vllm.{seam.module}")
    except ImportError as error:
        return f"vllm.{seam.module} cannot be imported ({error})"
    inside = f"vllm.{seam.module}"
    for part in seam.name.split("."):
        if not hasattr(found, part):
            return f"{inside} lacks {part}"
        found, inside = getattr(found, part), f"{inside}.{part}"
    names = _names(found)
    missing = [need for need in seam.needs if need not in names]
    return f"{inside} lacks {missing[0]}" if missing else ""


def _names(found: object) -> set[str]:
    """Parameters of a function; of a class, its attributes, its fields, and what new objects of it are given."""
    if not inspect.isclass(found):
        return set(inspect.signature(found).parameters)  # type: ignore[arg-type]
    names = set(dir(found))
    for own in map(vars, found.__mro__):
        names |= set(own.get("__annotations__", {}))
        for method in (own.get("__init__"), own.get("__post_init__")):
            code = getattr(inspect.unwrap(method), "__code__", None) if callable(method) else None
            names |= set(code.co_names) if code is not None else set()
    return names


@cache
def _reason(version: str) -> str:
    series = ".".join(version.split(".")[:2])
    lacks = lacking(SEAMS.get(series, SEAMS[SUPPORTED[-1]]))
    if series in SEAMS and not lacks:
        return ""
    why = lacks[0] if lacks else "nobody has verified steering with it"
    return f"vLLM {version} is not supported: {why}; use vLLM {SUPPORTED[0]} to {SUPPORTED[-1]}"


def unsupported() -> str:
    """Why this version of vLLM does not steer; empty where it does."""
    import vllm

    return _reason(str(vllm.__version__))


def require_supported() -> None:
    """Refuse a vLLM whose insides are not those that the plugin was written for.

    Raises:
        ModelError: with what it lacks, and which versions do.
    """
    if reason := unsupported():
        raise ModelError(reason)
