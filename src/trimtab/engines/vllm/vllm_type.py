"""vLLM before it runs: what it takes, without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.engines.base import Engine
from trimtab.engines.registry import EngineType, LoadOptions
from trimtab.engines.vllm import _options as vllm_options
from trimtab.errors import SettingError
from trimtab.models import Device, Identity, Quantization


class VLLMType(EngineType):
    """vLLM in worker processes of this one."""

    name = "vllm"
    by_requests = True
    placement_options = (
        "tensor_parallel_size", "pipeline_parallel_size", "enable_expert_parallel", "distributed_executor_backend",
        "max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization", "kv_cache_memory_bytes",
        "block_size", "enable_prefix_caching", "enforce_eager", "cpu_offload_gb", "rows",
    )  # fmt: skip
    split_options = ("tensor_parallel_size", "pipeline_parallel_size")

    def require_installed(self) -> None:
        """Refuse to start without vLLM."""
        vllm_options.require_vllm()

    def check_options(self, engine_options: Mapping[str, Any]) -> None:
        """Refuse what is no argument of vLLM, or not the user's to set."""
        vllm_options.check_options(engine_options)

    def check_placement(self, device: Device, memory_bytes: int | None = None, quantization: Quantization = "") -> None:
        """Refuse a device, a memory limit and a quantization of transformers."""
        if device != "auto" or memory_bytes is not None:
            raise SettingError("vLLM finds its devices itself, and its memory: leave out device and memory_bytes")
        if quantization:
            raise SettingError(
                "quantization is of the default engine; vLLM has its own, engine_options: {quantization: …}"
            )

    def start(self, name: str, options: LoadOptions) -> tuple[Identity, Engine]:
        """Start the workers."""
        from trimtab.engines.vllm.engine import VLLMEngine
        from trimtab.engines.vllm.launch import start

        running, identity = start(name, options.dtype, options.trust_remote_code, options.engine_options)
        try:
            return identity, VLLMEngine(running, identity)
        except BaseException:  # whatever it is, the engine's processes must not outlive it
            running.engine_core.shutdown()
            raise


VLLM = VLLMType()
