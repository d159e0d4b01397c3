"""Many questions at once, in a thread of their own, so that an iterator can hand out answers as they come."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from trimtab.evaluation.judges.services import Said, Service, ask

FIRST_PAUSE_SECONDS = 3.0
"""Before the second try; doubled for each further one."""
_LOOKS_UP_SECONDS = 0.5
_GOODBYE_SECONDS = 5.0

Answer = tuple[str, Said]
"""The key of a question, and what came of it."""


@dataclass
class Asking:
    """One pass over some questions.

    Args:
        service: what is asked.
        model: the same, opened; closed at the end.
        keys: of the questions, in the order they are asked.
        question: the text of one, made when its turn comes.
        attempts: how often a question is tried where trying again may help.
        stop_after: how many questions in a row may fail until the rest is not asked any more.
    """

    service: Service
    model: Any
    keys: Sequence[str]
    question: Callable[[str], str]
    attempts: int
    stop_after: int
    _in_a_row: int = field(default=0, init=False)
    _given_up: str = field(default="", init=False)

    async def run(self, tell: Callable[[Answer], None]) -> None:
        """Ask everything, `max_connections` at a time, and tell each answer as it comes."""
        left = iter(self.keys)

        async def worker() -> None:
            for key in left:
                tell((key, await self._answer(key)))

        async with self.model:
            workers = [asyncio.ensure_future(worker()) for _ in range(self.service.max_connections)]
            try:
                await asyncio.gather(*workers)
            finally:
                for task in workers:
                    task.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _answer(self, key: str) -> Said:
        said = Said(failure=self._given_up)
        for attempt in range(self.attempts):
            if self._given_up:
                break
            if attempt:
                pause = max(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), said.wait_seconds)
                await asyncio.sleep(min(pause, self.service.timeout_seconds))
            said = await ask(self.model, self.question(key), self.service.timeout_seconds)
            if not said.again:
                break
        self._count(said)
        return said

    def _count(self, said: Said) -> None:
        self._in_a_row = self._in_a_row + 1 if said.failure else 0
        if self._in_a_row >= self.stop_after and not self._given_up:
            self._given_up = (
                f"not asked, as {self._in_a_row} questions in a row failed before it; the last: {said.failure}"
            )


def in_thread(asking: Asking, keep: Callable[[Answer], None]) -> Generator[Answer, None, None]:
    """Run it in a thread with a loop of its own, so that a loop that runs here already, as in Jupyter, does not matter.

    Closing the iterator stops the work, and so does Ctrl-C.

    Args:
        asking: what to run.
        keep: called here with each answer, also with those that came but that nobody waits for any more: they are paid.
    """
    came: queue.SimpleQueue[Answer | BaseException | None] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    work = loop.create_task(asking.run(came.put))
    thread = threading.Thread(target=_run, args=(loop, work, came.put), name="trimtab-judge", daemon=True)
    thread.start()
    try:
        while (answer := _next(came)) is not None:
            keep(answer)
            yield answer
    finally:
        with contextlib.suppress(RuntimeError):  # the loop is closed where the work is done
            loop.call_soon_threadsafe(work.cancel)
        thread.join(_GOODBYE_SECONDS)
        while not came.empty():
            if isinstance(late := came.get(), tuple):
                keep(late)


def _run(
    loop: asyncio.AbstractEventLoop, work: asyncio.Task[None], tell: Callable[[BaseException | None], None]
) -> None:
    error: BaseException | None = None
    try:
        loop.run_until_complete(work)
    except asyncio.CancelledError:
        pass
    except BaseException as raised:
        error = raised
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    tell(error)


def _next(came: queue.SimpleQueue[Answer | BaseException | None]) -> Answer | None:
    while True:
        try:
            answer = came.get(timeout=_LOOKS_UP_SECONDS)  # without a time limit, Windows would not see Ctrl-C
        except queue.Empty:
            continue
        if isinstance(answer, BaseException):
            raise answer
        return answer
