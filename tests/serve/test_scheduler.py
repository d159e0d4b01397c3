"""The scheduler: replies of many callers, each what it is alone, whoever comes, leaves, waits or fails beside it."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tiny import CHAT_TEMPLATE, HYBRID, random_directions, random_pairs, tiny, tiny_model, tiny_tokenizer, vector_for
from trimtab.engines import Model, Request, Sampling
from trimtab.errors import (
    EngineFailed,
    EngineLost,
    JobCancelled,
    JobTimeout,
    QueueFull,
    ServerStopping,
    SettingError,
    TrimtabError,
)
from trimtab.models import Backbone, Identity, wrap
from trimtab.serve import Job, JobUpdate, Scheduler
from trimtab.steering import Intervention, PromptGate

LONG = 1900
"""New tokens of a reply that would take seconds."""
PROMPTS = [pair.positive[: pair.prompt_length] for pair in random_pairs(5)]


@pytest.fixture(params=["llama", HYBRID])
def model(request: pytest.FixtureRequest) -> Model:
    """Rows in slots, and plain padded rows."""
    return Model(tiny(request.param))


@pytest.fixture
def endless() -> Model:
    """A model whose replies never end by themselves."""
    made = tiny_model("llama", max_position_embeddings=2048)
    made.config.eos_token_id = made.generation_config.eos_token_id = None
    tokenizer = tiny_tokenizer(CHAT_TEMPLATE)
    tokenizer.eos_token = None
    return Model(wrap(made, tokenizer, name="endless"))


@pytest.fixture
def scheduled() -> Iterator[Callable[..., Scheduler]]:
    """Makes schedulers, and closes them."""
    made: list[Scheduler] = []

    def make(model: Model, **options: Any) -> Scheduler:
        made.append(Scheduler(model, **options))
        return made[-1]

    yield make
    for one in made:
        one.close(seconds=0)
        assert not one._thread.is_alive()


class Held:
    """Holds a model's engine at its next pass while a context lasts."""

    def __init__(self, model: Model):
        self.lock = model._lock

    def __enter__(self) -> None:
        self.lock.__enter__()

    def __exit__(self, *problem: object) -> None:
        self.lock.__exit__(*problem)


def mixed(backbone: Identity, number: int) -> list[Request]:
    directions = random_directions(backbone)
    found = []
    for i in range(number):
        layer, positions = i % 4, ("all", "after_prompt", "generated", "prompt")[i % 4]
        cell = Intervention({layer: directions[layer]}, 0.3 + i % 3, ("raw", "relative")[i % 2], positions)
        sampling = Sampling(i) if i % 3 == 1 else None
        found.append(
            Request(PROMPTS[i % 5], cell if i % 5 else None, 2 + i % 9, sampling, logprobs=1 if i % 2 else None)
        )
    return found


def alone(model: Model, request: Request) -> JobUpdate:
    """What a reply is without any other."""
    ((_, reply),) = model.replies([request])
    return JobUpdate(reply.tokens, reply.finish, reply.logprobs)


def same(found: JobUpdate, expected: JobUpdate) -> bool:
    return (found.tokens, found.finish) == (expected.tokens, expected.finish) and [
        (p.token, round(p.logprob, 3)) for p in found.logprobs
    ] == [(p.token, round(p.logprob, 3)) for p in expected.logprobs]


