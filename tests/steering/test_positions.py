"""Windows, listed tokens and phases of the reply: the same tokens, whichever way the model is run."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch

import oracle
from sweeps import TOLERANCE, hooked, padded, swept, with_budget
from tiny import random_directions, random_pairs, tiny, tiny_model, tiny_tokenizer, vector_for
from trimtab.engines import Model, Request, TransformersEngine
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.models import Backbone, EncodedPair, require_thinking_markers, wrap
from trimtab.steering import POSITIONS, Intervention, SteeringSetting, is_steered, parse_positions, steered
from trimtab.steering.phases import steered_tokens

WINDOWS = ("first:1", "first:3", "after:2", "tokens:3,-1", "tokens:2,12,16")
PHASES = ("thinking", "response")
NEW_TOKENS, END = 12, 2
PROMPTS = [tuple(pair.positive[: pair.prompt_length]) for pair in random_pairs(3)]


@functools.cache
def thinker(name: str) -> Backbone:
    """A tiny model whose unembedding writes the two markers often, at random."""
    tokenizer, model = tiny_tokenizer(), tiny_model(name)
    tokenizer.add_tokens(["<think>", "</think>"], special_tokens=True)
    with torch.no_grad():
        model.lm_head.weight[markers(tokenizer)] *= 2.5
    return wrap(model, tokenizer, name=f"thinker-{name}")


def markers(tokenizer: Any) -> list[int]:
    return [tokenizer.get_vocab()[text] for text in ("<think>", "</think>")]


def model_for(name: str, positions: str) -> Backbone:
    return thinker(name) if positions in PHASES else tiny(name)


def push(backbone: Backbone, positions: str, layers: tuple[int, ...] = (1,), **options: Any) -> Intervention:
    directions = random_directions(backbone, seed=4)
    return Intervention({layer: directions[layer] for layer in layers}, 0.8, "relative", positions, **options)


def cells(backbone: Backbone, positions: str) -> list[Intervention]:
    last = backbone.facts.layers - 1
    return [push(backbone, positions), push(backbone, positions, (0, last)), push(backbone, positions, (last,))]


def pairs_for(backbone: Backbone, positions: str) -> list[EncodedPair]:
    """Pairs of which those for phases have markers in their prompts, in their answers, or nowhere."""
    pairs = random_pairs(4)
    if positions not in PHASES:
        return pairs
    begin, end = markers(backbone.tokenizer)
    tails = [(begin, 7, 8, end, 9, 5), (7, begin, 8, 9), (begin, 7), (7, 8, 9)]
    found = []
    for index, pair in enumerate(pairs):
        prompt = (*pair.positive[: pair.prompt_length], *((begin,) if index == 1 else (begin, end) * (index == 2)))
        positive, negative = (*prompt, 6, *tails[index % 4]), (*prompt, 11, *tails[(index + 1) % 4])
        found.append(EncodedPair(pair.id, positive, negative, len(prompt), len(prompt)))
    return found


@pytest.mark.parametrize("family", ["llama", "qwen3_5"])
@pytest.mark.parametrize("positions", [*WINDOWS, *PHASES])
@pytest.mark.filterwarnings("error:.*cannot be swept in one pass")
def test_a_sweep_equals_hooks_and_the_slow_loop(family: str, positions: str) -> None:
    backbone = model_for(family, positions)
    engine, pairs, some = TransformersEngine(backbone), pairs_for(backbone, positions), cells(backbone, positions)
    table = swept(engine, pairs, some, "text")
    torch.testing.assert_close(table, hooked_alone(backbone, pairs, some), atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(table, swept(padded(backbone), pairs, some, "text"), atol=TOLERANCE, rtol=0)
    expected = torch.tensor([[oracle.score(backbone, pair, cell, "text") for pair in pairs] for cell in (None, *some)])
    torch.testing.assert_close(table, expected, atol=TOLERANCE, rtol=0)
    assert bool((table[1:3] != table[0]).any(1).all())


def hooked_alone(backbone: Backbone, pairs: list[EncodedPair], some: list[Intervention]) -> torch.Tensor:
    return hooked(TransformersEngine(backbone), pairs, some, "text")


def prompts_for(backbone: Backbone, positions: str) -> list[tuple[int, ...]]:
    if positions not in PHASES:
        return PROMPTS
    begin, end = markers(backbone.tokenizer)
    return [PROMPTS[0], (*PROMPTS[1], begin), (*PROMPTS[2], begin, end)]


@pytest.mark.parametrize("family", ["llama", "qwen3_5"])
@pytest.mark.parametrize("positions", [*WINDOWS, *PHASES])
def test_rows_written_side_by_side_equal_the_slow_loop(family: str, positions: str) -> None:
    backbone = model_for(family, positions)
    length = 16 if positions in PHASES else 6
    some = [*cells(backbone, positions)[:2], None, push(backbone, "all")]
    requests = [Request(p, cell, length) for p in prompts_for(backbone, positions) for cell in some]
    written = dict(with_budget(backbone, rows=5).generate(requests))
    seen: set[int] = set()
    texts = []
    for index, request in enumerate(requests):
        expected = oracle.greedy(backbone, request.prompt, request.intervention, length, stop=END)
        assert list(written[index].tokens) == [token for token in expected if token != END]
        texts.append(expected)
        seen |= set(expected)
    assert sum(texts[index] != texts[4 * (index // 4) + 2] for index in range(len(texts))) > 4
    assert positions not in PHASES or seen >= set(markers(backbone.tokenizer)), "no text thinks, so this shows nothing"


@pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no cache"])
@pytest.mark.parametrize("positions", [*WINDOWS, *PHASES])
def test_transformers_own_generate_pushes_the_same_tokens(positions: str, use_cache: bool) -> None:
    backbone = model_for("llama", positions)
    cell = push(backbone, positions)
    for prompt in prompts_for(backbone, positions)[:2]:
        with steered(backbone, [cell]):
            output = backbone.model.generate(
                torch.tensor([prompt]), max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0, use_cache=use_cache
            )
        assert output[0, len(prompt) :].tolist() == oracle.greedy(backbone, prompt, cell, NEW_TOKENS, stop=END)


@pytest.mark.parametrize("positions", ["first:2", "tokens:4,-1", "thinking"])
def test_a_left_padded_batch_and_a_chunked_prefill_push_the_same_tokens(positions: str) -> None:
    backbone = model_for("llama", positions)
    cell, prompts = push(backbone, positions), prompts_for(backbone, positions)[:2]
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    expected = [oracle.greedy(backbone, p, cell, 6, stop=END) for p in prompts]
    for options in ({}, {"prefill_chunk_size": 3}):
        with steered(backbone, [cell, cell]):
            output = backbone.model.generate(
                ids, attention_mask=mask, max_new_tokens=6, do_sample=False, pad_token_id=0, **options
            )
        for row, tokens in zip(output[:, width:].tolist(), expected, strict=True):
            assert row[: len(tokens)] == tokens


@pytest.mark.parametrize("positions", PHASES)
def test_passes_that_cannot_know_the_phase_are_refused(positions: str) -> None:
    backbone = thinker("llama")
    ids, cell = torch.tensor([PROMPTS[0], PROMPTS[0]]), push(backbone, positions)
    cache = backbone.model(ids[:1, :-2], use_cache=True).past_key_values
    with steered(backbone, [cell], [ids.shape[1]]):
        with pytest.raises(SettingError, match="run outside of this steer context"):
            backbone.model(ids[:1, -2:], past_key_values=cache)
        with pytest.raises(SettingError, match="beams exchange their texts"):
            backbone.model.generate(ids[:1], num_beams=2, max_new_tokens=2, pad_token_id=0)
        with pytest.raises(SettingError, match="embeddings instead of tokens"):
            backbone.model(inputs_embeds=backbone.model.get_input_embeddings()(ids[:1]))
        begun = backbone.model(ids, use_cache=True).past_key_values
        with pytest.raises(SettingError, match="several rows of a cache"):
            backbone.model(ids[:, :1], past_key_values=begun)


@pytest.mark.parametrize("positions", PHASES)
def test_a_loop_of_ones_own_with_a_cache_knows_the_phase(positions: str) -> None:
    backbone = thinker("llama")
    prompt = prompts_for(backbone, positions)[1]
    cell = push(backbone, positions)
    tokens, cache = list(prompt), None
    with torch.no_grad(), steered(backbone, [cell]):
        for _ in range(8):
            new = tokens if cache is None else tokens[-1:]
            output = backbone.model(torch.tensor([new]), past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            tokens.append(int(output.logits[0, -1].argmax()))
    assert tokens[len(prompt) :] == oracle.greedy(backbone, prompt, cell, 8)


def test_the_two_windows_part_after_prompt_and_the_two_phases_part_a_reply_that_thinks() -> None:
    place, length = torch.arange(30), torch.tensor(9)
    whole, first, behind = (is_steered(p, place, length) for p in ("after_prompt", "first:5", "after:5"))
    assert torch.equal(first | behind, whole)
    assert not bool((first & behind).any())
    backbone = thinker("llama")
    begin, end = markers(backbone.tokenizer)
    known = require_thinking_markers(backbone.tokenizer, "it")
    text = (1, 5, 6, begin, 7, 8, end, 9, 10)
    thinking, response = (steered_tokens(p, text, 4, False, known).nonzero().flatten().tolist() for p in PHASES)
    assert (thinking, response) == ([3, 4, 5], [6, 7, 8])


def test_a_model_without_thinking_is_refused_by_name() -> None:
    backbone = tiny("llama")
    cell = push(backbone, "thinking")
    with pytest.raises(SettingError, match="tiny-llama has no single tokens"):
        list(TransformersEngine(backbone).generate([Request(PROMPTS[0], cell, 3)]))
    with pytest.raises(SettingError, match="tiny-llama has no single tokens"):
        swept(TransformersEngine(backbone), random_pairs(2), [cell], "text")
    with pytest.raises(SettingError, match="tiny-llama has no single tokens"), steered(backbone, [cell]):
        pass


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("afterprompt", "did you mean 'after_prompt'"), ("firts:3", "did you mean 'first'"), ("first", "unknown"),
        ("first:0", "from 1 on"), ("after:0", "after_prompt pushes"), ("tokens:", "unknown"), ("tokens:1;2", "unknown"),
        ("first:N", "unknown"), ("first:99999999999", "unknown"), ("thinkin", "did you mean 'thinking'"),
    ],
)  # fmt: skip
def test_what_is_no_position_is_refused_with_what_was_meant(text: str, reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        parse_positions(text)


def test_equal_positions_are_written_in_one_way() -> None:
    assert parse_positions("tokens: 5,3,-1, 3,-2").text == "tokens:3,5,-2,-1"
    assert SteeringSetting(positions="first:03").positions == "first:3"
    assert [parse_positions(p).kind for p in POSITIONS if ":" not in p] == [p for p in POSITIONS if ":" not in p]


def test_the_first_token_by_number_needs_first_token() -> None:
    with pytest.raises(SettingError, match="pushed only with first_token"):
        SteeringSetting(positions="tokens:0,4")
    assert SteeringSetting(positions="tokens:0,4", first_token=True).first_token


def test_positions_that_no_text_has_are_said() -> None:
    backbone = tiny("llama")
    model, vector = Model(backbone), vector_for(backbone)
    for positions in ("tokens:400", "after:50"):
        said = pytest.warns(TrimtabWarning, match=f"at positions {positions} no text had a token")
        with said, model.steer(vector, layer=1, strength=1.0, positions=positions):
            model.generate(["Hello"], max_new_tokens=3)
    with pytest.raises(SettingError, match="steer no token"):
        swept(TransformersEngine(backbone), random_pairs(2), [push(backbone, "tokens:400")], "text")
