"""Starting a vLLM engine that steers, in this process's children."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from trimtab.engines.vllm._options import OWN, check_options, require_vllm, set_environment
from trimtab.engines.vllm.guard.process_guard import owned
from trimtab.engines.vllm.guard.start_errors import reason
from trimtab.engines.vllm.plugin.plugin_settings import asked_for
from trimtab.engines.vllm.plugin.register import register
from trimtab.engines.vllm.plugin.seams import require_supported
from trimtab.errors import ModelError
from trimtab.models import ContextLimit, DType, Identity, identify, peek
from trimtab.models.bundled import resolve
from trimtab.models.kinds.adapters import find_adapter


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
    require_vllm()
    set_environment()
    register()
    require_supported()
    check_options(options)
    path = resolve(name)
    if find_adapter(path) is not None:
        raise ModelError(
            f"model {name!r} is an adapter, which trimtab does not run in vLLM yet. Merge it into its base, in peft "
            "`PeftModel.from_pretrained(base, adapter).merge_and_unload().save_pretrained(folder)`, and load the "
            "folder; or leave out engine: transformers runs it as it is"
        )
    peek(name, trust_remote_code=trust_remote_code)  # says in two seconds, and better, what vLLM would say in thirty
    try:
        with owned():
            engine = _engine(path, dtype, trust_remote_code, options)
    except Exception as error:  # vLLM, torch and the hub raise whatever they like
        raise ModelError(f"vLLM cannot start with {name!r}: {reason(error)}") from error
    device = torch.device(str(_platform().device_type))
    try:
        config = engine.model_config
        identity = identify(name, dtype=config.dtype, device=device, trust_remote_code=trust_remote_code)
        # Whatever the positions, vLLM takes no text that is longer than this.
        return engine, replace(identity, context=ContextLimit(int(config.max_model_len), hard=True))
    except BaseException:  # whatever it is, the engine's processes must not outlive it
        engine.engine_core.shutdown()
        raise


def _engine(path: str, dtype: DType | torch.dtype, trust_remote_code: bool, options: Mapping[str, Any]) -> Any:
    from vllm import EngineArgs
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.llm_engine import LLMEngine

    given = {key: value for key, value in options.items() if key not in OWN}
    overrides = given.pop("hf_overrides", {})
    if _platform().is_cpu():
        os.environ.setdefault(
            "VLLM_USE_V2_MODEL_RUNNER", "0"
        )  # V2 needs Triton, and vLLM would warn that there is none
        given.setdefault("block_size", 32)  # its default of 128 leaves little of a prompt to be shared
    arguments = EngineArgs(
        model=path,
        dtype=dtype if isinstance(dtype, str) else str(dtype).removeprefix("torch."),
        trust_remote_code=trust_remote_code,
        additional_config=asked_for(options.get("rows")),
        # A bfloat16 product would round logits to an eighth, far too coarse for their differences.
        hf_overrides={"head_dtype": "float32", **overrides},
        **{"disable_log_stats": True, **given},
    )
    # As many requests and tokens at once as for vLLM's own LLM class; without it they are fewer than a server's.
    return LLMEngine.from_engine_args(arguments, usage_context=UsageContext.LLM_CLASS)


def _platform() -> Any:
    from vllm.platforms import current_platform

    return current_platform
