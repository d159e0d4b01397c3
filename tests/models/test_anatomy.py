"""Where layers, final norm and unembedding are, for every family; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import oracle
from tiny import tiny_config, tiny_model, tiny_tokenizer
from trimtab.errors import ModelError
from trimtab.models import Backbone, wrap
from trimtab.models.architecture import find_layers

TOKENS = tuple(range(30, 50))


def refused(model: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        wrap(model, tiny_tokenizer(), name="odd")


def test_unembedding_the_last_layers_state_gives_the_models_logits(backbone: Backbone) -> None:
    logits, states = oracle.forward(backbone, TOKENS)
    torch.testing.assert_close(backbone.logits(states[-1]), logits, atol=1e-4, rtol=1e-5)


def test_logits_of_single_tokens_are_those_of_the_whole_vocabulary(backbone: Backbone) -> None:
    states = oracle.forward(backbone, TOKENS)[1][-1]
    chosen = torch.tensor([[3, 299]]).repeat(len(TOKENS), 1)
    expected = backbone.logits(states).gather(1, chosen)
    torch.testing.assert_close(backbone.token_logits(states, chosen), expected, atol=1e-4, rtol=1e-5)


def test_logits_of_single_tokens_are_exact_in_bfloat16_too() -> None:
    """A difference of two logits is not rounded to an eighth."""
    backbone = wrap(tiny_model("llama").to(torch.bfloat16), tiny_tokenizer(), name="rounded")
    states = oracle.forward(backbone, TOKENS)[1][-1]
    logits = backbone.token_logits(states, torch.tensor([[5, 6]]).repeat(len(TOKENS), 1))
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.to(torch.bfloat16).float())


def test_the_unembedding_is_not_part_of_the_decoder(backbone: Backbone) -> None:
    """So that reading states never pays for the vocabulary."""
    parts = set(backbone.anatomy.decoder.modules())
    assert backbone.anatomy.head not in parts
    assert set(backbone.anatomy.layers) <= parts


def test_taking_a_model_apart_leaves_no_hooks() -> None:
    model = wrap(tiny_model("llama"), tiny_tokenizer(), name="fresh").model
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_list_of_layers_must_be_found() -> None:
    with pytest.raises(ModelError, match=r"cannot tell .* 7 decoder layers \(candidates: none\)"):
        find_layers(tiny_model("llama"), 7)


def test_two_lists_of_the_same_length_are_ambiguous() -> None:
    model = tiny_model("llama")
    model.others = nn.ModuleList(nn.Linear(2, 2) for _ in range(4))
    with pytest.raises(ModelError, match=r"candidates: .*others"):
        find_layers(model, 4)


def test_lists_inside_the_layers_do_not_confuse() -> None:
    """Experts, as many as there are layers."""
    model = tiny_model("llama")
    for layer in model.model.layers:
        layer.experts = nn.ModuleList(nn.Linear(2, 2) for _ in range(4))
    assert find_layers(model, 4) == tuple(model.model.layers)


def test_layers_that_run_in_another_order_are_refused() -> None:
    model = tiny_model("llama")
    decoder, layers, run = model.model, model.model.layers, model.model.forward

    def backwards(*args: Any, **kwargs: Any) -> Any:
        decoder.layers = nn.ModuleList(list(layers)[::-1])
        try:
            return run(*args, **kwargs)
        finally:
            decoder.layers = layers

    decoder.forward = backwards
    refused(model, r"ran in the order \[3, 2, 1, 0\]")


def test_something_unseen_between_norm_and_unembedding_is_refused() -> None:
    model = tiny_model("llama")
    decoder = model.model.forward

    def shifted(*args: Any, **kwargs: Any) -> Any:
        output = decoder(*args, **kwargs)
        output.last_hidden_state = output.last_hidden_state + 0.5
        return output

    model.model.forward = shifted
    refused(model, "behind the last layer")


def test_a_factor_between_norm_and_unembedding_is_found() -> None:
    """As MiniCPM 3 has it."""
    model = tiny_model("llama")
    decoder = model.model.forward

    def scaled(*args: Any, **kwargs: Any) -> Any:
        output = decoder(*args, **kwargs)
        output.last_hidden_state = output.last_hidden_state * 1.5
        return output

    model.model.forward = scaled
    backbone = wrap(model, tiny_tokenizer(), name="scaled")
    logits, states = oracle.forward(backbone, TOKENS)
    torch.testing.assert_close(backbone.logits(states[-1]), logits, atol=1e-4, rtol=1e-5)


def test_something_unseen_behind_the_unembedding_is_refused() -> None:
    model = tiny_model("llama")
    original = model.forward

    def scaled(*args: Any, **kwargs: Any) -> Any:
        output = original(*args, **kwargs)
        output.logits = output.logits * 3
        return output

    model.forward = scaled
    refused(model, "do not reproduce the model's logits")


def test_a_model_without_unembedding_is_refused() -> None:
    from transformers import AutoModel

    refused(AutoModel.from_config(tiny_config("llama")), "no unembedding")


def test_logits_are_capped_where_the_model_caps_them() -> None:
    backbone = wrap(tiny_model("gemma2", final_logit_softcapping=2.0), tiny_tokenizer(), name="capped")
    states: Tensor = oracle.forward(backbone, TOKENS)[1][-1]
    assert float(backbone.logits(states).abs().max()) <= 2.0
