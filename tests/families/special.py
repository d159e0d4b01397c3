"""What cannot be known of a family by the names of its settings."""

from __future__ import annotations

from typing import Any

from families.sizes import HEAD_SIZE, HEADS, KV_HEADS, LAYERS, ROPE_CONTEXT, WIDTH

_GLOBAL = {"global_head_dim": 2 * HEAD_SIZE}
_TWO_KINDS = ["sliding_attention", "full_attention"] * (LAYERS // 2)
_ROPE = {"rope_type": "default", "rope_theta": 100.0}
_MROPE = {**_ROPE, "mrope_section": [4, 2, 2]}
_MULTIPLIERS = {
    "embedding_multiplier": 3.0,
    "logits_scaling": 2.0,
    "residual_multiplier": 0.7,
    "attention_multiplier": 0.2,
}
_ONE_LINEAR = {"layer_types": ["full_attention", "linear_attention", "full_attention", "full_attention"]}
"""One layer of a linear attention that is slow without its kernels, behind a layer that is steered."""
_DECODER = {"is_decoder": True}

SPECIAL: dict[str, dict[str, Any]] = {
    "bailing_hybrid": _ONE_LINEAR,
    "bamba": {"attn_layer_indices": [1, 3]},
    "bert": _DECODER,
    "bert-generation": _DECODER,
    "big_bird": _DECODER,
    "blt_global_transformer": {"hidden_size": 2 * WIDTH},
    "camembert": _DECODER,
    "cohere_compass_text": {
        "layer_types": _TWO_KINDS,
        "rope_parameters": {"full_attention": _ROPE, "sliding_attention": _ROPE},
    },
    "data2vec-text": _DECODER,
    "dbrx": {"attn_config": {"kv_n_heads": KV_HEADS, "clip_qkv": 8.0, "rope_theta": 100.0}},
    "deepseek_v2": {"num_experts_per_tok": 2, "n_group": 1, "topk_group": 1},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "layer_types": _TWO_KINDS},
    "dots3_note_text": {
        "head_dim": 2 * HEAD_SIZE,
        "swa_num_attention_heads": HEADS // 2,
        "swa_num_key_value_heads": HEADS // 2,
        "swa_q_lora_rank": 24,
        "swa_kv_lora_rank": 16,
        "swa_head_dim": 2 * HEAD_SIZE,
        "swa_qk_nope_head_dim": HEAD_SIZE,
        "swa_v_head_dim": HEAD_SIZE,
    },
    "electra": _DECODER,
    "ernie": _DECODER,
    "falcon": {"num_kv_heads": 1},
    "falcon_h1": {"mamba_d_head": 16, "lm_head_multiplier": 0.5, "embedding_multiplier": 2.0, "key_multiplier": 0.7},
    "gemma3n_text": {"num_kv_shared_layers": 2, "layer_types": _TWO_KINDS},
    "gemma4_assistant": {"text_config": {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}},
    "gemma4_text": _GLOBAL,
    "gemma4_unified_text": _GLOBAL,
    "granite": _MULTIPLIERS,
    "granite_swa": _MULTIPLIERS,
    "granitemoe": _MULTIPLIERS,
    "granitemoe_swa": _MULTIPLIERS,
    "granitemoehybrid": {**_MULTIPLIERS, "layer_types": ["linear_attention", "full_attention"] * (LAYERS // 2)},
    "granitemoeshared": _MULTIPLIERS,
    "hunyuan_v1_dense": {"head_dim": HEAD_SIZE},
    "hunyuan_v1_moe": {"head_dim": HEAD_SIZE},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "kimi_linear": _ONE_LINEAR,
    "lfm2_moe": {"layer_types": ["conv", "full_attention"] * (LAYERS // 2)},
    "mamba2": {"num_heads": 8, "head_dim": 16},
    "megatron-bert": _DECODER,
    "minicpm3": {"dim_model_base": 32},
    "ministral": {"head_dim": HEAD_SIZE, "layer_types": _TWO_KINDS},
    "nemotron": {"num_key_value_heads": KV_HEADS},
    "qwen2": {"use_sliding_window": True},
    "qwen2_5_vl_text": {"rope_parameters": _MROPE},
    "qwen2_moe": {"use_sliding_window": True},
    "qwen2_vl_text": {"rope_parameters": _MROPE},
    "qwen4_exp_text": {
        "indexer_n_heads": HEADS,
        "indexer_kv_heads": 1,
        "indexer_head_dim": HEAD_SIZE,
        "indexer_budget": 12,
        "indexer_compress_ratio": 4,
        "ple_layer_ids": [1],
        "ngram_vocab_size_base": 50,
        "make_ngram_vocab_size_divisible_by": 8,
        "split_ngram_parts": 2,
    },
    "reformer": {
        "is_decoder": True,
        "axial_pos_shape": [8, 40],
        "axial_pos_embds_dim": [16, WIDTH - 16],
        "hash_seed": 0,
        "num_buckets": 4,
    },
    "rembert": _DECODER,
    "roberta": _DECODER,
    "roberta-prelayernorm": _DECODER,
    "roc_bert": _DECODER,
    "roformer": _DECODER,
    "xlm-roberta": _DECODER,
    "xlm-roberta-xl": _DECODER,
    "xmod": {**_DECODER, "default_language": "en_XX"},
    "zamba": {"attention_hidden_size": 2 * WIDTH, "attention_head_dim": 2 * HEAD_SIZE},
    "zamba2": {"attention_hidden_size": 2 * WIDTH, "attention_head_dim": 2 * HEAD_SIZE, "hybrid_layer_ids": [1, 3]},
}
"""What the names of a family's settings do not tell, by model type."""

_DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 100.0}
_YARN = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 100.0, "original_max_position_embeddings": ROPE_CONTEXT}
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 4.0,
    "rope_theta": 100.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": ROPE_CONTEXT,
}
_LONGROPE = {
    "rope_type": "longrope",
    "rope_theta": 100.0,
    "short_factor": [1.0] * (HEAD_SIZE // 2),
    "long_factor": [2.0] * (HEAD_SIZE // 2),
    "original_max_position_embeddings": ROPE_CONTEXT,
}

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert, not a decoder": ("bert", {"is_decoder": False}),
    "deepseek_v32, as many keys as published": ("deepseek_v32", {"index_topk": 2048}),
    "doge, window as published": ("doge", {"keep_window_size": 2048}),
    "falcon, alibi": ("falcon", {"alibi": True, "num_kv_heads": HEADS, "multi_query": False}),
    "falcon, new decoder": ("falcon", {"new_decoder_architecture": True, "num_kv_heads": KV_HEADS}),
    "gemma4_text, shared keys and values": ("gemma4_text", {"num_kv_shared_layers": 2, "layer_types": _TWO_KINDS}),
    "gemma4_text, experts": (
        "gemma4_text",
        {"enable_moe_block": True, "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 48},
    ),
    "gpt_bigcode, several key heads": ("gpt_bigcode", {"multi_query": False}),
    "gpt_neo, window as published": ("gpt_neo", {"window_size": 256}),
    "gpt_neox, one after the other": ("gpt_neox", {"use_parallel_residual": False}),
    "llama4_text, chunk as published": ("llama4_text", {"attention_chunk_size": 8192, "floor_scale": 8192}),
    "llama, dynamic rope": ("llama", {"rope_parameters": _DYNAMIC, "max_position_embeddings": ROPE_CONTEXT}),
    "llama, llama3 rope": ("llama", {"rope_parameters": _LLAMA3}),
    "llama, yarn": ("llama", {"rope_parameters": _YARN}),
    "opt, norm behind": ("opt", {"do_layer_norm_before": False, "word_embed_proj_dim": 32}),
    "phi3, longrope": ("phi3", {"rope_parameters": _LONGROPE, "max_position_embeddings": 256}),
    "qwen2, full attention": ("qwen2", {"use_sliding_window": False}),
    "stablelm, parallel": ("stablelm", {"use_parallel_residual": True, "qk_layernorm": True}),
    "trocr, sinusoids": ("trocr", {"use_learned_position_embeddings": False}),
}
"""Settings of published models that change what a family computes: name → (model type, settings)."""


WEIGHTS: dict[str, float] = {
    "inkling_text": 0.6,
    "nemotron_h": 0.8,
    "zamba": 0.8,
    "zamba2": 0.6,
}
"""Families that amplify rounding with larger weights: the same text, with and without a cache, differs by it. And one
whose states grow so large with them that a push is lost in them."""

NOT_BUILT: dict[str, str] = {
    "gemma3n": "its vision tower needs the package timm; the language model is gemma3n_text",
}
"""Families that cannot be built with trimtab's own dependencies, and why."""
