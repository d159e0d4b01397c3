"""Texts that join and leave a writer at any token: each is what it would be alone, and fails alone."""

from __future__ import annotations

import gc
import random
import sys
import weakref
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise
from multiprocessing import get_context
from types import FunctionType, ModuleType
from typing import Any

import pytest
import torch

import oracle
from sweeps import make_cells, with_budget
from tiny import HYBRID, random_directions, random_pairs, tiny, tiny_model, tiny_tokenizer
from trimtab.engines import Reply, Request, Sampling, TransformersEngine, Watch
from trimtab.engines.requests import Writing
from trimtab.engines.transformers.probing.exactness import Mode
from trimtab.errors import ModelError, SettingError
from trimtab.models import Backbone, wrap
from trimtab.steering import Intervention

PROMPTS = [pair.positive[: pair.prompt_length] for pair in random_pairs(5)]
POSITIONS = ("all", "after_prompt", "prompt", "generated", "first:3", "tokens:2,9")


@pytest.fixture(params=["llama", "gemma3", HYBRID])
def engine(request: pytest.FixtureRequest) -> TransformersEngine:
    """Rows in slots, slots with sliding windows, and plain padded rows."""
    return TransformersEngine(tiny(request.param))


def mixed(backbone: Backbone, count: int) -> list[Request]:
    """Any prompts, layers, scales, positions, lengths; greedy and drawn; with and without log-probabilities."""
    cells: list[Intervention | None] = [None]
    for positions in POSITIONS:
        cells += make_cells(backbone, positions)[::3]
    return [
        Request(
            PROMPTS[i % len(PROMPTS)],
            cells[(7 * i) % len(cells)],
            2 + (5 * i) % 11,
            Sampling(i, top_p=0.9) if i % 3 == 1 else None,
            logprobs=i % 4 if i % 2 else None,
        )
        for i in range(count)
    ]


def alone(engine: TransformersEngine, request: Request) -> Reply:
    ((_, reply),) = engine.generate([request])
    return reply


def joined_over_time(
    engine: TransformersEngine, requests: Sequence[Request], *, seed: int = 0, cancelled: Sequence[int] = ()
) -> dict[int, Writing]:
    """Write requests that come at random times, and leave at random times where they are to be cancelled."""
    source, writer = random.Random(seed), engine.writer(lasting=True)
    coming = list(range(len(requests)))
    texts: dict[int, Writing] = {}
    keys: dict[int, int] = {}
    ended: set[int] = set()
    while coming or writer.rows:
        for _ in range(source.choice([0, 0, 1, 1, 4])):
            if coming and writer.has_room(requests[coming[0]]):
                index = coming.pop(0)
                keys[writer.add(requests[index])] = index
        for key, index in keys.items():
            if index in cancelled and source.random() < 0.2:
                writer.cancel(key)
        for key, text in writer.step():
            assert not text.cancelled, "a text that was given up was reported"
            assert key not in ended, "a text was reported after its end"
            texts[keys[key]] = text
            ended |= {key} if text.ended else set()
    assert writer.step() == []
    return texts


@pytest.mark.parametrize("seed", [0, 1])
def test_texts_that_join_at_any_token_are_what_they_are_alone(engine: TransformersEngine, seed: int) -> None:
    requests = mixed(engine.backbone, 24)
    texts = joined_over_time(engine, requests, seed=seed)
    for index, request in enumerate(requests):
        expected, found = alone(engine, request), texts[index].reply()
        assert (found.tokens, found.finish) == (expected.tokens, expected.finish), request
        assert [p.token for p in found.logprobs] == [p.token for p in expected.logprobs]


@pytest.mark.parametrize("rows", [1, 3])
def test_few_rows_change_nothing(llama: Backbone, rows: int) -> None:
    requests = mixed(llama, 16)
    texts = joined_over_time(with_budget(llama, rows=rows), requests)
    assert [texts[i].reply().tokens for i in range(16)] == [
        alone(TransformersEngine(llama), r).tokens for r in requests
    ]


def test_texts_that_leave_change_nothing_for_the_others(engine: TransformersEngine) -> None:
    requests = mixed(engine.backbone, 24)
    gone = range(1, 24, 3)
    texts = joined_over_time(engine, requests, cancelled=gone)
    for index in set(range(24)) - set(gone):
        assert texts[index].reply().tokens == alone(engine, requests[index]).tokens
    assert any(index not in texts or not texts[index].ended for index in gone)


def test_a_cancelled_text_frees_its_row_and_is_not_heard_of_again(engine: TransformersEngine) -> None:
    writer = engine.writer(lasting=True)
    first, second = (writer.add(Request(prompt, None, 30)) for prompt in PROMPTS[:2])
    writer.step()
    writer.cancel(first)
    assert writer.rows == 1
    assert {key for _ in range(3) for key, _ in writer.step()} == {second}
    writer.cancel(second)
    writer.cancel(second)  # nothing more happens
    assert (writer.rows, writer.step()) == (0, [])
    assert writer._slots.cache.keys == []


