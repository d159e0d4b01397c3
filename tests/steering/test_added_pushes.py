"""Several pushes at one layer: those that add something are added up, wherever they come from and in any order."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from itertools import permutations

import pytest
import torch
from torch import Tensor

from sweeps import score_rows
from tiny import random_directions, random_pairs, tiny
from trimtab.engines import Model, Request
from trimtab.engines.transformers.engine import TransformersEngine
from trimtab.models import Backbone
from trimtab.steering import Gate, Intervention, push_each, steered

IDS = torch.tensor([[5, 6, 7, 8, 9, 10], [6, 7, 8, 9, 10, 11]])
PAIRS = random_pairs(3)
SHUT = -1e9
"""Bias of a gate that never opens."""


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny("llama")


@pytest.fixture(scope="module")
def pushes(backbone: Backbone) -> list[Intervention]:
    """Three at layer 2, one of them raw, each far enough that the order would show."""
    kinds = [("relative", 0.6), ("raw", 2.0), ("relative", -0.5)]
    return [
        Intervention({2: random_directions(backbone, seed=seed)[2]}, strength, scale)
        for seed, (scale, strength) in enumerate(kinds)
    ]


def whole(pushes: tuple[Intervention, ...] | list[Intervention]) -> Intervention:
    first, *rest = pushes
    for one in rest:
        first = first.and_also(one)
    return first


@torch.no_grad()
def logits(backbone: Backbone, *contexts: list[Intervention | None]) -> Tensor:
    with ExitStack() as stack:
        for cells in contexts:
            stack.enter_context(steered(backbone, cells))
        found: Tensor = backbone.model(IDS).logits
        return found


def test_they_are_measured_on_the_state_before_the_first_of_them(pushes: list[Intervention]) -> None:
    state = torch.randn(4, len(pushes[0].directions[2]))
    length = state.norm(dim=-1, keepdim=True)
    wanted = state.clone()
    for one in pushes:
        v = one.directions[2]
        wanted += one.strength * (v if one.scale == "raw" else length * v / v.norm())
    marks = torch.tensor([True, True, True, False])
    wanted[3] = state[3]
    for order in permutations(pushes):
        found = push_each(state, whole(order).aims(2), marks)
        torch.testing.assert_close(found, wanted)
        assert torch.equal(found[3], state[3])


def test_one_intervention_contexts_in_one_another_and_any_order_give_the_same_logits(
    backbone: Backbone, pushes: list[Intervention]
) -> None:
    plain, together = logits(backbone), logits(backbone, [whole(pushes)])
    assert float((plain - together).abs().max()) > 0.1
    for order in permutations(pushes):
        first, second, third = order
        for contexts in ([whole(order)],), ([first], [second], [third]), ([first], [whole((second, third))]):
            torch.testing.assert_close(logits(backbone, *contexts), together, atol=1e-4, rtol=0)


def test_contexts_with_a_push_for_each_row_add_up_row_by_row(backbone: Backbone, pushes: list[Intervention]) -> None:
    first, second, third = pushes
    found = logits(backbone, [first, None], [second, third], [third])
    torch.testing.assert_close(found[0], logits(backbone, [whole(pushes)])[0], atol=1e-4, rtol=0)
    twice = replace(third, strength=2 * third.strength)
    torch.testing.assert_close(found[1], logits(backbone, [twice])[1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("scale", ["raw", "relative"])
def test_a_push_and_its_opposite_cancel_each_other(backbone: Backbone, pushes: list[Intervention], scale: str) -> None:
    one = replace(pushes[0], scale=scale)
    other, plain = replace(one, strength=-one.strength), logits(backbone)
    for contexts in ([one.and_also(other)],), ([one], [other]):
        torch.testing.assert_close(logits(backbone, *contexts), plain, atol=1e-4, rtol=0)


def test_what_is_written_under_contexts_in_one_another_and_under_one_push_is_the_same(
    backbone: Backbone, pushes: list[Intervention]
) -> None:
    """Rows with several pushes, with one and with none are written side by side, each token by token."""
    model = Model(backbone)
    first, second, third = pushes
    cells = [whole(order) for order in permutations(pushes)]
    beside = [None, first, whole((second, first)), first, third, None]
    requests = [Request((5, 6, 7), cell, 12) for pair in zip(cells, beside, strict=True) for cell in pair]
    written = [reply.tokens for _, reply in sorted(dict(model.replies(requests)).items())]
    assert len({tuple(tokens) for tokens in written[::2]}) == 1, "the order does not matter"
    for request, tokens in zip(requests, written, strict=True):
        (alone,) = dict(model.replies([request])).values()
        assert alone.tokens == tokens
    with torch.no_grad(), steered(backbone, [first]), steered(backbone, [second]), steered(backbone, [third]):
        ids = backbone.model.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=12, do_sample=False, pad_token_id=0)
    assert ids[0, 3:].tolist()[: len(written[0])] == list(written[0])


def test_a_sweep_scores_them_as_rows_do(backbone: Backbone, pushes: list[Intervention]) -> None:
    model = Model(backbone)
    assert isinstance(model.engine, TransformersEngine)
    cells = [whole(order) for order in permutations(pushes)][:2]
    scores = torch.cat([one.scores for one in model.score(PAIRS, cells, "text")], dim=1)
    torch.testing.assert_close(scores[1], scores[2], atol=1e-4, rtol=0)
    for row, cell in enumerate(cells, start=1):
        alone = score_rows(model.engine, PAIRS, [cell] * len(PAIRS), "text")
        torch.testing.assert_close(scores[row], alone, atol=1e-4, rtol=0)


def test_a_gate_that_stays_shut_between_them_changes_nothing(backbone: Backbone, pushes: list[Intervention]) -> None:
    first, second, third = pushes
    weight = random_directions(backbone)[2]
    shut = replace(second, gate=Gate({2: weight}, {2: SHUT}, threshold=0.5))
    wanted = logits(backbone, [whole((first, third))])
    torch.testing.assert_close(logits(backbone, [whole((first, shut, third))]), wanted, atol=1e-4, rtol=0)
    opened = replace(second, gate=Gate({2: weight}, {2: -SHUT}, threshold=0.5))
    wanted = logits(backbone, [whole(pushes)])
    torch.testing.assert_close(logits(backbone, [whole((first, opened, third))]), wanted, atol=1e-4, rtol=0)


def test_a_projection_between_them_acts_on_what_is_there_and_so_does_what_follows(pushes: list[Intervention]) -> None:
    first, _, third = pushes
    state = torch.randn(3, len(first.directions[2]))
    everywhere = torch.ones(3, dtype=torch.bool)
    clamp = Intervention(first.directions, 0.3, "clamp")

    def one_by_one(*parts: Intervention) -> Tensor:
        found = state
        for part in parts:
            found = push_each(found, part.aims(2), everywhere)
        return found

    found = push_each(state, whole((first, clamp, third)).aims(2), everywhere)
    torch.testing.assert_close(found, one_by_one(first, clamp, third))
    assert not torch.allclose(found, push_each(state, whole((first, third, clamp)).aims(2), everywhere), atol=1e-3)
