"""Gates: a push goes only to the tokens whose own state opens them, whichever way the model is run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import oracle
from sweeps import TOLERANCE, hooked, make_cells, padded, swept
from tiny import random_directions, random_pairs, vector_for
from trimtab.engines import Model, Request, TransformersEngine
from trimtab.errors import SettingError
from trimtab.models import Backbone, encode, hidden_of
from trimtab.steering import SCALES, Aim, Condition, Gate, Intervention, Positions, push_each, steered, steering

POSITIONS = ("all", "after_prompt", "prompt", "generated")
NEW_TOKENS = 10
END = 2
TEXTS = ["Hello there", "A much longer prompt, to be padded against", "Hm"]
IDS = torch.tensor([pair.positive[:10] for pair in (*random_pairs(1), *random_pairs(1, seed=1))])


def gate_for(backbone: Backbone, threshold: float = 0.5, seed: int = 7) -> Gate:
    """Random probes: at about half of the tokens they open."""
    directions = random_directions(backbone, seed)
    return Gate(dict(enumerate(directions)), dict.fromkeys(range(len(directions)), 0.1), threshold)


def gated(backbone: Backbone, cells: Sequence[Intervention], gate: Gate | None = None) -> list[Intervention]:
    """The same cells behind a gate, what they push together included."""
    gate = gate or gate_for(backbone)
    return [
        replace(cell, gate=gate, also=replace(cell.also, gate=gate_for(backbone, seed=8)) if cell.also else None)
        for cell in cells
    ]


@torch.no_grad()
def logits(backbone: Backbone) -> Tensor:
    found: Tensor = backbone.model(IDS).logits
    return found


@torch.no_grad()
def by_hand(
    backbone: Backbone, tokens: Sequence[int], cell: Intervention, prompt_length: int
) -> tuple[Tensor, set[bool]]:
    """Logits of one row without a cache, every token of every layer decided and pushed for itself; what gates said."""
    layer_of = {id(module): layer for layer, module in enumerate(backbone.anatomy.layers)}
    said: set[bool] = set()

    def steer(module: object, args: object, output: object) -> object:
        layer = layer_of[id(module)]
        hidden = hidden_of(output).clone()
        before = hidden.clone()
        here = [one for one in cell.parts() if layer in one.directions]
        for position in range(len(tokens) if here else 0):
            if not oracle.is_pushed(cell, position, prompt_length):
                continue
            opened = []
            for push in here:
                assert isinstance(push.gate, Gate)
                logit = float(before[0, position] @ push.gate.weight[layer]) + push.gate.bias[layer]
                opens = 1 / (1 + math.exp(-logit)) > push.gate.threshold
                said.add(opens)
                opened += [push] if opens else []
            hidden[0, position] = oracle.pushed_by_all(hidden[0, position], layer, opened)
        return hidden if torch.is_tensor(output) else (hidden, *output[1:])  # type: ignore[index]

    handles = [module.register_forward_hook(steer) for module in backbone.anatomy.layers]
    try:
        return backbone.model(torch.tensor([list(tokens)]), use_cache=False).logits[0], said
    finally:
        for handle in handles:
            handle.remove()


def greedy_by_hand(backbone: Backbone, prompt: Sequence[int], cell: Intervention) -> list[int]:
    tokens = list(prompt)
    for _ in range(NEW_TOKENS):
        tokens.append(int(by_hand(backbone, tokens, cell, len(prompt))[0][-1].argmax()))
        if tokens[-1] == END:
            return tokens[len(prompt) : -1]
    return tokens[len(prompt) :]


def test_only_tokens_above_the_threshold_are_pushed() -> None:
    hidden = torch.tensor([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    # Probability 0.8 is a logit of log 4 = 1.386.
    condition = Gate({5: torch.tensor([1.0, 0.0])}, {5: -1.0}, 0.8).condition(5)
    pushed = push_each(
        hidden, [Aim(torch.tensor([0.0, 1.0]), 2.0, SCALES.get("raw"), condition)], torch.ones(3, dtype=torch.bool)
    )
    assert pushed.tolist() == [[1.0, 0.0], [2.0, 0.0], [3.0, 2.0]]


def test_a_token_at_the_threshold_is_not_pushed() -> None:
    assert Condition(torch.tensor([1.0]), -2.0).holds(torch.tensor([[2.0], [2.001]])).tolist() == [False, True]


def test_the_second_push_at_a_layer_is_decided_on_the_state_before_the_first() -> None:
    condition = Condition(torch.tensor([1.0, 0.0]), -0.5)
    aims = [
        Aim(torch.tensor([-9.0, 0.0]), 1.0, SCALES.get("raw"), condition),
        Aim(torch.tensor([0.0, 1.0]), 1.0, SCALES.get("raw"), condition),
    ]
    pushed = push_each(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), aims, torch.ones(2, dtype=torch.bool))
    assert pushed.tolist() == [[-8.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("positions", POSITIONS)
def test_hooks_equal_every_token_decided_for_itself(backbone: Backbone, positions: Positions) -> None:
    said: set[bool] = set()
    pair = random_pairs(2)[1]
    cells = gated(backbone, make_cells(backbone, positions))
    for cell in (cells[3], cells[4], *cells[10:]):
        expected, answers = by_hand(backbone, pair.positive, cell, pair.prompt_length)
        said |= answers
        with torch.no_grad(), steered(backbone, [cell], [pair.prompt_length]):
            found = backbone.model(torch.tensor([pair.positive])).logits[0]
        torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)
    assert said == {True, False}, "the gate must open for some tokens only, or this shows nothing"


@pytest.mark.parametrize("positions", ["all", "after_prompt"])
def test_the_sweep_equals_hooks_behind_a_gate(backbone: Backbone, positions: Positions) -> None:
    engine, pairs = TransformersEngine(backbone), random_pairs()
    cells = gated(backbone, make_cells(backbone, positions))
    table = swept(engine, pairs, cells, "text")
    torch.testing.assert_close(table, hooked(engine, pairs, cells, "text"), atol=TOLERANCE, rtol=0)
    assert not torch.allclose(table, swept(engine, pairs, make_cells(backbone, positions), "text"), atol=0.01)


def test_packed_trees_equal_padded_rows_behind_a_gate(llama: Backbone) -> None:
    cells = gated(llama, make_cells(llama))
    table = swept(TransformersEngine(llama), random_pairs(), cells, "text")
    torch.testing.assert_close(table, swept(padded(llama), random_pairs(), cells, "text"), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("positions", POSITIONS)
def test_rows_written_side_by_side_equal_the_slow_loop(llama: Backbone, positions: Positions) -> None:
    every = make_cells(llama, positions)
    cells = gated(llama, [every[3], every[12], every[13]])
    requests = [
        Request(tuple(encode(llama.tokenizer, text)), cell, NEW_TOKENS)
        for text, cell in zip((*TEXTS, TEXTS[0]), (*cells, every[3]), strict=True)
    ]
    replies = dict(TransformersEngine(llama).generate(requests))
    for index, cell in enumerate(cells):
        assert list(replies[index].tokens) == greedy_by_hand(llama, requests[index].prompt, cell)
    expected = oracle.greedy(llama, requests[3].prompt, every[3], NEW_TOKENS, stop=END)
    assert list(replies[3].tokens) == [token for token in expected if token != END]  # its neighbours' gates are theirs


@pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no cache"])
def test_with_and_without_cache_the_tokens_are_the_same(backbone: Backbone, use_cache: bool) -> None:
    cell = gated(backbone, [make_cells(backbone, "generated")[5]])[0]
    prompt = random_pairs(2)[1].positive
    with steered(backbone, [cell]):
        output = backbone.model.generate(
            torch.tensor([prompt]), max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=0, use_cache=use_cache
        )
    tokens = output[0, len(prompt) :].tolist()
    assert tokens[: tokens.index(END) if END in tokens else None] == greedy_by_hand(backbone, prompt, cell)


def test_strength_zero_behind_a_gate_is_bit_identical_to_no_hook(backbone: Backbone) -> None:
    plain = logits(backbone)
    for cell in gated(backbone, [replace(cell, strength=0.0) for cell in make_cells(backbone)[:12]]):
        with steered(backbone, [cell]):
            assert torch.equal(logits(backbone), plain)


def test_a_gate_that_never_opens_is_bit_identical_to_no_hook(backbone: Backbone) -> None:
    plain = logits(backbone)
    for cell in gated(backbone, make_cells(backbone)[:13], gate_for(backbone, 1.0)):
        with steered(backbone, [cell]):
            assert torch.equal(logits(backbone), plain)


def test_a_gate_that_always_opens_is_bit_identical_to_no_gate(backbone: Backbone) -> None:
    cells = make_cells(backbone)[:13]
    for free, cell in zip(cells, gated(backbone, cells, gate_for(backbone, 0.0)), strict=True):
        with steered(backbone, [free]):
            expected = logits(backbone)
        with steered(backbone, [cell]):
            assert torch.equal(logits(backbone), expected)


def test_contexts_in_one_another_look_at_the_same_state_as_one_push_with_another(llama: Backbone) -> None:
    """The first push would open the second gate: at its layer neither may see the other."""
    axis = random_directions(llama)[1]
    first = Intervention({1: axis}, 5.0, "relative", gate=gate_for(llama, 0.0))
    second = Intervention({1: random_directions(llama)[2]}, 3.0, gate=Gate({1: axis}, {1: -3.0}))
    for one, other in ((first, second), (second, first)):
        with steered(llama, [one.and_also(other)]):
            together = logits(llama)
        with steered(llama, [one]), steered(llama, [other]):
            assert torch.equal(logits(llama), together)


def test_a_models_own_context_takes_a_gate_for_all_it_says(llama: Backbone) -> None:
    model, vector = Model(llama), vector_for(llama)
    plain = model.generate(TEXTS, max_new_tokens=NEW_TOKENS)
    free = model.generate(TEXTS, interventions=[steering(vector, [1, 2], 2.0)] * 3, max_new_tokens=NEW_TOKENS)
    assert free != plain
    for threshold, expected in ((1.0, plain), (0.0, free)):
        with model.steer(vector, layer=[1, 2], strength=2.0, gate=gate_for(llama, threshold)):
            assert model.generate(TEXTS, max_new_tokens=NEW_TOKENS) == expected
    assert model.generate(TEXTS, max_new_tokens=NEW_TOKENS) == plain


def test_a_gate_without_a_probe_at_a_pushed_layer_is_refused(llama: Backbone) -> None:
    gate = Gate({1: torch.ones(llama.facts.width)}, {1: 0.0})
    with pytest.raises(SettingError, match="no probe at layer 2"):
        steering(vector_for(llama), [1, 2], 1.0, gate=gate)


def test_a_gate_of_another_width_is_refused(llama: Backbone) -> None:
    with pytest.raises(SettingError, match="5 wide, the direction 48"):
        steering(vector_for(llama), 1, 1.0, gate=Gate({1: torch.ones(5)}, {1: 0.0}))


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_a_threshold_that_is_no_probability_is_refused(threshold: float) -> None:
    with pytest.raises(SettingError, match="not a probability"):
        Gate({0: torch.ones(2)}, {0: 0.0}, threshold)


def test_probes_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(SettingError, match="weight and a bias"):
        Gate({0: torch.ones(2)}, {1: 0.0})
    for weight, bias in ((torch.tensor([1.0, math.nan]), 0.0), (torch.ones(2), math.inf), (torch.ones(2, 2), 0.0)):
        with pytest.raises(SettingError, match="layer 0 is not a direction"):
            Gate({0: weight}, {0: bias})