def eventually(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never held"
        time.sleep(0.005)


def test_threads_and_an_event_loop_get_what_each_request_gives_alone(
    model: Model, scheduled: Callable[..., Scheduler]
) -> None:
    scheduler, requests = scheduled(model), mixed(model.backbone, 24)

    def by_thread(number: int) -> list[JobUpdate]:
        return [scheduler.submit(request, client=f"thread {number}").wait() for request in requests[number::3]]

    async def by_loop() -> list[list[JobUpdate]]:
        async def follow(job: Job) -> list[JobUpdate]:
            return [update async for update in job]

        jobs = [scheduler.submit(request, client="loop") for request in requests]
        return await asyncio.gather(*(follow(job) for job in jobs))

    with ThreadPoolExecutor(4) as pool:
        loop = pool.submit(asyncio.run, by_loop())
        threads = list(pool.map(by_thread, range(3)))
        updates = loop.result()
    for index, request in enumerate(requests):
        expected = alone(model, request)
        assert same(threads[index % 3][index // 3], expected)
        assert same(updates[index][-1], expected)
        lengths = [len(update.tokens) for update in updates[index]]
        assert lengths == sorted(lengths), "updates came out of order"
        assert all(update.finish is None for update in updates[index][:-1])
        assert all(expected.tokens[: len(update.tokens)] == update.tokens for update in updates[index])
    counts = scheduler.counts()
    assert (counts.finished, counts.waiting, counts.running, counts.rows, counts.failed) == (48, 0, 0, 0, 0)
    assert counts.tokens == 2 * sum(len(alone(model, request).tokens) for request in requests)


def test_the_text_of_an_update_is_what_the_model_has_written(
    llama: Backbone, scheduled: Callable[..., Scheduler]
) -> None:
    model = Model(llama)
    request = Request(PROMPTS[1], None, 12)
    last = scheduled(model).submit(request).wait()
    assert last.text.strip() == dict(model.replies([request]))[0].text
    assert last.text


def test_what_a_gate_on_the_prompt_decides_holds_for_its_reply(
    llama: Backbone, scheduled: Callable[..., Scheduler]
) -> None:
    model = Model(llama)
    direction = random_directions(llama)[1]
    gate = PromptGate(1, direction, 0.0, "mean")
    requests = [Request(prompt, Intervention({2: direction}, 2.0, gate=gate), 6) for prompt in PROMPTS]
    expected = dict(model.replies(requests))
    scheduler = scheduled(model)
    jobs = [scheduler.submit(request) for request in requests]
    assert [job.wait().tokens for job in jobs] == [expected[i].tokens for i in range(len(requests))]
    opened = [
        reply.tokens != alone(model, replace(r, intervention=None)).tokens
        for r, reply in zip(requests, expected.values(), strict=True)
    ]
    assert any(opened)
    with pytest.raises(SettingError, match="only one token"):
        scheduler.submit(replace(requests[0], prompt=PROMPTS[0][:1]))


def test_steer_contexts_of_those_who_submit_or_start_it_do_not_count(
    llama: Backbone, scheduled: Callable[..., Scheduler]
) -> None:
    model, request = Model(llama), Request(PROMPTS[0], None, 6)
    expected = alone(model, request)
    with pytest.warns(UserWarning, match="nothing"), model.steer(vector_for(llama), layer=1, strength=3.0):
        found = scheduled(model).submit(request).wait()
    assert found.tokens == expected.tokens


def test_other_threads_use_the_model_between_two_tokens(endless: Model, scheduled: Callable[..., Scheduler]) -> None:
    expected = endless.chat("Hello", max_new_tokens=5)
    long = scheduled(endless).submit(Request(PROMPTS[0], None, LONG))
    first = next(iter(long))
    assert endless.chat("Hello", max_new_tokens=5) == expected
    assert long.latest is not None
    # Each of the five tokens waits for one pass of the scheduler at most, and a pass for the gap after it.
    assert len(long.latest.tokens) - len(first.tokens) < 100


def test_a_cancelled_job_ends_at_once_and_its_row_is_freed(model: Model, scheduled: Callable[..., Scheduler]) -> None:
    scheduler = scheduled(model)
    with Held(model):
        jobs = [scheduler.submit(Request(PROMPTS[i % 5], None, 30)) for i in range(6)]
        for job in jobs[::2]:
            job.cancel()
            job.cancel()
            with pytest.raises(JobCancelled):
                job.wait()
    for job in jobs[1::2]:
        assert same(job.wait(), alone(model, job.request))
        job.cancel()  # it has ended: nothing happens
    eventually(lambda: scheduler.counts().rows == 0)
    counts = scheduler.counts()
    assert (counts.cancelled, counts.finished, counts.running, counts.waiting) == (3, 3, 0, 0)


def test_a_job_is_cancelled_while_it_is_written(endless: Model, scheduled: Callable[..., Scheduler]) -> None:
    scheduler = scheduled(endless)
    job = scheduler.submit(Request(PROMPTS[0], None, LONG))
    next(update for update in job if len(update.tokens) >= 3)
    job.cancel()
    with pytest.raises(JobCancelled):
        job.wait()
    eventually(lambda: scheduler.counts().rows == 0)
    assert job.latest is not None
    assert len(job.latest.tokens) >= 3


def test_clients_take_turns(endless: Model, scheduled: Callable[..., Scheduler]) -> None:
    endless.engine.budget = replace(endless.engine.budget, rows=1)  # type: ignore[attr-defined]
    scheduler = scheduled(endless)
    order: list[str] = []

    def noted(name: str) -> Callable[[str], bool]:
        def note(text: str) -> bool:
            order.append(name)
            return False

        return note

    with Held(endless):
        for name in ["a1", "a2", "a3", "a4", "b1", "c1", "b2"]:
            scheduler.submit(Request(PROMPTS[0], None, 1, stop=noted(name)), client=name[0])
        last = scheduler.submit(Request(PROMPTS[0], None, 1, stop=noted("a5")), client="a")
    last.wait()
    # a1 may have been given its row before the others came.
    assert order == ["a1", "a2", "b1", "c1", "a3", "b2", "a4", "a5"] or order == [
        "a1",
        "b1",
        "c1",
        "a2",
        "b2",
        "a3",
        "a4",
        "a5",
    ]


def test_a_full_queue_refuses_and_says_when_to_come_again(endless: Model, scheduled: Callable[..., Scheduler]) -> None:
    endless.engine.budget = replace(endless.engine.budget, rows=1)  # type: ignore[attr-defined]
    scheduler = scheduled(endless, most_waiting=4)
    running = scheduler.submit(Request(PROMPTS[0], None, LONG))
    next(iter(running))
    short = Request(PROMPTS[0], None, 2)
    jobs = [scheduler.submit(short, client="greedy") for _ in range(2)]
    with pytest.raises(QueueFull, match="client"):
        scheduler.submit(short, client="greedy")
    jobs += [scheduler.submit(short, client=name) for name in ("b", "c")]
    with pytest.raises(QueueFull) as refused:
        scheduler.submit(short, client="d")
    assert refused.value.retry_after >= 1
    assert scheduler.counts().refused == 2
    running.cancel()
    assert {job.wait().finish for job in jobs} == {"length"}
    assert scheduler.submit(short, client="d").wait().finish == "length"


@pytest.mark.parametrize("waits", [True, False])
def test_a_job_ends_at_its_time_limit_whether_it_waits_or_is_written(
    endless: Model, scheduled: Callable[..., Scheduler], waits: bool
) -> None:
    endless.engine.budget = replace(endless.engine.budget, rows=1)  # type: ignore[attr-defined]
    scheduler = scheduled(endless)
    before = scheduler.submit(Request(PROMPTS[0], None, LONG)) if waits else None
    late = scheduler.submit(Request(PROMPTS[0], None, LONG), seconds=0.2)
    with pytest.raises(JobTimeout, match=r"0\.2 seconds"):
        late.wait()
    with pytest.raises(JobTimeout):
        asyncio.run(late.result())
    unread = scheduler.submit(Request(PROMPTS[0], None, LONG), seconds=0.2)
    eventually(lambda: unread.ended)
    eventually(lambda: scheduler.counts().rows == int(waits))
    assert before is None or not before.ended


def test_a_time_limit_holds_while_another_thread_has_the_model(
    endless: Model, scheduled: Callable[..., Scheduler]
) -> None:
    scheduler = scheduled(endless)
    with Held(endless):
        jobs = [scheduler.submit(Request(PROMPTS[0], None, 5), seconds=0.1) for _ in range(2)]
        with pytest.raises(JobTimeout):
            jobs[0].wait()
        with pytest.raises(JobTimeout):
            asyncio.run(jobs[1].result())


def test_readers_that_run_out_of_time_and_counting_do_not_wait_for_each_other(
    endless: Model, scheduled: Callable[..., Scheduler]
) -> None:
    scheduler, stop = scheduled(endless, most_waiting=1000), threading.Event()

    def count() -> None:
        while not stop.is_set():
            counts = scheduler.counts()
            assert 0 <= counts.running <= counts.rows + 1000

    def late(number: int) -> bool:
        job = scheduler.submit(Request(PROMPTS[0], None, LONG), seconds=0.001 * (1 + number % 5))
        try:
            job.wait()
        except JobTimeout:
            return True
        return False

    with ThreadPoolExecutor(20) as pool:
        counting = [pool.submit(count) for _ in range(4)]
        assert all(pool.map(late, range(300), timeout=60))
        stop.set()
    for one in counting:
        one.result()
    assert scheduler.counts().cancelled == 300


def test_jobs_given_up_before_they_begin_leave_the_scheduler_alive(
    endless: Model, scheduled: Callable[..., Scheduler]
) -> None:
    scheduler = scheduled(endless)
    for number in range(60):  # while the scheduler waits for others that come at the same time
        job = scheduler.submit(Request(PROMPTS[0], None, LONG))
        time.sleep(0.0005 * (number % 6))
        job.cancel()
    assert len(scheduler.submit(Request(PROMPTS[0], None, 3)).wait().tokens) == 3


def test_what_is_wrong_with_one_request_ends_no_other(llama: Backbone, scheduled: Callable[..., Scheduler]) -> None:
    model = Model(llama)
    scheduler = scheduled(model)
    nothing = Intervention({1: random_directions(llama)[1]}, 1e-12)

    def failing(text: str) -> bool:
        raise ZeroDivisionError("by zero")

    good = Request(PROMPTS[1], None, 8)
    jobs = [scheduler.submit(r) for r in (good, Request(PROMPTS[0], nothing, 8), replace(good, stop=failing), good)]
    for index, words in ((1, "is rounded away"), (2, "ZeroDivisionError: by zero")):
        with pytest.raises(SettingError, match=words):
            jobs[index].wait()
    assert same(jobs[0].wait(), alone(model, good))
    assert same(jobs[3].wait(), alone(model, good))
    assert (scheduler.counts().failed, scheduler.counts().finished) == (2, 2)


def test_what_cannot_be_written_is_refused_at_once(llama: Backbone, scheduled: Callable[..., Scheduler]) -> None:
    scheduler = scheduled(Model(llama), most_tokens=20)
    direction = random_directions(llama)[0]
    refused: Sequence[tuple[Request, str]] = [
        (Request((5,) * 20, None, 4), "leaves no room"),
        (Request(PROMPTS[0], Intervention({9: direction}, 1.0)), "layer 9 is out of range"),
        (Request(PROMPTS[0], Intervention({1: direction}, 1.0, positions="thinking")), "think"),
        (Request((5,) * 300, None, 4), "leaves no room"),
    ]
    for request, words in refused:
        with pytest.raises(TrimtabError, match=words):
            scheduler.submit(request)
    with pytest.raises(SettingError, match="seconds"):
        scheduler.submit(Request(PROMPTS[0]), seconds=0)
    cut = scheduler.submit(Request((5,) * 15, None, 400)).wait()
    assert len(cut.tokens) <= 5
    for wrong in ({"most_waiting": 0}, {"most_tokens": 1}):
        with pytest.raises(SettingError, match=next(iter(wrong))):
            Scheduler(Model(llama), **wrong)


def test_an_engine_that_fails_ends_what_it_writes_and_nothing_after_it(scheduled: Callable[..., Scheduler]) -> None:
    made = tiny_model("llama")
    model = Model(wrap(made, tiny_tokenizer(), name="frail"))
    request = Request(PROMPTS[0], None, 6)
    expected = alone(model, request)
    scheduler = scheduled(model)
    assert same(scheduler.submit(request).wait(), expected)
    broken = threading.Event()

    def fail(*args: object) -> None:
        if broken.is_set():
            raise RuntimeError("CUDA error: an illegal memory access")

    made.model.layers[2].register_forward_pre_hook(fail)
    broken.set()
    jobs = [scheduler.submit(request) for _ in range(3)]
    for job in jobs:
        with pytest.raises(EngineFailed, match="illegal memory access"):
            job.wait()
    broken.clear()
    assert same(scheduler.submit(request).wait(), expected)
    counts = scheduler.counts()
    assert (counts.failed, counts.finished, counts.rows, counts.running) == (3, 2, 0, 0)


def test_an_engine_that_fails_at_a_gate_on_the_prompt_ends_that_reply(
    llama: Backbone, scheduled: Callable[..., Scheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, direction = Model(llama), random_directions(llama)[1]
    scheduler = scheduled(model)
    gated = Request(PROMPTS[0], Intervention({2: direction}, 2.0, gate=PromptGate(1, direction, 0.0, "mean")), 4)

    def states(*args: object) -> None:
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(model.engine, "states", states)
    with pytest.raises(EngineFailed, match="CUDA error"):
        scheduler.submit(gated).wait()
    monkeypatch.undo()
    assert scheduler.submit(gated).wait().finish is not None


@pytest.mark.parametrize("failing", ["the writer cannot be made again", "the thread dies"])
def test_an_engine_that_cannot_be_started_again_leaves_nobody_waiting(
    endless: Model, scheduled: Callable[..., Scheduler], monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    endless.engine.budget = replace(endless.engine.budget, rows=1)  # type: ignore[attr-defined]
    scheduler = scheduled(endless)
    assert scheduler.lost is None

    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error")

    with Held(endless):
        jobs = [scheduler.submit(Request(PROMPTS[0], None, LONG)) for _ in range(3)]
        if failing == "the thread dies":
            monkeypatch.setattr(scheduler, "_publish", lambda moved: sys.exit())
        else:
            monkeypatch.setattr(scheduler._writer, "step", fail)
            monkeypatch.setattr(endless, "writer", fail)
    for job in jobs:
        with pytest.raises(EngineFailed):
            job.wait()
    eventually(lambda: scheduler.lost is not None)
    with pytest.raises(EngineLost, match="cannot be started again"):
        scheduler.submit(Request(PROMPTS[0], None, 2))
    counts = scheduler.counts()
    assert (counts.failed, counts.running, counts.waiting) == (3, 0, 0)


def test_abandoning_ends_what_runs_and_waits_without_waiting_itself(endless: Model) -> None:
    endless.engine.budget = replace(endless.engine.budget, rows=1)  # type: ignore[attr-defined]
    scheduler = Scheduler(endless)
    with Held(endless):
        jobs = [scheduler.submit(Request(PROMPTS[0], None, LONG)) for _ in range(3)]
        scheduler.abandon()
        for job in jobs:
            with pytest.raises(ServerStopping):
                job.wait()
    scheduler.close(seconds=10)
    assert not scheduler._thread.is_alive()


def test_closing_finishes_what_runs_and_waits_and_refuses_what_comes(model: Model) -> None:
    scheduler = Scheduler(model)
    with Held(model):
        jobs = [scheduler.submit(Request(PROMPTS[i % 5], None, 10)) for i in range(8)]
        closing = threading.Thread(target=scheduler.close)
        closing.start()
        eventually(lambda: scheduler._stopping)
        with pytest.raises(ServerStopping):
            scheduler.submit(Request(PROMPTS[0]))
    closing.join(30)
    for job in jobs:
        assert same(job.wait(), alone(model, job.request))
    assert not scheduler._thread.is_alive()
    scheduler.close()  # once more: nothing happens


def test_closing_ends_what_takes_longer(endless: Model) -> None:
    endless.engine.budget = replace(endless.engine.budget, rows=2)  # type: ignore[attr-defined]
    scheduler = Scheduler(endless)
    jobs = [scheduler.submit(Request(PROMPTS[0], None, LONG)) for _ in range(4)]
    next(iter(jobs[0]))
    start = time.monotonic()
    scheduler.close(seconds=0.1)
    assert time.monotonic() - start < 10
    for job in jobs:
        with pytest.raises(ServerStopping):
            job.wait()
    assert not scheduler._thread.is_alive()


def test_an_idle_scheduler_does_nothing(llama: Backbone, scheduled: Callable[..., Scheduler]) -> None:
    scheduler = scheduled(Model(llama))
    scheduler.submit(Request(PROMPTS[0], None, 3)).wait()
    time.sleep(0.05)
    passes: list[object] = []
    scheduler._writer.step = lambda: passes.append(0) or []  # type: ignore[method-assign, func-returns-value]
    before = time.thread_time(), time.process_time()
    time.sleep(0.3)
    assert passes == []
    assert time.process_time() - before[1] < 0.1


def test_a_reader_that_leaves_its_event_loop_holds_nobody_up(
    llama: Backbone, scheduled: Callable[..., Scheduler]
) -> None:
    model = Model(llama)
    scheduler = scheduled(model)

    async def leave() -> Job:
        job = scheduler.submit(Request(PROMPTS[0], None, 40))
        reader = asyncio.create_task(job.result())
        await asyncio.sleep(0)
        reader.cancel()
        return job

    with Held(model):
        job = asyncio.run(leave())  # the loop is closed before the first token
    assert same(job.wait(), alone(model, job.request))
    assert asyncio.run(job.result()).tokens == job.wait().tokens


def test_an_event_loop_is_never_held_up(endless: Model, scheduled: Callable[..., Scheduler]) -> None:
    """While the engine is busy elsewhere, submitting, following and cancelling return to the loop at once."""
    scheduler = scheduled(endless)

    async def follow() -> float:
        with Held(endless):
            start = time.perf_counter()
            jobs = [scheduler.submit(Request(PROMPTS[0], None, 5)) for _ in range(20)]
            readers = [asyncio.create_task(job.result()) for job in jobs]
            await asyncio.sleep(0.01)
            for job in jobs[1:]:
                job.cancel()
            scheduler.counts()
            spent = time.perf_counter() - start
        assert (await readers[0]).finish == "length"
        assert all(isinstance(e, JobCancelled) for e in (await asyncio.gather(*readers, return_exceptions=True))[1:])
        return spent

    assert asyncio.run(follow()) < 1


def test_threads_that_switch_at_every_chance_lose_no_update(
    llama: Backbone, scheduled: Callable[..., Scheduler]
) -> None:
    model, before = Model(llama), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        scheduler, requests = scheduled(model), mixed(llama, 16)

        def read(number: int) -> list[JobUpdate]:
            return [scheduler.submit(requests[(number + i) % 16], client=str(number)).wait() for i in range(4)]

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(read, range(8)))
    finally:
        sys.setswitchinterval(before)
    for number, updates in enumerate(found):
        for i, update in enumerate(updates):
            assert same(update, alone(model, requests[(number + i) % 16]))


@pytest.mark.slow
@pytest.mark.bundled
def test_hundreds_of_requests_of_many_clients_on_a_real_model(
    smol: Backbone, scheduled: Callable[..., Scheduler]
) -> None:
    """300 requests from 32 clients under 40 interventions, a third cancelled: every reply of a sample is as if alone.

    The sample is a reply for every second intervention; of all finished replies the length is checked.
    """
    model = Model(smol)
    directions = random_directions(smol)
    directions = 4 * directions / directions.norm(dim=-1, keepdim=True)
    cells: list[Intervention | None] = [None]
    for i in range(39):
        positions = ("all", "after_prompt", "generated")[i % 3]
        cells.append(Intervention({5 + i % 20: directions[i % 30]}, 1.0 + i % 5, "raw", positions))
    starts = ["The sea is", "My favourite food is", "In the morning I", "Once upon a time", "Two plus two is"]
    prompts = [tuple(smol.tokenizer.encode(start)) for start in starts]
    requests = [
        Request(prompts[i % 5], cells[(7 * i) % 40], 3 + i % 4, Sampling(i) if i % 4 == 3 else None) for i in range(300)
    ]
    scheduler, source = scheduled(model, most_waiting=400), random.Random(0)
    finished: dict[int, JobUpdate] = {}

    async def client(number: int) -> None:
        for index in range(number, 300, 32):
            job = scheduler.submit(requests[index], client=str(number))
            try:
                async for update in job:
                    if index % 3 == 0 and source.random() < 0.5:
                        job.cancel()
                    if update.finish is not None:
                        finished[index] = update
            except JobCancelled:
                continue

    async def clients() -> None:
        await asyncio.gather(*(client(number) for number in range(32)))

    asyncio.run(clients())
    eventually(lambda: scheduler.counts().rows == 0)
    counts = scheduler.counts()
    assert counts.finished == len(finished) >= 200
    assert counts.cancelled == 300 - len(finished) > 30
    assert (counts.failed, counts.refused, counts.waiting, counts.running) == (0, 0, 0, 0)
    for index, update in finished.items():
        assert update.finish == "end" or len(update.tokens) == requests[index].max_new_tokens
    sample = list({id(requests[index].intervention): index for index in sorted(finished)}.values())[::2]
    for index in sample:
        assert same(finished[index], alone(model, requests[index])), requests[index]
    assert len(sample) == 20
