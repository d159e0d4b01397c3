"""Work of the model beside replies: comparisons, trials, vectors made of pairs; one at a time, behind a short queue."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import TypeVar

from trimtab.errors import JobCancelled, QueueFull

MAX_WAITING = 64
"""Of all clients; one client machine other than this one may have half of these places, as in the scheduler."""
_RETRY_SECONDS = 2.0

T = TypeVar("T")


class SideWork:
    """A thread that works for requests in their order, so that they take one turn of the model at a time between them.

    Work whose client leaves is dropped while it waits, and asked to stop while it runs.
    """

    def __init__(self, most_waiting: int = MAX_WAITING):
        self._most = most_waiting
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trimtab-side-work")
        self._waiting: Counter[str] = Counter()
        """Pieces of work that have not ended, by client; changed in the event loop only."""

    async def run(self, work: Callable[[], T], client: str, stop: Event | None = None) -> T:
        """The result of some work.

        Args:
            work: what is done in the thread.
            client: who asks.
            stop: set when nobody waits any more; long work looks at it.

        Raises:
            QueueFull: when too much waits.
        """
        most = max(1, self._most // 2) if client else self._most
        if self._waiting.total() >= self._most or self._waiting[client] >= most:
            raise QueueFull("too much other work of this server waits; try again", _RETRY_SECONDS)
        loop = asyncio.get_running_loop()
        self._waiting[client] += 1
        future = self._thread.submit(work)

        def ended(_: object) -> None:
            with suppress(RuntimeError):  # the loop was closed: nobody counts there any more
                loop.call_soon_threadsafe(self._ended, client)

        future.add_done_callback(ended)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.cancel()
            if stop is not None:
                stop.set()
            raise

    def close(self) -> None:
        """Drop what waits."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ended(self, client: str) -> None:
        self._waiting[client] -= 1
        self._waiting += Counter()  # drops those at 0


def stopping(stop: Event) -> Callable[[int, int], None]:
    """Progress of long work that ends it at the next step once nobody waits for it."""

    def look(done: int, total: int) -> None:
        if stop.is_set():
            raise JobCancelled("nobody waits for it any more")

    return look
