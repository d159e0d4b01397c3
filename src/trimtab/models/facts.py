"""What the configuration of a model says of it, for tables that compare models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.models.kinds.adapters import adapter_parameters, has_adapters
from trimtab.models.kinds.quantization import is_quantized, unpacked

LAYER_COUNTS = ("decoder_layers", "num_hidden_layers")
"""The first is that of a decoder which was trained behind an encoder; the second may then be the encoder's."""


@dataclass(frozen=True)
class Facts:
    """What the configuration says of a model, for tables that compare models."""

    architecture: str
    layers: int
    width: int
    heads: int
    """0, like what follows from it, in models without attention."""
    kv_heads: int
    head_size: int
    gqa_ratio: float
    """Attention heads for each key-value head."""
    parameters: int
    active_parameters: int
    """Parameters that one token passes through: fewer than all of them in a mixture of experts."""
    tied_embeddings: bool
    context: int
    """Longest sequence in tokens; 0 where the configuration does not say."""
    moe: bool


def facts_of(model: Any) -> Facts:
    """Architecture facts of a model; works on the meta device, without weights."""
    config = model.config.get_text_config()
    heads = first_of(config, "decoder_attention_heads", "num_attention_heads")
    kv_heads = first_of(config, "num_key_value_heads") or heads
    experts = first_of(config, "num_experts", "num_local_experts", "n_routed_experts")
    adapted = has_adapters(model)
    # Quantized weights are packed, several to a number, and adapters keep the originals of what they replace.
    plain = unpacked(model) if is_quantized(model) or adapted else model
    added = adapter_parameters(model) if adapted else 0
    total = sum(p.numel() for p in plain.parameters()) + added
    return Facts(
        architecture=type(model).__name__,
        layers=first_of(config, *LAYER_COUNTS),
        width=first_of(config, "hidden_size"),
        heads=heads,
        kv_heads=kv_heads,
        head_size=first_of(config, "head_dim") or (config.hidden_size // heads if heads else 0),
        gqa_ratio=heads / kv_heads if kv_heads else 0.0,
        parameters=total,
        active_parameters=total - _idle_parameters(plain, config, experts),
        tied_embeddings=bool(getattr(config, "tie_word_embeddings", False)),
        context=first_of(config, "max_position_embeddings", "max_seq_len", "seq_length", "max_target_positions"),
        moe=experts > 1,
    )


def _idle_parameters(model: Any, config: Any, experts: int) -> int:
    """Parameters of the experts that a token does not visit."""
    used = first_of(config, "num_experts_per_tok", "top_k_experts", "moe_topk")
    if experts <= 1 or not used:
        return 0
    in_experts: int = sum(p.numel() for name, p in model.named_parameters() if ".experts." in name)
    return in_experts * (experts - used) // experts


def first_of(config: Any, *names: str) -> int:
    """The first of some keys that says something, 0 if none does; the largest where each layer has its own."""
    for name in names:
        if any(numbers := [value for value in _values(config, name) if isinstance(value, int)]):
            return max(numbers)
    return 0


def _values(config: Any, name: str) -> Sequence[Any]:
    """What a configuration says under a key, of each layer where they differ."""
    try:
        value = getattr(config, name, None)
    except RuntimeError:  # transformers refuses to name one value of a model whose layers differ, as in Gemma 4
        return [getattr(layer, name, None) for layer in config.per_layer_config]
    return value if isinstance(value, list | tuple) else [value]
