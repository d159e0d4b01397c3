"""Configurations of vLLM in which steering would reach the wrong tokens, or none."""

from __future__ import annotations

from typing import Any

import torch

from trimtab.errors import ModelError


def refuse_unsupported(config: Any) -> None:
    """Refuse what would steer the wrong tokens, or none.

    Raises:
        ModelError: when the engine splits or repeats tokens in a way that rows of tokens do not follow.
    """
    parallel, compilation = config.parallel_config, config.compilation_config
    problems = {
        "speculative decoding": config.speculative_config is not None,
        "dual-batch overlap": bool(parallel.use_ubatching),
        # The compiler's pass for it is gone from vLLM 0.32 on.
        "sequence parallelism": bool(getattr(compilation.pass_config, "enable_sp", False))
        or bool(parallel.use_sequence_parallel_moe),
        "a stream that is scaled (float16 and routed_scaling_factor; take bfloat16)": _scales_its_stream(config),
        "elastic expert parallelism": bool(parallel.enable_elastic_ep),
        "context parallelism": parallel.decode_context_parallel_size > 1 or parallel.prefill_context_parallel_size > 1,
        "a KV connector (its cache does not know of steering)": config.kv_transfer_config is not None,
        "prompts that part of the layers skip (kv_sharing_fast_prefill)": bool(
            config.cache_config.kv_sharing_fast_prefill
        ),
        "torch.compile's stock mode (compilation mode 1)": int(compilation.mode or 0) == 1,
        "diffusion models": bool(config.model_config.is_diffusion),
        "pooling models": config.model_config.runner_type == "pooling",
    }
    if found := [name for name, present in problems.items() if present]:
        raise ModelError(f"steering does not work with {' or '.join(found)}; start vLLM without it")


def _scales_its_stream(config: Any) -> bool:
    """DeepSeek's models divide it by a factor in float16, so that it overflows less."""
    factor = getattr(config.model_config.hf_text_config, "routed_scaling_factor", None)
    return config.model_config.dtype == torch.float16 and factor not in (None, 1, 1.0)
