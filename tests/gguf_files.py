"""Small GGUF files of a Llama: real ones, with a tokenizer, written tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter
from tokenizers import pre_tokenizers

WIDTH, LAYERS, HEADS, KV_HEADS, INNER = 32, 2, 4, 2, 64
TOKENS = ["<pad>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"]

_SHAPES = {
    "attn_norm.weight": (WIDTH,),
    "ffn_norm.weight": (WIDTH,),
    "attn_q.weight": (WIDTH, WIDTH),
    "attn_k.weight": (WIDTH // 2, WIDTH),
    "attn_v.weight": (WIDTH // 2, WIDTH),
    "attn_output.weight": (WIDTH, WIDTH),
    "ffn_gate.weight": (INNER, WIDTH),
    "ffn_up.weight": (INNER, WIDTH),
    "ffn_down.weight": (WIDTH, INNER),
}


def tensors(seed: int = 0) -> dict[str, Any]:
    """Every tensor of the model, random."""
    source = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (len(TOKENS), WIDTH)}
    shapes |= {f"blk.{layer}.{name}": shape for layer in range(LAYERS) for name, shape in _SHAPES.items()}
    shapes |= {"output_norm.weight": (WIDTH,), "output.weight": (len(TOKENS), WIDTH)}
    return {name: source.normal(size=shape).astype(np.float32) / WIDTH**0.5 for name, shape in shapes.items()}


def write_gguf(path: Path, held: Mapping[str, Any], rope_base: float = 10000.0, **numbers: Any) -> Path:
    """Write a file; `numbers` are further keys of the architecture, with `__` for a dot."""
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(LAYERS)
    writer.add_context_length(16384)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(rope_base)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    for name, value in numbers.items():
        key = "llama." + name.replace("__", ".")
        if isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_float32(key, value)
    for name, tensor in held.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
