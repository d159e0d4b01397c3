"""Tiny random models of families whose own arithmetic gets in the way of running many rows together."""

from __future__ import annotations

import functools
from typing import Any

import torch
import transformers

from tiny import WINDOW, randomize, tiny_tokenizer
from trimtab.models import Backbone, wrap

_HEADS, _LAYERS = 4, 4
ROPE_LIMIT = 24
"""Positions at which rope that is scaled by length changes its frequencies."""

_GROUPED = {
    "vocab_size": 300,
    "hidden_size": 48,
    "intermediate_size": 96,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _HEADS,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_BART = {
    "vocab_size": 300,
    "d_model": 48,
    "decoder_layers": _LAYERS,
    "decoder_attention_heads": _HEADS,
    "decoder_ffn_dim": 96,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_GPT = {"vocab_size": 300, "n_embd": 48, "n_layer": _LAYERS, "n_head": _HEADS, "n_positions": 256, "eos_token_id": 2}

CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    # Counts its local window in columns of the row, and looks at no mask for it.
    "gpt_neo": (
        "GPTNeo",
        {
            "vocab_size": 300,
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_layers": _LAYERS,
            "num_heads": _HEADS,
            "attention_types": [[["global", "local"], _LAYERS // 2]],
            "window_size": WINDOW,
            "max_position_embeddings": 256,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
    ),
    # Number the columns of a row themselves, padding included.
    "bart": ("Bart", {**_BART, "encoder_layers": _LAYERS, "encoder_ffn_dim": 96}),
    "trocr": ("TrOCR", {**_BART, "use_learned_position_embeddings": True}),
    # Cuts rows into chunks.
    "llama4": (
        "Llama4Text",
        {
            **_GROUPED,
            "attention_chunk_size": WINDOW,
            "num_local_experts": 2,
            "intermediate_size_mlp": 96,
            "layer_types": ["chunked_attention", "full_attention"] * (_LAYERS // 2),
            "floor_scale": WINDOW,
            "no_rope_layers": [1, 0] * (_LAYERS // 2),
            "moe_layers": [1, 3],
        },
    ),
    # Keeps the best of a window's keys.
    "doge": ("Doge", {**_GROUPED, "keep_window_size": WINDOW}),
    # Scale their rotary frequencies by the longest text of a pass.
    "phi3_longrope": (
        "Phi3",
        {
            **_GROUPED,
            "original_max_position_embeddings": ROPE_LIMIT,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 100.0,
                "short_factor": [1.0] * 6,
                "long_factor": [2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
                "original_max_position_embeddings": ROPE_LIMIT,
            },
        },
    ),
    "llama_dynamic": (
        "Llama",
        {
            **_GROUPED,
            "max_position_embeddings": ROPE_LIMIT,
            "rope_parameters": {"rope_type": "dynamic", "rope_theta": 100.0, "factor": 4.0},
        },
    ),
    # Has no cache.
    "openai": ("OpenAIGPT", _GPT),
    # The upper layers use keys and values of lower ones.
    "gemma4": (
        "Gemma4Text",
        {
            **_GROUPED,
            "num_hidden_layers": 6,
            "num_kv_shared_layers": 3,
            "global_head_dim": 12,
            "hidden_size_per_layer_input": 8,
            "vocab_size_per_layer_input": 300,
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention"] * 3,
            "tie_word_embeddings": False,
        },
    ),
    # Biases for each row and head on one axis; biases for each head, which as many rows must not be taken for.
    "bloom": ("Bloom", {"vocab_size": 300, "hidden_size": 48, "n_layer": _LAYERS, "n_head": _HEADS}),
    "mpt": ("Mpt", {"vocab_size": 300, "d_model": 48, "n_layers": _LAYERS, "n_heads": _HEADS, "max_seq_len": 256}),
    # Hands states from layer to layer beside the hidden ones.
    "zaya": (
        "Zaya",
        {
            **_GROUPED,
            "num_experts": 4,
            "num_experts_per_tok": 1,
            "moe_intermediate_size": 40,
        },
    ),
    # Takes no cache but its own.
    "minimax": (
        "MiniMax",
        {
            **_GROUPED,
            "num_local_experts": 2,
            "num_experts_per_tok": 1,
            "layer_types": ["linear_attention", "full_attention"] * (_LAYERS // 2),
            "block_size": 16,
        },
    ),
}


@functools.cache
def peculiar(name: str) -> Backbone:
    """The backbone of one family, made once."""
    return new(name)


def new(name: str, **changes: Any) -> Backbone:
    """A backbone of one family of which nothing is known yet."""
    kind, fields = CONFIGS[name]
    config = getattr(transformers, f"{kind}Config")(**{**fields, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(0)  # some parameters keep the values they are made with
        if kind in ("Bart", "TrOCR"):
            model = getattr(transformers, f"{kind}ForCausalLM")(config)
        else:
            model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    return wrap(randomize(model.float()), tiny_tokenizer(), name=f"tiny-{name}")
