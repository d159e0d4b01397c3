"""What is small, by the names that transformers' configurations have for it."""

from __future__ import annotations

import re

LAYERS, WIDTH, HEADS, KV_HEADS, HEAD_SIZE, VOCABULARY = 4, 64, 4, 2, 16, 300
WINDOW = 20
"""Sliding windows, attention chunks, blocks of recurrent scans."""
ROPE_CONTEXT = 24
"""The length that scaled rope was trained for."""

BY_NAME: dict[str, int] = {
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "moe_num_experts": 4,
    "num_experts_per_tok": 2,
    "num_experts_per_token": 2,
    "moe_topk": 2,
    "moe_k": 2,
    "top_k_experts": 2,
    "zero_expert_num": 2,
    "n_group": 2,
    "num_expert_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "num_dense_layers": 1,
    "max_window_layers": 2,
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "o_lora_rank": 16,
    "o_groups": 2,
    "qk_nope_head_dim": HEAD_SIZE,
    "qk_rope_head_dim": HEAD_SIZE,
    "qk_head_dim": 2 * HEAD_SIZE,
    "rotary_dim": 8,
    "state_size": 8,
    "ssm_state_size": 8,
    "mamba_d_state": 8,
    "mamba_dt_rank": 4,
    "time_step_rank": 4,
    "mamba_n_heads": 8,
    "mamba_num_heads": 8,
    "n_mamba_heads": 8,
    "mamba_d_head": 16,
    "mamba_headdim": 16,
    "mamba_d_ssm": 2 * WIDTH,
    "n_groups": 2,
    "index_topk": 12,
    "index_topk_blocks": 2,
    "hidden_size_per_layer_input": 8,
    "laurel_rank": 8,
    "adapter_rank": 8,
    "hc_lowrank": 8,
    "gated_norm_rank": 8,
    "loop_gate_rank": 8,
    "ple_embed_dim": 16,
    "num_centroids": 8,
    "rescale_every": 2,
    "original_max_position_embeddings": ROPE_CONTEXT,
    "floor_scale": ROPE_CONTEXT,
    "log_scaling_n_floor": ROPE_CONTEXT,
    "rel_extent": 16,
    "encoder_hash_byte_group_vocab": 50,
}
LAYER_COUNT = (
    r"(n_layer|n_layers|num_layers|num_hidden_layers|(en|de)coder_layers|num_(en|de)coder_layers|num_blocks|depth)"
)
BY_PATTERN: tuple[tuple[str, int], ...] = (
    (r"(\w*num_key_value_heads|num_kv_heads|\w*kv_n?_?heads|num_query_groups)", KV_HEADS),
    (r"(n_head|n_heads|num_heads|(\w*_)?attention_heads|linear_num_(key_|value_)?heads|index\w*_n_heads)", HEADS),
    (r"(head_dim|\w*_head_dim|d_head|dim_head|kv_channels|attention_head_size)", HEAD_SIZE),
    (r"(\w*vocab_size\w*)", VOCABULARY),
    (
        r"(hidden_size|\w+_hidden_size|d_model|n_embd|emb_dim|embedding_dim|embedding_size|word_embed_proj_dim|lru_width)",
        WIDTH,
    ),
    (r"(input|output|pronunciation|shape)_embed\w*_(size|dim)", WIDTH),
    (r"adapter_(in|out)_dim|adapter_input_size", WIDTH),
    (r"hidden_size_global", 2 * WIDTH),
    (r"(\w*intermediate_size\w*|\w*ffn_dim|ffn_hidden_size|expert_ffn_hidden_size|dff|dim_ff|d_inner)", 96),
    (r"(n_inner|feed_forward_size|prompt_mid_dim|router_hidden_size)", 96),
    (r"(sliding_window\w*|\w*window_size\w*|window|local_attention|\w*_window_len)", WINDOW),
    (
        r"(attention_chunk_size|chunk_size|\w*_chunk_size|\w*_chunk_length|block_size|\w*_block_size|block_multiple_of)",
        WINDOW,
    ),
)
LEFT_ALONE = re.compile(r"\w*token_id|type_vocab_size|sliding_window_pattern|chunk_size_feed_forward|id2label|label2id")
