"""A reply that a server writes: its reader follows it from any thread or event loop, and may cancel it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from trimtab.engines import Finish, Request, TokenLogprob
from trimtab.engines.requests import Writing
from trimtab.errors import JobCancelled, JobTimeout, TrimtabError


@dataclass(frozen=True, eq=False)
class JobUpdate:
    """All that has been written of a reply so far."""

    tokens: tuple[int, ...]
    """Without the token that ended it."""
    finish: Finish | None
    """Why it ended; None while it is written."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of each token, where the request asks for them."""
    readings: tuple[Any, ...] = ()
    """What the request's watch has made of each token; the newest has none yet."""
    decode: Callable[[list[int]], str] = field(repr=False, default=lambda tokens: "")

    @classmethod
    def of(cls, writing: Writing) -> JobUpdate:
        """What is written now."""
        return cls(
            tuple(writing.tokens), writing.finish, tuple(writing.logprobs), tuple(writing.readings), writing.decode
        )

    @cached_property
    def text(self) -> str:
        """The text. Half of a character at its end waits for its other bytes."""
        return self.decode(list(self.tokens)).rstrip("\ufffd")


class Job:
    """A request that a `Scheduler` has taken; made by `Scheduler.submit`.

    Any number of readers may follow it, each by `for` in a thread or by `async for` in an event loop: they get an
    update after each token, or one of several tokens where they are slow. The last has `finish`.
    """

    def __init__(self, request: Request, client: str, seconds: float | None, cancel: Callable[[Job], None]):
        self.request, self.client, self.seconds = request, client, seconds
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self._cancel = cancel
        self._changed = threading.Condition()
        self._update: JobUpdate | None = None
        self._error: TrimtabError | None = None
        self._version = 0
        self._waiters: list[asyncio.Future[None]] = []

    def __iter__(self) -> Iterator[JobUpdate]:
        """Follow the reply from a thread.

        Raises:
            TrimtabError: what ended it: of its own (`SettingError` where a push overflows), `JobTimeout`,
                `JobCancelled`, `EngineFailed`, `ServerStopping`.
        """
        seen = 0
        while True:
            with self._changed:
                if has_news := self._changed.wait_for(partial(self._is_newer, seen), self._seconds_left()):
                    seen, update = self._version, self._current()
            if not has_news:
                self._time_out()
                continue
            yield update
            if update.finish is not None:
                return

    async def __aiter__(self) -> AsyncIterator[JobUpdate]:
        """Follow the reply from an event loop; errors as of `__iter__`."""
        seen = 0
        while True:
            while (waiter := self._waiter(seen)) is not None:
                done, _ = await asyncio.wait((waiter,), timeout=self._seconds_left())
                if not done:
                    self._time_out()
            with self._changed:
                seen, update = self._version, self._current()
            yield update
            if update.finish is not None:
                return

    def wait(self) -> JobUpdate:
        """The finished reply; errors as of `__iter__`."""
        *_, last = self
        return last

    async def result(self) -> JobUpdate:
        """The finished reply; errors as of `__iter__`."""
        async for update in self:
            last = update
        return last

    def cancel(self) -> None:
        """Give the reply up: its row is free at the next token. Any thread; nothing happens where it has ended."""
        if self.fail(JobCancelled("the reply was cancelled")):
            self._cancel(self)

    @property
    def ended(self) -> bool:
        """Whether no update will come."""
        with self._changed:
            return self._ended

    @property
    def latest(self) -> JobUpdate | None:
        """What has been written so far; None before the first token."""
        with self._changed:
            return self._update

    def publish(self, update: JobUpdate) -> list[asyncio.Future[None]]:
        """Show an update to the readers; returns what those in event loops wait for, see `wake`."""
        with self._changed:
            return [] if self._ended else self._change(update, None)

    def fail(self, error: TrimtabError) -> bool:
        """End the reply with an error; False where it has ended already."""
        with self._changed:
            if self._ended:
                return False
            waiters = self._change(self._update, error)
        wake(waiters)
        return True

    @property
    def _ended(self) -> bool:
        return self._error is not None or (self._update is not None and self._update.finish is not None)

    def _is_newer(self, seen: int) -> bool:
        return self._version != seen

    def _change(self, update: JobUpdate | None, error: TrimtabError | None) -> list[asyncio.Future[None]]:
        self._update, self._error = update, error
        self._version += 1
        self._changed.notify_all()
        waiters, self._waiters = self._waiters, []
        return waiters

    def _current(self) -> JobUpdate:
        if self._error is not None:
            raise self._error
        assert self._update is not None
        return self._update

    def _waiter(self, seen: int) -> asyncio.Future[None] | None:
        """What an event loop waits for; None where there is news."""
        with self._changed:
            if self._version != seen:
                return None
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters = [other for other in self._waiters if not other.done()] + [waiter]
            return waiter

    def _seconds_left(self) -> float | None:
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def _time_out(self) -> None:
        """End the reply if its time is over."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            assert self.seconds is not None
            if self.fail(JobTimeout(f"the reply was not finished within {self.seconds:g} seconds")):
                self._cancel(self)

    def time_out(self) -> bool:
        """End the reply if its time is over; whether it has ended."""
        self._time_out()
        return self.ended


def wake(waiters: list[asyncio.Future[None]]) -> None:
    """Let readers in event loops look: each loop is called once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for waiter in waiters:
        by_loop.setdefault(waiter.get_loop(), []).append(waiter)
    for loop, mine in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve, mine)
        except RuntimeError:  # the loop was closed: nobody reads there
            continue


def _resolve(waiters: list[Any]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
