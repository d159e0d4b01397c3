"""One model, many threads and tasks: each is steered by its own contexts and interventions, and by no other's."""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import Any, TypeVar

import pytest
import torch
from torch import Tensor

from tiny import CHAT_TEMPLATE, HYBRID, random_directions, random_pairs, tiny_model, tiny_tokenizer, vector_for
from trimtab.engines import Model
from trimtab.errors import TrimtabWarning
from trimtab.models import Backbone, Text, wrap
from trimtab.serve.chat import Chat
from trimtab.steering import Intervention, steering

Result = TypeVar("Result")
THREADS = 8
IDS = torch.tensor([random_pairs(1)[0].positive[:9]])
PROMPTS = ["Hello there", "What is it?", "A longer prompt, to be sure", "Hm"]


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    """Let threads take turns at every chance."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(params=["llama", HYBRID])
def model(request: pytest.FixtureRequest) -> Model:
    """Rows in slots, and plain padded rows; made anew, so that threads work out what is worked out lazily."""
    return fresh(request.param)


def fresh(name: str) -> Model:
    return Model(wrap(tiny_model(name), tiny_tokenizer(CHAT_TEMPLATE), name=f"tiny-{name}"))


def at_once(work: Callable[[int], Result]) -> list[Result]:
    """What `work` gives for each number, each in a thread of its own, all begun together."""
    start = threading.Barrier(THREADS)

    def begun(number: int) -> Result:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begun, range(THREADS)))


def cell(backbone: Backbone, number: int) -> Intervention | None:
    """Another intervention for every number, none for the first."""
    if not number:
        return None
    positions = ("all", "after_prompt", "generated", "prompt")[number % 4]
    scale = ("raw", "relative")[number % 2]
    return Intervention({number % 4: random_directions(backbone, number)[0]}, 0.9, scale, positions)  # type: ignore[arg-type]


def test_each_threads_replies_are_what_they_are_alone(model: Model) -> None:
    def work(number: int) -> list[str]:
        cells = [cell(model.backbone, number + i) for i in range(len(PROMPTS))]
        sampled = model.generate(PROMPTS, interventions=cells, max_new_tokens=5, temperature=1.0, seed=number)
        return sampled + model.generate(PROMPTS, interventions=cells, max_new_tokens=5)

    together = at_once(work)
    assert together == [work(number) for number in range(THREADS)]
    assert len({tuple(texts) for texts in together}) > 1


def test_each_threads_contexts_are_its_own(model: Model) -> None:
    vector, together = vector_for(model.backbone), threading.Barrier(THREADS // 2)

    def work(number: int, wait: Callable[[], object] = lambda: None) -> list[Any]:
        if not number % 2:  # half of the threads steer nothing
            with torch.no_grad():
                return [model.chat("Hello", max_new_tokens=5), model.backbone.model(IDS).logits]
        with model.steer(vector, layer=number % 4, strength=number / 4), torch.no_grad():
            wait()
            raw = model.backbone.model(IDS).logits
            said = model.chat("Hello", max_new_tokens=5)
            return [said, raw, model.backbone.model.generate(IDS, max_new_tokens=4, pad_token_id=0)]

    def waiting(number: int) -> list[Any]:
        return work(number, lambda: together.wait(60) if number % 2 else None)

    found = at_once(waiting)  # all threads that steer are inside of their contexts at once
    for number in range(THREADS):
        for one, alone in zip(found[number], work(number), strict=True):
            assert torch.equal(one, alone) if isinstance(one, Tensor) else one == alone
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.backbone.model.modules())
    assert "generate" not in model.backbone.model.__dict__


def test_reading_and_sweeping_in_threads_give_what_they_give_alone(model: Model) -> None:
    pairs = random_pairs(3)
    texts = [Text(p.positive, p.prompt_length) for p in pairs]

    def work(number: int) -> list[Tensor]:
        cells = [Intervention({number % 4: random_directions(model.backbone, number)[1]}, 0.5)]
        captured = [c.positive for c in model.capture(pairs, "last")]
        scores = [s.scores for s in model.score(pairs, cells, "text")]
        states = [s for _, s in model.states(texts, [number % 4])]
        followed = [f.divergence for f in model.score_texts(texts, cells)]
        return [*captured, *scores, *states, *followed, model.first_token_norm(pairs)]

    for together, alone in zip(at_once(work), map(work, range(THREADS)), strict=True):
        for one, other in zip(together, alone, strict=True):
            assert torch.equal(one, other)


def test_conversations_in_threads_stay_apart(model: Model) -> None:
    vector = vector_for(model.backbone)

    def work(number: int) -> list[str]:
        chat = Chat(model, vector, layers=[number % 4], strength=number / 8, max_new_tokens=4, compare=True)
        return [piece for line in ("Hello", "/strength 0.7", "And now?") for piece in chat.say(line)]

    assert at_once(work) == [work(number) for number in range(THREADS)]


def test_a_thread_begun_inside_of_a_context_is_not_steered_and_the_context_says_so(model: Model) -> None:
    with torch.no_grad(), ThreadPoolExecutor(1) as pool:
        plain = model.backbone.model(IDS).logits
        with (
            pytest.warns(TrimtabWarning, match="Other threads have run the model"),
            model.steer(vector_for(model.backbone), layer=1),
        ):
            elsewhere = pool.submit(torch.no_grad()(lambda: model.backbone.model(IDS).logits)).result()
    assert torch.equal(elsewhere, plain)


def test_tasks_have_their_own_contexts_and_threads_that_they_ask_follow_them(model: Model) -> None:
    vector = vector_for(model.backbone)

    async def task(number: int) -> tuple[Tensor, Tensor]:
        def raw() -> Tensor:
            with torch.no_grad():
                return model.backbone.model(IDS).logits  # type: ignore[no-any-return]

        with model.steer(vector, layer=1, strength=float(number)):
            await asyncio.sleep(0.01)
            here = raw()
            first, second = await asyncio.gather(asyncio.to_thread(raw), asyncio.to_thread(raw))
            assert torch.equal(first, second)
            return here, first

    async def everything() -> list[tuple[Tensor, Tensor]]:
        return list(await asyncio.gather(*(task(number) for number in range(1, 5))))

    with warnings.catch_warnings():
        warnings.simplefilter("error", TrimtabWarning)
        found = asyncio.run(everything())
    assert all(torch.equal(here, there) for here, there in found)
    assert len({tuple(here.flatten().tolist()) for here, _ in found}) == 4


def test_iterators_of_one_thread_go_on_in_turns(model: Model) -> None:
    def pieces(number: int) -> Iterator[str]:
        return model.stream("Hello", intervention=cell(model.backbone, number), max_new_tokens=6)

    alone = ["".join(pieces(number)) for number in range(4)]
    said = [""] * 4
    scores = model.score(random_pairs(3), [Intervention({1: random_directions(model.backbone)[1]}, 0.5)], "text")
    for some in zip_longest(*(pieces(number) for number in range(4)), scores, fillvalue=""):
        for number, piece in enumerate(some[:4]):
            assert isinstance(piece, str)
            said[number] += piece
    assert said == alone
    assert len(set(alone)) > 1


def test_a_reply_is_steered_by_the_contexts_it_was_asked_in(model: Model) -> None:
    vector = vector_for(model.backbone)
    plain = model.chat("Hello", max_new_tokens=6)
    with model.steer(vector, layer=1, strength=2.0):
        moved = model.chat("Hello", max_new_tokens=6)
        inside = model.stream("Hello", max_new_tokens=6)
    outside = model.stream("Hello", max_new_tokens=6)
    assert moved != plain
    assert "".join(inside).strip() == moved  # asked for inside, read outside
    with warnings.catch_warnings(), model.steer(vector, layer=1, strength=2.0):
        warnings.simplefilter("ignore")
        assert "".join(outside).strip() == plain


def test_a_raw_pass_between_two_tokens_of_a_reply_is_steered(model: Model) -> None:
    with model.steer(vector_for(model.backbone), layer=1), torch.no_grad():
        steered = model.backbone.model(IDS).logits
        writing = model.stream("Hello", max_new_tokens=4)
        next(writing)
        assert torch.equal(model.backbone.model(IDS).logits, steered)


def test_two_models_of_the_same_weights_share_a_context(model: Model) -> None:
    other, vector = Model(model.backbone), vector_for(model.backbone)
    with model.steer(vector, layer=1, strength=2.0):
        assert other.chat("Hello", max_new_tokens=6) == model.chat("Hello", max_new_tokens=6)
    expected = other.generate(["Hello"], interventions=[steering(vector, 1, 2.0)], max_new_tokens=6)
    with model.steer(vector, layer=1, strength=2.0):
        assert [other.chat("Hello", max_new_tokens=6)] == expected