def test_a_push_that_overflows_ends_its_own_text_only() -> None:
    half = wrap(tiny_model("llama").to(torch.float16), tiny_tokenizer(), name="half")
    engine = TransformersEngine(half)
    writer = engine.writer(lasting=True)
    strong = Intervention({1: random_directions(half)[1]}, 3e4, positions="generated")
    requests = [Request(PROMPTS[0], cell, 6) for cell in (None, strong, None)]
    keys = [writer.add(request) for request in requests]
    texts: dict[int, Writing] = {}
    while writer.rows:
        texts |= dict(writer.step())
    assert isinstance(texts[keys[1]].error, SettingError)
    assert "strength 30000" in str(texts[keys[1]].error)
    assert [texts[key].finish for key in keys] == ["length", None, "length"]
    with pytest.raises(SettingError, match="strength 30000"):
        list(engine.generate(requests))


def test_a_model_that_overflows_is_not_the_pushes_fault() -> None:
    made = tiny_model("llama")
    backbone = wrap(made, tiny_tokenizer(), name="broken")
    with torch.no_grad():
        made.lm_head.weight[7] = torch.nan
    with pytest.raises(ModelError, match="logits"):
        alone(TransformersEngine(backbone), Request(PROMPTS[0], None, 4))


@pytest.mark.parametrize("positions", ["all", "generated"])
def test_a_push_that_is_rounded_away_ends_its_own_text_only(engine: TransformersEngine, positions: Any) -> None:
    writer = engine.writer(lasting=True)
    nothing = Intervention({1: random_directions(engine.backbone)[1]}, 1e-12, positions=positions)
    requests = [Request(PROMPTS[i % 2], nothing if i == 1 else None, 6) for i in range(4)]
    texts: dict[int, Writing] = {}
    for request in requests:
        writer.add(request)
    while writer.rows:
        texts |= dict(writer.step())
    assert "is rounded away" in str(texts[1].error)
    for index in (0, 2, 3):
        assert texts[index].reply().tokens == alone(engine, requests[index]).tokens


def test_a_stop_that_fails_ends_its_own_text_only(engine: TransformersEngine) -> None:
    def failing(text: str) -> bool:
        raise ZeroDivisionError

    writer = engine.writer(lasting=True)
    writer.add(Request(PROMPTS[0], None, 5, stop=failing))
    writer.add(Request(PROMPTS[1], None, 5))
    texts: dict[int, Writing] = {}
    while writer.rows:
        texts |= dict(writer.step())
    assert isinstance(texts[0].error, ZeroDivisionError)
    assert texts[1].reply().tokens == alone(engine, Request(PROMPTS[1], None, 5)).tokens


def test_what_cannot_be_written_is_refused_when_it_comes(llama: Backbone) -> None:
    writer = TransformersEngine(llama).writer()
    direction = random_directions(llama)[0]
    for cell, words in [
        (Intervention({9: direction}, 1.0), "layer 9 is out of range"),
        (Intervention({1: direction}, 1.0, positions="thinking"), "think"),
    ]:
        with pytest.raises(SettingError, match=words):
            writer.add(Request(PROMPTS[0], cell))
    assert writer.rows == 0


def test_memory_bounds_the_rows_and_a_long_text_waits_until_it_has_room(llama: Backbone) -> None:
    engine = with_budget(llama, rows=64)
    each = 2 * 4 * 2 * 12 * 4  # keys and values, layers, heads, head size, bytes
    engine.budget = replace(engine.budget, cache_bytes=4 * 48 * each)
    writer = engine.writer(lasting=True)
    short, long = Request(PROMPTS[0], None, 32 - len(PROMPTS[0])), Request(PROMPTS[0], None, 150 - len(PROMPTS[0]))
    for count in range(6):
        assert writer.has_room(short), count
        writer.add(short)
    assert not writer.has_room(short)
    assert not writer.has_room(long)
    writer.step()
    late = writer.add(long)  # taken all the same, but it waits
    most = texts = 0
    while writer.rows:
        moved = writer.step()
        texts += len(moved)
        cache = writer._slots.cache
        most = max(most, cache.rows * cache.tokens)
        if late in dict(moved):
            assert writer.rows <= 1
    assert most <= 4 * 48
    assert texts > 150


def test_log_probabilities_are_those_of_the_unmodified_steered_model(llama: Backbone) -> None:
    cell = make_cells(llama)[1]
    for sampling in (None, Sampling(1, temperature=3.0, top_p=0.5)):
        reply = alone(TransformersEngine(llama), Request(PROMPTS[0], cell, 6, sampling, logprobs=3))
        tokens = (*PROMPTS[0], *reply.tokens)
        logits = oracle.forward(llama, tokens, cell, len(PROMPTS[0]))[0]
        assert len(reply.logprobs) == len(reply.tokens)
        for place, found in enumerate(reply.logprobs, start=len(PROMPTS[0])):
            expected = logits[place - 1].log_softmax(-1)
            assert found.token == tokens[place]
            assert found.logprob == pytest.approx(float(expected[found.token]), abs=1e-4)
            assert [token for token, _ in found.top] == expected.topk(3).indices.tolist()
            assert [value for _, value in found.top] == pytest.approx(expected.topk(3).values.tolist(), abs=1e-4)


