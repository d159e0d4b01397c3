"""Beginnings of earlier texts: a later text that begins alike, pushed alike, does not run them again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from tiny import random_directions, tiny, tiny_model, tiny_tokenizer
from trimtab.engines import Request, TransformersEngine
from trimtab.engines.requests import Writing
from trimtab.engines.transformers.writing._prefix_store import MAX_TEXTS, PrefixStore
from trimtab.models import Backbone, wrap
from trimtab.steering import Gate, Intervention

SYSTEM = tuple(range(20, 60))
"""What every conversation begins with: 40 tokens."""


@pytest.fixture(params=["llama", "gemma3", "gpt2"])
def engine(request: pytest.FixtureRequest) -> TransformersEngine:
    """Rotary positions, sliding windows, learned positions."""
    return TransformersEngine(tiny(request.param))


@contextmanager
def tokens_run(backbone: Backbone) -> Iterator[list[int]]:
    """Tokens of each pass while a context lasts, padding included."""
    found: list[int] = []

    def note(module: Any, args: Any, kwargs: Any) -> None:
        found.append((args[0] if args else kwargs["hidden_states"]).shape[:2].numel())

    handle = backbone.anatomy.layers[0].register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield found
    finally:
        handle.remove()


def written(writer: Any, *requests: Request) -> list[Writing]:
    keys = [writer.add(request) for request in requests]
    texts: dict[int, Writing] = {}
    while writer.rows:
        texts |= dict(writer.step())
    return [texts[key] for key in keys]


def alone(engine: TransformersEngine, request: Request) -> tuple[int, ...]:
    ((_, reply),) = engine.generate([request])
    return reply.tokens


def cell(backbone: Backbone, positions: str, *, seed: int = 0, gate: Gate | None = None) -> Intervention:
    return Intervention({1: random_directions(backbone, seed)[1]}, 0.8, "raw", positions, gate=gate)


POSITIONS = (None, "all", "after_prompt", "prompt", "generated", "first:2", "tokens:3,30")


@pytest.mark.parametrize("positions", POSITIONS)
def test_each_turn_of_a_conversation_is_what_it_is_without_the_turns_before(
    engine: TransformersEngine, positions: str | None
) -> None:
    writer = engine.writer(lasting=True)
    push = cell(engine.backbone, positions) if positions else None
    prompt = SYSTEM
    for turn in range(3):
        request = Request(prompt, push, 20)
        with tokens_run(engine.backbone) as passes:
            (text,) = written(writer, request)
        assert tuple(text.tokens) == alone(engine, request)
        if turn and positions in (None, "all"):
            assert passes[0] < 50, "the turns before were run again"
        prompt = (*prompt, *text.tokens, *range(200 + turn, 215 + turn))


def test_what_all_prompts_begin_with_runs_once(engine: TransformersEngine) -> None:
    writer = engine.writer(lasting=True)
    push, gated = (
        cell(engine.backbone, "all", gate=gate)
        for gate in (None, Gate({1: random_directions(engine.backbone)[2]}, {1: 0.0}, 0.5))
    )
    pushes = (None, push, gated)
    written(writer, *(Request((*SYSTEM, 100), one, 4) for one in pushes))
    requests = [Request((*SYSTEM, 110 + i, 120 + i), one, 4) for i in range(4) for one in pushes]
    with tokens_run(engine.backbone) as passes:
        texts = written(writer, *requests)
    assert [tuple(text.tokens) for text in texts] == [alone(engine, request) for request in requests]
    # One pass over what is not held, the same length of each prompt, and then one token of each a pass.
    assert passes[0] == 12 * 10
    assert len(passes) <= 1 + 3


def test_in_16_bits_a_prompt_that_comes_again_is_run_in_the_same_way() -> None:
    backbone = wrap(tiny_model("llama").to(torch.bfloat16), tiny_tokenizer(), name="half")
    writer = TransformersEngine(backbone).writer(lasting=True)
    with tokens_run(backbone) as passes:
        first, again = (written(writer, Request(SYSTEM, None, 4))[0] for _ in range(2))
    assert passes.count(len(SYSTEM)) == 2
    assert first.tokens == again.tokens


def test_a_beginning_under_another_push_is_not_taken(engine: TransformersEngine) -> None:
    backbone = engine.backbone
    writer = engine.writer(lasting=True)
    written(writer, Request(SYSTEM, cell(backbone, "all"), 4), Request(SYSTEM, cell(backbone, "prompt"), 4))
    for push in (None, cell(backbone, "all", seed=1), cell(backbone, "generated"), cell(backbone, "tokens:20")):
        request = Request((*SYSTEM, 7), push, 8)
        assert [tuple(text.tokens) for text in written(writer, request)] == [alone(engine, request)]


def test_only_tokens_that_were_pushed_alike_are_shared(llama: Backbone) -> None:
    store = PrefixStore(llama, 1 << 30)
    push = cell(llama, "generated")
    parts = [(torch.zeros(2, 50, 12), torch.zeros(2, 50, 12))] * 4
    store.add(Request(SYSTEM[:32], push, 30), (*SYSTEM, *range(100, 110)), parts)

    def shared(prompt: tuple[int, ...], one: Intervention | None) -> int:
        (found,) = store.beginnings_of([Request(prompt, one)])
        return found.length if found is not None else 0

    longer = (*SYSTEM, *range(100, 130))
    # Its tokens from 32 on were pushed: in a prompt they are not.
    for one in (None, push, cell(llama, "generated", seed=1), cell(llama, "after_prompt")):
        assert shared(longer, one) == 32
    assert shared(longer, cell(llama, "all")) == 0
    assert shared(SYSTEM[:32], None) == 16  # the last token has to be run
    assert shared((*SYSTEM[:20], 5, *SYSTEM[20:]), None) == 16
    assert shared((5, *SYSTEM), None) == 0
    assert shared((5,), None) == 0


def test_a_push_that_is_gone_is_not_taken_for_another_at_its_place_in_memory(llama: Backbone) -> None:
    store = PrefixStore(llama, 1 << 30)
    parts = [(torch.zeros(2, 40, 12), torch.zeros(2, 40, 12))]
    store.add(Request(SYSTEM, cell(llama, "all")), SYSTEM, parts)
    gc.collect()
    for _ in range(20):
        assert store.beginnings_of([Request((*SYSTEM, 3), cell(llama, "all"))]) == [None]


def test_memory_and_number_of_texts_are_bounded_and_what_is_used_stays(llama: Backbone) -> None:
    parts = [(torch.zeros(2, 40, 12), torch.zeros(2, 40, 12))] * 2
    each = 2 * 2 * 2 * 40 * 12 * 4
    store = PrefixStore(llama, 3 * each)
    texts = [(number, *SYSTEM[1:]) for number in range(3, 3 + MAX_TEXTS)]
    for text in texts[:3]:
        store.add(Request(text), text, parts)
    assert store.beginnings_of([Request((*texts[0], 9))]) != [None]
    store.add(Request(texts[3]), texts[3], parts)
    held = [found is not None for found in store.beginnings_of([Request((*text, 9)) for text in texts[:4]])]
    assert held == [True, False, True, True]
    assert sum(text.bytes for text in store._texts.values()) == store._bytes == 3 * each
    longer = [(torch.zeros(2, 130, 12), torch.zeros(2, 130, 12))] * 2
    store.add(Request(SYSTEM), SYSTEM * 3, longer)
    assert len(store._texts) == 3, "one that is too long has driven out the others"
    small = PrefixStore(llama, each - 1)
    small.add(Request(texts[0]), texts[0], parts)
    assert (len(small._texts), small._bytes) == (0, 0)
    many = PrefixStore(llama, 1 << 40)
    for number in range(2 * MAX_TEXTS):
        many.add(Request((number, *SYSTEM)), (number, *SYSTEM[:39]), parts)
    assert len(many._texts) == MAX_TEXTS
