"""Chat calls: many requests at once in a thread of their own, retried, cached and counted."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trimtab.llm.cache import open_cache
from trimtab.llm.cost import Cost, RunningCost
from trimtab.llm.services import Completion, Service, request_completion

FIRST_PAUSE_SECONDS = 3.0
"""Pause before the second attempt; doubled for each further one."""
_POLL_SECONDS = 0.5
_SHUTDOWN_TIMEOUT_SECONDS = 5.0

KeyedCompletion = tuple[str, Completion]
"""The key of a request, and its completion."""


class ChatClient:
    """Sends prompts to a language model: with retries, a cache on disk and a running cost.

    Args:
        model: The model's name in inspect_ai, for the cost.
        attempts: Attempts for each prompt, where a retry may help.
        stop_after: Consecutive failures after which the rest is not sent.
        price: Dollars per million tokens, in and out.
        cache: A file; True for `cache_name` in trimtab's cache folder, False for no cache.
        cache_name: The file's name in the cache folder.
        is_cacheable: Whether a completion without a failure is worth keeping, such as one that can be parsed.
    """

    def __init__(
        self,
        model: str,
        *,
        attempts: int,
        stop_after: int,
        price: tuple[float, float] | None,
        cache: str | Path | bool,
        cache_name: str,
        is_cacheable: Callable[[Completion], bool],
    ):
        self._attempts, self._stop_after = attempts, stop_after
        self._cache = open_cache(cache, cache_name)
        self._spent = RunningCost(Cost(model, price=price, estimated=False))
        self._is_cacheable = is_cacheable

    @property
    def spent(self) -> Cost:
        """What was sent so far, with the tokens that the service reported."""
        return self._spent.now

    def look_up(self, keys: Sequence[str]) -> dict[str, Completion]:
        """Cached completions of those of the requests that have one.

        Raises:
            RunError: When the cache is damaged.
        """
        found = self._cache.look_up(keys) if self._cache else {}
        return {key: Completion(text) for key, text in found.items()}

    def count_cached(self, requests: int) -> None:
        """Add requests that the cache answered to what was spent."""
        self._spent.add(cached=requests)

    def send(
        self, service: Service, keys: Sequence[str], prompt: Callable[[str], str]
    ) -> Generator[KeyedCompletion, None, None]:
        """Yield (key, completion) as they arrive, failures included. Closing the iterator stops the work.

        Args:
            service: Where to send them.
            keys: One for each request, in the order of sending.
            prompt: The prompt of a key, made when it is sent.

        Raises:
            SettingError: When the service cannot be opened. Raised here, not by the iterator.
        """
        batch = _Batch(service, service.open(), keys, prompt, self._attempts, self._stop_after)
        return self._completions(batch)

    def _completions(self, batch: _Batch) -> Generator[KeyedCompletion, None, None]:
        completions = _in_thread(batch, self._record)
        try:
            yield from completions
        finally:
            completions.close()
            if self._cache:
                self._cache.close()

    def _record(self, keyed: KeyedCompletion) -> None:
        key, completion = keyed
        if completion.failure:
            return
        tokens_in, tokens_out = completion.input_tokens, completion.output_tokens
        self._spent.add(calls=1, input_tokens=tokens_in, output_tokens=tokens_out)
        if self._cache and self._is_cacheable(completion):
            self._cache.store(key, completion.text, tokens_in, tokens_out)


@dataclass
class _Batch:
    """Requests that are sent together, `max_connections` at a time."""

    service: Service
    model: Any
    """The opened service; closed at the end."""
    keys: Sequence[str]
    prompt: Callable[[str], str]
    attempts: int
    stop_after: int
    _consecutive_failures: int = field(default=0, init=False)
    _abandoned: str = field(default="", init=False)
    """Why the rest is not sent; "" while it is."""

    async def run(self, emit: Callable[[KeyedCompletion], None]) -> None:
        """Send all of them, and emit each completion as it arrives."""
        left = iter(self.keys)

        async def worker() -> None:
            for key in left:
                emit((key, await self._complete(key)))

        async with self.model:
            workers = [asyncio.ensure_future(worker()) for _ in range(self.service.max_connections)]
            try:
                await asyncio.gather(*workers)
            finally:
                for task in workers:
                    task.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _complete(self, key: str) -> Completion:
        completion = Completion(failure=self._abandoned)
        for attempt in range(self.attempts):
            if self._abandoned:
                break
            if attempt:
                pause = max(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), completion.retry_after_seconds)
                await asyncio.sleep(min(pause, self.service.timeout_seconds))
            completion = await request_completion(self.model, self.prompt(key), self.service.timeout_seconds)
            if not completion.retryable:
                break
        self._count(completion)
        return completion

    def _count(self, completion: Completion) -> None:
        self._consecutive_failures = self._consecutive_failures + 1 if completion.failure else 0
        if self._consecutive_failures >= self.stop_after and not self._abandoned:
            self._abandoned = (
                f"not asked, as {self._consecutive_failures} questions in a row failed before it; the last: "
                f"{completion.failure}"
            )


def _in_thread(batch: _Batch, record: Callable[[KeyedCompletion], None]) -> Generator[KeyedCompletion, None, None]:
    """Run a batch in a thread with an event loop of its own, so that one that runs here, as in Jupyter, is no obstacle.

    Closing the iterator stops the work, and so does Ctrl-C.

    Args:
        batch: What to run.
        record: Called here with each completion, also with late ones that nobody waits for: they are paid.
    """
    arrived: queue.SimpleQueue[KeyedCompletion | BaseException | None] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    work = loop.create_task(batch.run(arrived.put))
    thread = threading.Thread(target=_run, args=(loop, work, arrived.put), name="trimtab-llm", daemon=True)
    thread.start()
    try:
        while (keyed := _next(arrived)) is not None:
            record(keyed)
            yield keyed
    finally:
        with contextlib.suppress(RuntimeError):  # the loop is closed where the work is done
            loop.call_soon_threadsafe(work.cancel)
        thread.join(_SHUTDOWN_TIMEOUT_SECONDS)
        while not arrived.empty():
            if isinstance(late := arrived.get(), tuple):
                record(late)


def _run(
    loop: asyncio.AbstractEventLoop, work: asyncio.Task[None], emit: Callable[[BaseException | None], None]
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
    emit(error)


def _next(arrived: queue.SimpleQueue[KeyedCompletion | BaseException | None]) -> KeyedCompletion | None:
    while True:
        try:
            keyed = arrived.get(timeout=_POLL_SECONDS)  # without a time limit, Windows would not see Ctrl-C
        except queue.Empty:
            continue
        if isinstance(keyed, BaseException):
            raise keyed
        return keyed