def test_log_probabilities_are_recorded_where_they_are_asked_for(llama: Backbone) -> None:
    engine = TransformersEngine(llama)
    assert alone(engine, Request(PROMPTS[0], None, 3)).logprobs == ()
    assert [p.top for p in alone(engine, Request(PROMPTS[0], None, 3, logprobs=0)).logprobs] == [(), (), ()]
    for wrong in (-1, 21):
        with pytest.raises(SettingError, match="logprobs"):
            Request(PROMPTS[0], None, 3, logprobs=wrong)


def test_a_watch_reads_every_new_token_as_it_is_steered(engine: TransformersEngine) -> None:
    backbone, layers = engine.backbone, (1, 3)
    cells = [None, *make_cells(backbone, "generated")[:2], make_cells(backbone)[3]]
    watch = Watch(layers, lambda states: states.clone())
    plain = [Request(PROMPTS[i % 5], cell, 6) for i, cell in enumerate(cells)]
    writer = engine.writer(lasting=True)
    for request in plain:
        writer.add(replace(request, watch=watch))
        writer.add(request)
    texts: dict[int, Writing] = {}
    while writer.rows:
        texts |= dict(writer.step())
    for index, request in enumerate(plain):
        text = texts[2 * index]
        assert text.tokens == texts[2 * index + 1].tokens == list(alone(engine, request).tokens)
        whole = (*request.prompt, *text.tokens)
        states = oracle.forward(backbone, whole, request.intervention, len(request.prompt))[1]
        assert len(text.readings) == len(text.tokens) - (text.finish != "end")
        for place, reading in enumerate(text.readings, start=len(request.prompt)):
            expected = torch.stack([states[layer][place] for layer in layers])
            assert torch.allclose(reading, expected, atol=1e-4)
        assert texts[2 * index + 1].readings == []


def test_a_watch_that_fails_ends_its_own_text_only_and_one_of_no_layer_is_refused(llama: Backbone) -> None:
    engine = TransformersEngine(llama)
    writer = engine.writer(lasting=True)
    writer.add(Request(PROMPTS[0], None, 5, watch=Watch((0,), lambda states: states[7])))
    writer.add(Request(PROMPTS[0], None, 5))
    with pytest.raises(SettingError, match="layer 9"):
        writer.add(Request(PROMPTS[0], None, 5, watch=Watch((9,), list)))
    texts: dict[int, Writing] = {}
    while writer.rows:
        texts |= dict(writer.step())
    assert isinstance(texts[0].error, IndexError)
    assert texts[1].finish is not None


@pytest.mark.parametrize("fastest", ["packed", "padded"])
def test_nothing_is_held_of_texts_that_have_ended(fastest: Mode) -> None:
    """Containers do not grow over 1,000 requests with an intervention each; no text or push outlives its end."""
    # In a process of its own: what other tests have left in theirs would be counted too.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        texts, pushes, grown = process.submit(held_of_thousands, fastest).result(timeout=300)
    assert (texts, pushes) == (0, 0)
    assert grown.total() < 30_000, f"more after 1,000 requests, in bytes of each type: {grown.most_common(5)}"


def held_of_thousands(fastest: Mode) -> tuple[int, int, Counter[str]]:
    """Texts and interventions that are left of 2,200 requests, and what 1,000 of them have added to what is held."""
    backbone = tiny("llama")
    engine = TransformersEngine(backbone, fastest=fastest)
    writer = engine.writer(lasting=True)
    directions = random_directions(backbone)
    writings: weakref.WeakSet[Writing] = weakref.WeakSet()
    cells: weakref.WeakSet[Intervention] = weakref.WeakSet()

    def some(count: int) -> None:
        for number in range(count):
            cell = Intervention({number % 4: directions[number % 4]}, 0.3 + number % 7)
            cells.add(cell)
            key = writer.add(Request(PROMPTS[number % 5], cell, 1 + number % 2))
            if number % 5 == 0:
                writer.cancel(key)
            while writer.rows > 30:
                for _, text in writer.step():
                    writings.add(text)
        while writer.rows:
            writer.step()

    some(200)
    held = [bytes_within(engine, writer)]
    for _ in range(2):  # a table may double in one of the two
        some(1000)
        held.append(bytes_within(engine, writer))
    return len(writings), len(cells), min((after - before for before, after in pairwise(held)), key=Counter.total)


def bytes_within(*roots: object) -> Counter[str]:
    """What these and the variables of trimtab's modules lead to takes; other modules and their functions apart."""
    gc.collect()
    waiting = [*roots, *(vars(module) for name, module in sys.modules.copy().items() if name.startswith("trimtab"))]
    found: dict[int, object] = {}
    while waiting:
        thing = waiting.pop()
        if id(thing) in found or isinstance(thing, (ModuleType, FunctionType)):
            continue
        if isinstance(thing, type) and not thing.__module__.startswith("trimtab"):
            continue
        found[id(thing)] = thing
        waiting += gc.get_referents(thing)
    sizes: Counter[str] = Counter()
    for thing in found.values():
        sizes[type(thing).__qualname__] += sys.getsizeof(thing)
    return sizes
