"""Loops that others wrote, inside a steer context: what is pushed is what the positions name, or the pass is refused.

Whatever of transformers' `generate` is asked for, the tokens are those of the slow loop; and what a loop by hand does
not tell is refused, and right once the prompt's length is said.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

import oracle
from tiny import random_directions, random_pairs, tiny, tiny_model, tiny_tokenizer, vector_for
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.models import Backbone, hidden_of, wrap
from trimtab.steering import Intervention, Positions, steered

POSITIONS = ("all", "after_prompt", "prompt", "generated")
PARTIAL = [p for p in POSITIONS if p != "all"]
_WORDS = random_pairs(4)[2].positive
PROMPT = [*_WORDS[:8], *_WORDS[2:7]]  # its end stands in it before, for prompt lookup to find
IDS = torch.tensor([PROMPT])
NEW = 6


def push(backbone: Backbone, positions: Positions) -> Intervention:
    directions = random_directions(backbone)
    return Intervention({1: directions[1], 3: directions[3]}, 0.8, positions=positions)


def slow(backbone: Backbone, positions: Positions) -> list[int]:
    return oracle.greedy(backbone, PROMPT, push(backbone, positions), NEW)


def generated(backbone: Backbone, positions: Positions, ids: Tensor = IDS, **options: Any) -> list[list[int]]:
    fixed = {"max_new_tokens": NEW, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    with steered(backbone, [push(backbone, positions)]), torch.no_grad():
        output = backbone.model.generate(ids, **{"attention_mask": torch.ones_like(ids), **fixed, **options})
    return [row[ids.shape[1] :] for row in output.tolist()]


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_cache": False},
        {"prefill_chunk_size": 5},
        {"prefill_chunk_size": 4},
        {"prefill_chunk_size": 1},
        {"prompt_lookup_num_tokens": 3},
        {"assistant_model": "another"},
        {"assistant_model": "itself"},
        {"cache_implementation": "static"},
        {"num_beams": 1, "num_return_sequences": 1, "past_key_values": "empty"},
    ],
    ids=lambda options: " ".join(f"{k}={v}" for k, v in options.items()) or "plain",
)
def test_generate_pushes_the_same_tokens_however_it_runs(
    llama: Backbone, positions: Positions, options: dict[str, Any]
) -> None:
    options = dict(options)
    if options.get("assistant_model"):
        same = options["assistant_model"] == "itself"
        options["assistant_model"] = tiny("llama").model if same else tiny_model("llama", seed=3)
    if options.get("past_key_values"):
        options["past_key_values"] = DynamicCache(config=llama.model.config)
    if same_model(llama, options) and positions != "all":
        with pytest.raises(SettingError, match="second sequence"):
            generated(llama, positions, **options)
        return
    assert generated(llama, positions, **options) == [slow(llama, positions)]


def same_model(backbone: Backbone, options: dict[str, Any]) -> bool:
    return options.get("assistant_model") is backbone.model


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("options", [{}, {"prefill_chunk_size": 4}, {"cache_implementation": "static"}], ids=str)
def test_padding_on_the_left_moves_no_position(llama: Backbone, positions: Positions, options: dict[str, Any]) -> None:
    ids = torch.tensor([[0] * 4 + PROMPT, [*PROMPT[:3], 7, *PROMPT]])
    mask = torch.tensor([[0] * 4 + [1] * 13, [1] * 17])
    both = generated(llama, positions, ids, attention_mask=mask, **options)
    assert both[0] == slow(llama, positions)
    assert both[1] == oracle.greedy(llama, ids[1].tolist(), push(llama, positions), NEW)


@pytest.mark.parametrize("positions", POSITIONS)
def test_beams_push_the_same_tokens_with_and_without_a_cache(llama: Backbone, positions: Positions) -> None:
    ids = torch.tensor([[0] * 4 + PROMPT, [*PROMPT[:3], 7, *PROMPT]])
    options = {"attention_mask": (ids > 0).long(), "num_beams": 3, "num_return_sequences": 2}
    found = generated(llama, positions, ids, **options)
    assert found == generated(llama, positions, ids, use_cache=False, **options)
    if positions != "all":
        assert found != generated(llama, "all", ids, **options)


@pytest.mark.parametrize("positions", ["after_prompt", "generated"])
def test_an_earlier_turns_cache_leaves_the_positions_where_they_are(llama: Backbone, positions: Positions) -> None:
    cache = DynamicCache(config=llama.model.config)
    with torch.no_grad():
        llama.model(IDS[:, :8], past_key_values=cache)
    assert generated(llama, positions, past_key_values=cache) == [slow(llama, positions)]


def test_prompt_tokens_in_an_earlier_turns_cache_cannot_be_pushed_any_more(llama: Backbone) -> None:
    cache = DynamicCache(config=llama.model.config)
    with torch.no_grad():
        llama.model(IDS[:, :8], past_key_values=cache)
    with pytest.raises(SettingError, match="positions prompt cannot be pushed"):
        generated(llama, "prompt", past_key_values=cache)


@pytest.mark.parametrize("positions", PARTIAL)
def test_a_second_sequence_beside_the_first_is_refused(llama: Backbone, positions: Positions) -> None:
    with pytest.raises(SettingError, match="guidance"):
        generated(llama, positions, guidance_scale=2.0)


# Loops by hand: each gives the logits of the last token of TEXT, whose first 13 tokens are the prompt.
TEXT = torch.tensor([[*PROMPT, 40, 50, 60]])


def chunks(backbone: Backbone) -> Tensor:
    cache = DynamicCache(config=backbone.model.config)
    for part in (TEXT[:, :6], TEXT[:, 6:13], TEXT[:, 13:14], TEXT[:, 14:15]):
        backbone.model(part, past_key_values=cache)
    return backbone.model(TEXT[:, 15:], past_key_values=cache).logits[:, -1]  # type: ignore[no-any-return]


def token_by_token(backbone: Backbone) -> Tensor:
    cache, logits = None, torch.empty(0)
    for place in range(TEXT.shape[1]):
        output = backbone.model(TEXT[:, place : place + 1], past_key_values=cache)
        cache, logits = output.past_key_values, output.logits[:, -1]
    return logits


def drafts(backbone: Backbone) -> Tensor:
    cache = backbone.model(TEXT[:, :13]).past_key_values
    return backbone.model(TEXT[:, 13:], past_key_values=cache).logits[:, -1]  # type: ignore[no-any-return]


def copied_cache(backbone: Backbone) -> Tensor:
    cache = backbone.model(TEXT[:, :13]).past_key_values
    for place in (13, 14, 15):
        cache = copy.deepcopy(cache)
        logits = backbone.model(TEXT[:, place : place + 1], past_key_values=cache).logits[:, -1]
    return logits  # type: ignore[no-any-return]


def without_cache(backbone: Backbone) -> Tensor:
    for end in range(13, 17):
        logits = backbone.model(TEXT[:, :end], use_cache=False).logits[:, -1]
    return logits  # type: ignore[no-any-return]


def several_tokens_without_cache(backbone: Backbone) -> Tensor:
    backbone.model(TEXT[:, :13], use_cache=False)
    return backbone.model(TEXT, use_cache=False).logits[:, -1]  # type: ignore[no-any-return]


def cropped_cache(backbone: Backbone) -> Tensor:
    cache = backbone.model(TEXT[:, :13]).past_key_values
    cache.crop(-3)
    for place in range(10, 16):
        logits = backbone.model(TEXT[:, place : place + 1], past_key_values=cache).logits[:, -1]
    return logits  # type: ignore[no-any-return]


def single_tokens(backbone: Backbone) -> Tensor:
    cache = backbone.model(TEXT[:, :13]).past_key_values
    for place in (13, 14, 15):
        logits = backbone.model(TEXT[:, place : place + 1], past_key_values=cache).logits[:, -1]
    return logits  # type: ignore[no-any-return]


def two_prompts_in_turns(backbone: Backbone) -> Tensor:
    other = backbone.model(TEXT[:, 1:5]).past_key_values
    mine = backbone.model(TEXT[:, :13]).past_key_values
    for place in (13, 14, 15):
        backbone.model(TEXT[:, place : place + 1], past_key_values=other)
        logits = backbone.model(TEXT[:, place : place + 1], past_key_values=mine).logits[:, -1]
    return logits  # type: ignore[no-any-return]


UNTOLD = [chunks, token_by_token, drafts, copied_cache, without_cache, several_tokens_without_cache, cropped_cache]
TOLD = [single_tokens, two_prompts_in_turns]


def by_hand(backbone: Backbone, positions: Positions) -> Tensor:
    return oracle.forward(backbone, TEXT[0].tolist(), push(backbone, positions), 13)[0][-1:]


@torch.no_grad()
@pytest.mark.parametrize("positions", PARTIAL)
@pytest.mark.parametrize("loop", UNTOLD)
def test_a_loop_that_does_not_tell_the_prompt_is_refused_and_right_when_told(
    llama: Backbone, loop: Callable[[Backbone], Tensor], positions: Positions
) -> None:
    cell = push(llama, positions)
    with pytest.raises(SettingError, match="prompt_lengths"), steered(llama, [cell]):
        loop(llama)
    with steered(llama, [cell], [13]):
        found = loop(llama)
    torch.testing.assert_close(found, by_hand(llama, positions), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("loop", [*UNTOLD, *TOLD])
def test_positions_all_need_no_prompt(llama: Backbone, loop: Callable[[Backbone], Tensor]) -> None:
    with steered(llama, [push(llama, "all")]):
        found = loop(llama)
    torch.testing.assert_close(found, by_hand(llama, "all"), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("positions", PARTIAL)
@pytest.mark.parametrize("loop", TOLD)
def test_a_loop_of_single_tokens_behind_its_prompt_is_right_untold(
    llama: Backbone, loop: Callable[[Backbone], Tensor], positions: Positions
) -> None:
    with steered(llama, [push(llama, positions)]):
        found = loop(llama)
    torch.testing.assert_close(found, by_hand(llama, positions), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("positions", PARTIAL)
def test_a_cache_that_was_filled_outside_is_refused(llama: Backbone, positions: Positions) -> None:
    cache = llama.model(TEXT[:, :13]).past_key_values
    with pytest.raises(SettingError, match="outside of this steer context"), steered(llama, [push(llama, positions)]):
        llama.model(TEXT[:, 13:14], past_key_values=cache)


@torch.no_grad()
def test_a_mask_that_does_not_cover_the_cache_is_refused(llama: Backbone) -> None:
    with steered(llama, [push(llama, "all")]):
        cache = llama.model(TEXT[:, :13]).past_key_values
        with pytest.raises(SettingError, match="mask has 1 columns"):
            llama.model(TEXT[:, 13:14], past_key_values=cache, attention_mask=torch.ones(1, 1))


@torch.no_grad()
def test_the_first_token_of_packed_sequences_is_found_by_its_position(llama: Backbone) -> None:
    ids, places = TEXT[:, :8], torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3]])
    seen: list[Tensor] = []
    handle = llama.anatomy.layers[1].register_forward_hook(lambda m, a, output: seen.append(hidden_of(output)))
    try:
        llama.model(ids, position_ids=places)
        with steered(llama, [Intervention({1: random_directions(llama)[1]}, 0.8)]):
            llama.anatomy.layers[1]._forward_hooks.move_to_end(handle.id)  # look after the push
            llama.model(ids, position_ids=places)
    finally:
        handle.remove()
    assert (seen[0] != seen[1]).any(-1)[0].tolist() == [False, True, True, True] * 2


def test_what_runs_the_model_in_threads_of_its_own_is_refused(llama: Backbone) -> None:
    with steered(llama, [push(llama, "all")]), pytest.raises(SettingError, match="its own thread"):
        llama.model.generate_batch([PROMPT])
    assert not {"generate", "generate_batch"} & set(llama.model.__dict__)


@pytest.mark.parametrize("given", [[], [0], [-3], [2.5], [True]])
def test_prompt_lengths_that_no_prompt_has_are_refused(llama: Backbone, given: list[Any]) -> None:
    with (
        pytest.raises(SettingError, match="no lengths of prompts"),
        Model(llama).steer(vector_for(llama), layer=1, prompt_lengths=given),
    ):
        pass


@torch.no_grad()
def test_a_number_of_prompt_lengths_that_is_not_that_of_the_rows_is_refused(llama: Backbone) -> None:
    with (
        Model(llama).steer(vector_for(llama), layer=1, positions="prompt", prompt_lengths=[3, 4, 5]),
        pytest.raises(SettingError, match="2 rows, but 3 prompt lengths"),
    ):
        llama.model(TEXT[:, :12].reshape(2, 6))


@torch.no_grad()
def test_gradient_checkpointing_is_refused_for_it_runs_layers_outside_of_their_pass() -> None:
    backbone = wrap(tiny_model("llama"), tiny_tokenizer(), name="tiny")
    backbone.model.gradient_checkpointing_enable()
    backbone.model.train()
    with steered(backbone, [push(backbone, "all")]), pytest.raises(SettingError, match="gradient checkpointing"):
        backbone.model(TEXT)


SCORING: list[dict[str, Any]] = [
    {"labels": TEXT},  # a training loop
    {"logits_to_keep": 5},  # as trl scores completions
    {"logits_to_keep": torch.tensor([14, 15]), "use_cache": False},
]


@torch.no_grad()
@pytest.mark.parametrize("positions", PARTIAL)
@pytest.mark.parametrize("options", SCORING, ids=str)
def test_a_pass_that_scores_is_refused_and_right_when_its_prompt_is_told(
    llama: Backbone, options: dict[str, Any], positions: Positions
) -> None:
    cell = push(llama, positions)
    with pytest.raises(SettingError, match=r"scores its tokens.*prompt_lengths"), steered(llama, [cell]):
        llama.model(TEXT, **options)
    with steered(llama, [cell], [13]):
        found = llama.model(TEXT, **options).logits[:, -1]
    torch.testing.assert_close(found, by_hand(llama, positions), atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("options", [{}, *SCORING], ids=str)
def test_rows_of_a_scoring_loop_that_pads_on_the_right_are_right_at_all_positions(
    llama: Backbone, options: dict[str, Any]
) -> None:
    """As lm-eval scores contexts with continuations: without a mask, what fills a row up comes behind it."""
    ids = torch.cat([TEXT, torch.tensor([[*PROMPT[:4], *[0] * 12]])])
    if "labels" in options or torch.is_tensor(options.get("logits_to_keep")):
        ids = TEXT
    with steered(llama, [push(llama, "all")]):
        found = llama.model(ids, **options).logits
    torch.testing.assert_close(found[:1, -1], by_hand(llama, "all"), atol=1e-4, rtol=0)
    if len(ids) == 2 and not options:
        expected = oracle.forward(llama, PROMPT[:4], push(llama, "all"), 4)[0]
        torch.testing.assert_close(found[1, :4], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_pipeline_pushes_the_same_tokens(llama: Backbone, positions: Positions) -> None:
    from transformers import pipeline

    write = pipeline("text-generation", model=llama.model, tokenizer=llama.tokenizer, device="cpu")
    text = "a longer text, for a pipeline"
    options = {"max_new_tokens": NEW, "do_sample": False, "return_tensors": True, "eos_token_id": None}
    with steered(llama, [push(llama, positions)]):
        (found,) = write(text, **options)
    ids = llama.tokenizer(text)["input_ids"]
    expected = oracle.greedy(llama, ids, push(llama, positions), NEW)
    assert found["generated_token_ids"][len(ids) :] == expected
