"""Work beside replies: one piece at a time, a short queue, and nothing done for those that have left."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from served import chat_model
from trimtab.data import Behavior, Pair
from trimtab.errors import JobCancelled, QueueFull
from trimtab.serve.http.side_work import SideWork, stopping
from trimtab.vectors import extract


def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        time.sleep(0.01)
    pytest.fail("it never came to that")


def test_pieces_of_work_run_one_at_a_time_in_their_order() -> None:
    side, seen, inside = SideWork(), [], threading.Semaphore(1)

    def piece(number: int) -> int:
        assert inside.acquire(blocking=False), "another one runs"
        time.sleep(0.01)
        seen.append(number)
        inside.release()
        return number

    async def every() -> list[int]:
        return await asyncio.gather(*(side.run(lambda n=n: piece(n), "") for n in range(5)))  # type: ignore[misc]

    assert asyncio.run(every()) == seen == [0, 1, 2, 3, 4]


def test_too_much_waiting_work_is_refused_and_one_machine_gets_half_of_the_places() -> None:
    async def ask() -> None:
        side, hold = SideWork(4), threading.Event()
        waiting = [asyncio.ensure_future(side.run(hold.wait, client)) for client in ("far", "far", "", "")]
        await asyncio.sleep(0)
        for client in ("far", "", "other"):
            with pytest.raises(QueueFull) as caught:
                await side.run(hold.wait, client)
            assert caught.value.retry_after > 0
        hold.set()
        await asyncio.gather(*waiting)
        await asyncio.sleep(0.05)
        assert await side.run(lambda: "free again", "far") == "free again"

        hold.clear()
        waiting = [asyncio.ensure_future(side.run(hold.wait, "far")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await side.run(hold.wait, "far")
        near = asyncio.ensure_future(side.run(hold.wait, ""))
        hold.set()
        await asyncio.gather(*waiting, near)

    asyncio.run(ask())


def test_work_whose_client_leaves_is_dropped_while_it_waits_and_stopped_while_it_runs() -> None:
    done: list[str] = []

    def long(stop: threading.Event) -> None:
        look = stopping(stop)
        try:
            for step in range(1000):
                look(step, 1000)
                time.sleep(0.01)
        except JobCancelled:
            done.append("stopped")
            raise

    async def leave() -> None:
        side, stop = SideWork(), threading.Event()
        running = asyncio.ensure_future(side.run(lambda: long(stop), "", stop))
        waiting = asyncio.ensure_future(side.run(lambda: done.append("never wanted"), ""))
        await asyncio.sleep(0.05)
        for task in (waiting, running):
            task.cancel()
        await asyncio.gather(waiting, running, return_exceptions=True)
        await asyncio.to_thread(until, lambda: bool(done))
        assert await side.run(lambda: "next", "") == "next"

    asyncio.run(leave())
    assert done == ["stopped"]


def test_extraction_ends_at_its_next_step_once_nobody_waits() -> None:
    stop = threading.Event()
    stop.set()
    pairs = tuple(Pair(str(n), f"Question {n}", "Yes!", "No.") for n in range(4))
    with pytest.raises(JobCancelled):
        extract(chat_model(), Behavior("glad", pairs), progress=stopping(stop))
