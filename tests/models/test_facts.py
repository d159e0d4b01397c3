"""Architecture facts, counted by hand."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma4TextConfig, MambaConfig

from tiny import tiny_config, tiny_model
from trimtab.models import Backbone
from trimtab.models.facts import facts_of

WIDTH, LAYERS = 48, 4


def test_facts_of_a_grouped_query_model(llama: Backbone) -> None:
    facts = llama.facts
    assert (facts.architecture, facts.layers, facts.width) == ("LlamaForCausalLM", LAYERS, WIDTH)
    assert (facts.heads, facts.kv_heads, facts.head_size, facts.gqa_ratio) == (4, 2, 12, 2.0)
    assert (facts.context, facts.moe, facts.tied_embeddings) == (256, False, False)
    assert facts.active_parameters == facts.parameters == sum(p.numel() for p in llama.model.parameters())


def test_facts_of_a_model_that_names_things_differently() -> None:
    facts = facts_of(tiny_model("gpt2"))
    assert (facts.layers, facts.width, facts.heads, facts.kv_heads, facts.context) == (LAYERS, WIDTH, 4, 4, 256)
    assert facts.tied_embeddings


@pytest.mark.parametrize(
    ("name", "idle"),
    [
        # 6 experts of 3 matrices, 2 of them used: 4 idle in each layer.
        ("qwen3_moe", LAYERS * 4 * 3 * WIDTH * 40),
        # 4 experts with biases, 2 of them used; gate and up side by side.
        ("gpt_oss", LAYERS * 2 * (3 * WIDTH * 96 + 2 * 96 + WIDTH)),
    ],
)
def test_active_parameters_leave_out_the_experts_a_token_does_not_visit(name: str, idle: int) -> None:
    facts = facts_of(tiny_model(name))
    assert facts.moe
    assert facts.parameters - facts.active_parameters == idle


def test_facts_need_no_weights() -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(tiny_config("qwen3_moe"))
    assert facts_of(model) == facts_of(tiny_model("qwen3_moe"))


def test_a_model_without_attention_has_no_heads() -> None:
    config = MambaConfig(vocab_size=300, hidden_size=48, state_size=4, num_hidden_layers=LAYERS)
    facts = facts_of(AutoModelForCausalLM.from_config(config))
    assert (facts.heads, facts.kv_heads, facts.head_size, facts.gqa_ratio) == (0, 0, 0, 0.0)
    assert (facts.layers, facts.width) == (LAYERS, WIDTH)


def test_where_layers_differ_the_largest_head_counts() -> None:
    config = Gemma4TextConfig()
    sizes = {layer.head_dim for layer in config.per_layer_config}
    assert len(sizes) > 1
    with torch.device("meta"):
        assert facts_of(AutoModelForCausalLM.from_config(config)).head_size == max(sizes)
