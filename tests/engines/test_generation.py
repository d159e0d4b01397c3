"""Generation under steering: token for token what the whole sequence, run again for every token, would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

import oracle
from sweeps import make_cells, with_budget
from tiny import random_directions, random_pairs
from trimtab.engines import Request, TransformersEngine
from trimtab.engines.transformers.packing.batches import Query, pad
from trimtab.models import Backbone, encode
from trimtab.steering import Intervention, Positions, steered

NEW_TOKENS = 12
POSITIONS = ("all", "after_prompt", "prompt", "generated")
PROMPTS = [pair.positive[: pair.prompt_length] for pair in random_pairs(4)]
TEXTS = ["Hello there", "A much longer prompt, to be padded against", "Hm", "What is it?"]
END = 2


def continued(
    backbone: Backbone,
    prompts: Sequence[tuple[int, ...]],
    interventions: Sequence[Intervention | None],
    *,
    lengths: list[int] | None = None,
    **options: Any,
) -> list[list[int]]:
    """Greedy tokens under `steered`, by transformers' own generation over a left-padded batch."""
    batch = pad([Query((p,), (), len(p)) for p in prompts], lambda tokens, _: [False] * len(tokens), 0)
    with steered(backbone, interventions, lengths):
        output = backbone.model.generate(
            batch.ids,
            attention_mask=batch.padding,
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            pad_token_id=0,
            **options,
        )
    return [before_end(row) for row in output[:, batch.ids.shape[1] :].tolist()]


def before_end(tokens: list[int]) -> list[int]:
    return tokens[: tokens.index(END)] if END in tokens else tokens


def by_hand(backbone: Backbone, prompt: Sequence[int], intervention: Intervention | None) -> list[int]:
    return before_end(oracle.greedy(backbone, prompt, intervention, NEW_TOKENS, stop=END))


def said(
    engine: TransformersEngine, texts: Sequence[str], cells: Sequence[Intervention | None], **options: Any
) -> list[str]:
    requests = [
        Request(tuple(encode(engine.backbone.tokenizer, t)), c, NEW_TOKENS, **options)
        for t, c in zip(texts, cells, strict=True)
    ]
    replies = dict(engine.generate(requests))
    return [replies[i].text for i in range(len(texts))]


def push_at(backbone: Backbone, positions: Positions, layers: Sequence[int] = (1, 3)) -> Intervention:
    directions = random_directions(backbone, seed=5)
    return Intervention({layer: directions[layer] for layer in layers}, 0.5, "relative", positions)


@pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no cache"])
@pytest.mark.parametrize("positions", POSITIONS)
def test_with_and_without_cache_the_tokens_are_those_of_the_slow_loop(
    backbone: Backbone, positions: Positions, use_cache: bool
) -> None:
    cell = push_at(backbone, positions)
    for prompt in PROMPTS[1:3]:
        expected = by_hand(backbone, prompt, cell)
        assert continued(backbone, [prompt], [cell], use_cache=use_cache) == [expected]


def test_steering_changes_what_is_said(backbone: Backbone) -> None:
    """So that the comparisons above compare something."""
    plain = continued(backbone, PROMPTS, [None])
    for positions in POSITIONS:
        assert continued(backbone, PROMPTS, [push_at(backbone, positions)]) != plain


@pytest.mark.parametrize("positions", POSITIONS)
def test_each_row_of_a_left_padded_batch_is_steered_as_alone(backbone: Backbone, positions: Positions) -> None:
    cells = [push_at(backbone, positions), None, push_at(backbone, positions, [0]), push_at(backbone, positions, [3])]
    expected = [by_hand(backbone, prompt, cell) for prompt, cell in zip(PROMPTS, cells, strict=True)]
    assert continued(backbone, PROMPTS, cells) == expected


def test_rows_may_differ_in_positions_and_scale(llama: Backbone) -> None:
    raw = Intervention({2: 3 * random_directions(llama)[2]}, -1.0, "raw", "generated")
    cells = [push_at(llama, "prompt"), raw, push_at(llama, "after_prompt"), None]
    expected = [by_hand(llama, prompt, cell) for prompt, cell in zip(PROMPTS, cells, strict=True)]
    assert continued(llama, PROMPTS, cells) == expected


def test_prompt_lengths_may_be_given(llama: Backbone) -> None:
    cell, lengths = push_at(llama, "after_prompt"), [len(p) for p in PROMPTS]
    assert continued(llama, PROMPTS, [cell], lengths=lengths) == continued(llama, PROMPTS, [cell])


@pytest.mark.parametrize("positions", POSITIONS)
def test_engine_answers_equal_the_slow_loop_row_by_row(llama: Backbone, positions: Positions) -> None:
    cells = [push_at(llama, positions), None, push_at(llama, positions, [0]), push_at(llama, positions, [2])]
    answers = said(TransformersEngine(llama), TEXTS, cells)
    for text, cell, answer in zip(TEXTS, cells, answers, strict=True):
        tokens = by_hand(llama, encode(llama.tokenizer, text), cell)
        assert answer == llama.tokenizer.decode(tokens, skip_special_tokens=True).rstrip("\ufffd").strip()


@pytest.mark.parametrize("tokens", [1, 60, 1 << 20])
def test_any_budget_gives_the_same_answers_in_the_order_of_the_prompts(llama: Backbone, tokens: int) -> None:
    cells = make_cells(llama)[:4]
    expected = [said(TransformersEngine(llama), [t], [c])[0] for t, c in zip(TEXTS, cells, strict=True)]
    assert said(with_budget(llama, tokens=tokens), TEXTS, cells) == expected


def test_no_prompts_no_answers(llama: Backbone) -> None:
    assert said(TransformersEngine(llama), [], []) == []


def test_an_unsteered_request_after_a_steered_one_is_clean(backbone: Backbone) -> None:
    engine = TransformersEngine(backbone)
    before = said(engine, TEXTS, [None] * 4)
    said(engine, TEXTS, [push_at(backbone, "all")] * 4)
    assert said(engine, TEXTS, [None] * 4) == before


@pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no cache"])
def test_one_context_may_hold_several_generations(llama: Backbone, use_cache: bool) -> None:
    """The prompt is that of each generation, not that of the first."""
    cell, prompts, answers = push_at(llama, "after_prompt"), (PROMPTS[3], PROMPTS[0], PROMPTS[0], PROMPTS[2]), []
    options = {"max_new_tokens": NEW_TOKENS, "do_sample": False, "pad_token_id": 0, "use_cache": use_cache}
    with steered(llama, [cell]):
        for prompt in prompts:
            output = llama.model.generate(torch.tensor([prompt]), **options)
            answers.append(before_end(output[0, len(prompt) :].tolist()))
    assert answers == [by_hand(llama, prompt, cell) for prompt in prompts]


def test_answers_are_greedy_whatever_the_model_came_with(llama: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TransformersEngine(llama)
    expected = said(engine, TEXTS, [None] * 4)
    for name, value in {"do_sample": True, "temperature": 3.0, "repetition_penalty": 5.0, "top_k": 3}.items():
        monkeypatch.setattr(llama.model.generation_config, name, value)
    assert said(engine, TEXTS, [None] * 4) == expected
