"""What a configuration says of lengths at which a model computes something else."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

_ROPE_BY_LENGTH = re.compile("dynamic|longrope")
_FAMILIAR = re.compile(
    # sizes of weights
    "hidden|intermediate|inner|ffn|ff_dim|embd|embed|width|vocab|head|rank|state|_dim|^dim|d_model|d_ff|d_kv|d_conv"
    "|expert|router|topk_group|n_group|groups|num_mem|multiple_of|mlp"
    # numbers of layers, and of them which
    "|layer|depth|pattern|interval|frequency|freq|step"
    # tokens, versions, and the longest text
    "|token_id|_id$|_index$|version|max_position|n_positions|n_ctx|max_seq_len|model_max_length|max_length|num_logits"
    "|return|beams|sample|pretraining_tp|ignore|seed|pre_attn_scalar|scale_emb|first_k|moe_k|moe_topk|feed_forward|dff"
    # windows that our masks know
    "|^sliding_window$"
)
"""Names of entries that no length of a text runs into. Others, such as windows, chunks, blocks, and numbers of keys to
keep, may cut a row where it is longer."""


def batch_length_limit(config: Any) -> int:
    """The longest text that does not change the rotary frequencies of a whole pass; very large where none does."""
    limits = [sys.maxsize]
    for rope in _ropes(getattr(config, "rope_parameters", None)):
        if _ROPE_BY_LENGTH.search(str(rope.get("rope_type", ""))):
            original = rope.get("original_max_position_embeddings") or getattr(
                config, "original_max_position_embeddings", None
            )
            longest = getattr(config, "max_position_embeddings", None)
            limits += [int(limit) for limit in (original, longest) if limit]
    return min(limits)


def _ropes(parameters: Any) -> Iterator[dict[str, Any]]:
    """Settings of rotary embeddings: one, or one for each layer type."""
    if isinstance(parameters, dict):
        if "rope_type" in parameters:
            yield parameters
        for one in parameters.values():
            yield from _ropes(one)


def unfamiliar_sizes(config: Any) -> list[int]:
    """Whole numbers of a configuration that might cut a row in pieces: windows, chunks, numbers of keys."""
    found = []
    for name, value in config.to_dict().items():
        if not _FAMILIAR.search(name):
            found += [v for v in (value if isinstance(value, list) else [value]) if type(v) is int and v > 1]
    return found
