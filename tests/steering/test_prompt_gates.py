"""Gates on the prompt: a text is pushed throughout, or not at all, by what the unsteered model makes of its prompt."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

import oracle
from sweeps import TOLERANCE
from tiny import random_directions, random_pairs, tiny, vector_for
from trimtab.engines import Model, Request
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.models import Backbone, Text
from trimtab.steering import Gate, Intervention, PromptGate, steered, steering

LAYER, NEW_TOKENS, END = 2, 6, 2
PAIRS = random_pairs(5)
PROMPTS = [tuple(pair.positive[: pair.prompt_length]) for pair in PAIRS]


@pytest.fixture(params=["llama", "qwen3_5"])
def model(request: pytest.FixtureRequest) -> Model:
    return Model(tiny(request.param))


def reading(backbone: Backbone, prompt: tuple[int, ...], read: str) -> Tensor:
    """The state that a gate reads, by a plain pass."""
    states = oracle.forward(backbone, prompt)[1][LAYER, 1:]
    return states[-1] if read == "last" else states.mean(0)


def half_open(backbone: Backbone, read: str = "mean") -> tuple[PromptGate, list[bool]]:
    """A gate that some of the prompts open, and which."""
    axis = random_directions(backbone, seed=5)[LAYER]
    along = sorted(float(reading(backbone, prompt, read) @ axis / axis.norm()) for prompt in PROMPTS)
    threshold = (along[2] + along[1]) / 2
    said = [float(reading(backbone, prompt, read) @ axis / axis.norm()) > threshold for prompt in PROMPTS]
    return PromptGate.along(axis, LAYER, threshold, read=read), said  # type: ignore[arg-type]


def push(backbone: Backbone, gate: Gate | PromptGate | None, positions: str = "all", layer: int = 1) -> Intervention:
    directions = random_directions(backbone, seed=4)
    return Intervention({layer: directions[layer]}, 0.8, "relative", positions, gate=gate)


@pytest.mark.parametrize("read", ["mean", "last"])
def test_it_opens_where_a_plain_pass_says_so(model: Model, read: str) -> None:
    gate, said = half_open(model.backbone, read)  # type: ignore[arg-type]
    assert set(said) == {True, False}
    written = dict(model.replies([Request(prompt, push(model.backbone, gate), NEW_TOKENS) for prompt in PROMPTS]))  # type: ignore[arg-type]
    for index, prompt in enumerate(PROMPTS):
        cell = push(model.backbone, None) if said[index] else None  # type: ignore[arg-type]
        expected = oracle.greedy(model.backbone, prompt, cell, NEW_TOKENS, stop=END)  # type: ignore[arg-type]
        assert list(written[index].tokens) == [token for token in expected if token != END]


def test_rows_beside_it_keep_their_own_pushes_and_what_goes_with_it_is_decided_by_itself(llama: Backbone) -> None:
    gate, said = half_open(llama)
    free, other = push(llama, None, layer=3), push(llama, gate)
    cells = [other, free.and_also(other), other.and_also(free), None]
    requests = [Request(prompt, cell, NEW_TOKENS) for prompt in PROMPTS for cell in cells]
    written = dict(Model(llama).replies(requests))
    plain = push(llama, None)
    for index, request in enumerate(requests):
        opens = said[index // 4]
        expected = [
            [plain if opens else None, free.and_also(plain) if opens else free, plain.and_also(free) if opens else free]
        ][0] + [None]
        tokens = oracle.greedy(llama, request.prompt, expected[index % 4], NEW_TOKENS, stop=END)
        assert list(written[index].tokens) == [token for token in tokens if token != END]


@pytest.mark.parametrize("positions", ["all", "after_prompt"])
def test_a_sweep_has_the_unsteered_score_where_it_is_shut(model: Model, positions: str) -> None:
    backbone: Backbone = model.backbone  # type: ignore[assignment]
    gate, said = half_open(backbone)
    cells = [push(backbone, gate, positions), push(backbone, None, positions, 3), push(backbone, gate, positions, 2)]
    table = torch.full((4, len(PAIRS)), torch.nan)
    for scored in model.score(PAIRS, cells, "text"):
        table[:, scored.indices] = scored.scores
    free = [push(backbone, None, positions), cells[1], push(backbone, None, positions, 2)]
    expected = torch.tensor(
        [
            [
                oracle.score(backbone, pair, cell if said[i] or cell is cells[1] else None, "text")
                for i, pair in enumerate(PAIRS)
            ]
            for cell in (None, *free)
        ]
    )
    torch.testing.assert_close(table, expected, atol=TOLERANCE, rtol=0)


def test_given_texts_are_as_likely_as_unsteered_where_it_is_shut(llama: Backbone) -> None:
    gate, said = half_open(llama)
    model, texts = Model(llama), [Text(pair.positive, pair.prompt_length) for pair in PAIRS]
    gated, free = ([push(llama, one)] for one in (gate, None))
    tables = []
    for cells in (gated, free):
        log_prob, apart = torch.zeros(2, len(texts)), torch.zeros(1, len(texts))
        for found in model.score_texts(texts, cells):
            log_prob[:, found.indices], apart[:, found.indices] = found.log_prob, found.divergence
        tables.append((log_prob, apart))
    opened = torch.tensor(said)
    torch.testing.assert_close(tables[0][0][1], torch.where(opened, *tables[1][0].flip(0)), atol=1e-5, rtol=0)
    torch.testing.assert_close(tables[0][1][0], torch.where(opened, tables[1][1][0], 0.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no cache"])
def test_transformers_own_generate_is_decided_by_its_prompts(llama: Backbone, use_cache: bool) -> None:
    gate, said = half_open(llama)
    width = max(map(len, PROMPTS))
    ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in PROMPTS])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in PROMPTS])
    with steered(llama, [push(llama, gate)]):
        output = llama.model.generate(
            ids, attention_mask=mask, max_new_tokens=4, do_sample=False, pad_token_id=0, use_cache=use_cache
        )
    for row, prompt, opens in zip(output[:, width:].tolist(), PROMPTS, said, strict=True):
        expected = oracle.greedy(llama, prompt, push(llama, None) if opens else None, 4, stop=END)
        assert row[: len(expected)] == expected


def test_a_push_below_the_layer_that_is_read_and_a_context_around_change_no_decision(llama: Backbone) -> None:
    gate, said = half_open(llama)
    around = push(llama, None, layer=0)
    for prompt, opens in zip(PROMPTS, said, strict=True):
        both = around.and_also(push(llama, None)) if opens else around
        with torch.no_grad(), steered(llama, [around]), steered(llama, [push(llama, gate)]):
            found = llama.model(torch.tensor([prompt])).logits[0]
        torch.testing.assert_close(found, oracle.forward(llama, prompt, both)[0], atol=TOLERANCE, rtol=0)


def test_passes_that_do_not_hold_the_whole_prompt_are_refused(llama: Backbone) -> None:
    gate, _ = half_open(llama)
    ids = torch.tensor([PROMPTS[3]])
    cache = llama.model(ids[:, :-1], use_cache=True).past_key_values
    with steered(llama, [push(llama, gate)], [ids.shape[1]]):
        with pytest.raises(SettingError, match="holds only a part of it"):
            llama.model(ids[:, :4], use_cache=True)
        with pytest.raises(SettingError, match="filled elsewhere"):
            llama.model(ids[:, -1:], past_key_values=cache)
        with pytest.raises(SettingError, match="brings embeddings"):
            llama.model(inputs_embeds=llama.model.get_input_embeddings()(ids))
        llama.model(ids)


def test_a_gate_that_opens_for_nobody_is_said(llama: Backbone) -> None:
    model, vector = Model(llama), vector_for(llama)
    shut = PromptGate.along(torch.ones(llama.facts.width), LAYER, 1e6)
    plain = model.generate(["Hello there"], max_new_tokens=4)
    with pytest.warns(TrimtabWarning, match="opened for none of 1 prompt"), model.steer(vector, layer=1, gate=shut):
        assert model.generate(["Hello there"], max_new_tokens=4) == plain
    with pytest.warns(TrimtabWarning, match="opened for none of 1 prompts"), model.steer(vector, layer=1, gate=shut):
        llama.model(torch.tensor([PROMPTS[0]]))
    wide = PromptGate.along(torch.ones(llama.facts.width), LAYER, -1e6)
    assert [model.opened(gate, ["Hello", "You"])[0] for gate in (wide, shut)] == [True, False]


def test_what_cannot_be_decided_is_refused(llama: Backbone) -> None:
    model, gate = Model(llama), half_open(llama)[0]
    beyond = PromptGate(9, gate.weight, 0.0)
    with pytest.raises(SettingError, match="layer 9 is out of range"):
        dict(model.replies([Request(PROMPTS[0], push(llama, beyond), 2)]))
    with pytest.raises(SettingError, match="only one token"):
        dict(model.replies([Request((5,), push(llama, gate), 2)]))
    with pytest.raises(SettingError, match="5 wide, the direction 48"):
        steering(vector_for(llama), 1, 1.0, gate=PromptGate(1, torch.ones(5), 0.0))
    with pytest.raises(SettingError, match="by the methods of"):
        dict(model.engine.generate([Request(PROMPTS[0], push(llama, gate), 2)]))
    with pytest.raises(SettingError, match="mean or last"):
        PromptGate(1, torch.ones(5), 0.0, "first")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="is zero"):
        PromptGate.along(torch.zeros(5), 1, 0.0)
    assert "tensor" not in repr(copy.copy(gate))
