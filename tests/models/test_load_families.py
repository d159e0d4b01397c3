"""Families of every make: each is understood, or refused in words that name it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM
from transformers.utils import logging

import oracle
from tiny import tiny_tokenizer
from trimtab.errors import ModelError
from trimtab.models import wrap

WITHOUT_ATTENTION = ("mamba", "mamba2", "falcon_mamba", "rwkv")
LIKE_BERT = ("bert", "big_bird", "camembert", "electra", "megatron-bert", "rembert", "roberta", "roc_bert", "xmod")
DECODERS_OF_PAIRS = ("bart", "blenderbot-small", "mbart", "pegasus", "trocr", "whisper")
LAYERS_DIFFER = ("gemma4_text", "recurrent_gemma", "jamba", "lfm2", "nemotron_h")
MANY_STREAMS = ("hy_v4", "deepseek_v4")
OF_OLD = ("bloom", "codegen", "ctrl", "gptj", "gpt_bigcode", "mpt", "openai-gpt", "opt", "xglm", "xlm")
ODD = ("hrm_text", "xlstm", "cpmant", "falcon_h1")
FAMILIES = (*WITHOUT_ATTENTION, *LIKE_BERT, *DECODERS_OF_PAIRS, *LAYERS_DIFFER, *MANY_STREAMS, *OF_OLD, *ODD)

_WIDTH = 48
SMALL: dict[str, Any] = {
    **dict.fromkeys(
        ("hidden_size", "d_model", "n_embd", "embedding_size", "attention_hidden_size", "dim_model"), _WIDTH
    ),
    **dict.fromkeys(("intermediate_size", "decoder_ffn_dim", "encoder_ffn_dim", "moe_intermediate_size"), 64),
    **dict.fromkeys(("num_hidden_layers", "decoder_layers", "encoder_layers", "n_layer", "n_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "decoder_attention_heads", "n_head", "n_heads"), 4),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    "num_key_value_heads": 2,
    "head_dim": 12,
    "vocab_size": 300,
    "max_position_embeddings": 64,
}

SPECIAL: dict[str, dict[str, Any]] = {
    "mamba2": {"num_heads": 8},
    "gemma4_text": {"hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 300, "num_kv_shared_layers": 0},
    "whisper": {"max_target_positions": 64, "pad_token_id": 0},
    "hy_v4": {"pad_token_id": 0},
}


def small_model(family: str) -> Any:
    """A small random model of a family, as far as the usual names make it small."""
    kind = CONFIG_MAPPING[family]
    default = kind()
    named = {*default.to_dict(), *default.attribute_map}
    wanted = {key: value for key, value in SMALL.items() if key in named and key not in default.attribute_map.values()}
    wanted |= SPECIAL.get(family, {})
    with torch.device("meta"):
        size = sum(p.numel() for p in AutoModelForCausalLM.from_config(kind(**wanted)).parameters())
    assert size < 30e6, f"{family}: {size} parameters; name what makes it small"
    return AutoModelForCausalLM.from_config(kind(**wanted))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_understood_or_refused_by_name(family: str) -> None:
    logging.set_verbosity_error()
    model = small_model(family)
    kind = type(model).__name__
    try:
        backbone = wrap(model, tiny_tokenizer(), name=f"my-{family}")
    except ModelError as error:
        refusal = str(error)
    else:
        assert (backbone.facts.layers, backbone.facts.architecture) == (len(backbone.anatomy.layers), kind)
        assert backbone.facts.width == oracle.forward(backbone, range(5, 11))[1].shape[-1]
        return
    assert f"my-{family}" in refusal
    assert kind in refusal
    assert family not in WITHOUT_ATTENTION
