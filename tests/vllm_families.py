"""Families of which vLLM runs a tiny random model in the tests, with what its kernels ask of the sizes."""

from __future__ import annotations

from typing import Any

# Heads of 32, widths in multiples of 32.
_SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
}
CHANGES: dict[str, dict[str, Any]] = {
    "llama": _SIZES,
    "qwen3": _SIZES,
    "olmo2": _SIZES,
    "exaone4": _SIZES,
    "qwen3_moe": {**_SIZES, "moe_intermediate_size": 64, "num_experts": 8},
    "qwen3_5": {**_SIZES, "head_dim": 64, "linear_key_head_dim": 128, "linear_value_head_dim": 128},
}
