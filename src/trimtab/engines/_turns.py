"""Work step by step: threads that share a model take turns, and what is written is counted as it comes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from trimtab._util.callbacks import Progress
from trimtab.engines.requests import Reply, Request, Writing

Item = TypeVar("Item")


class TurnLock:
    """A reentrant lock that threads get in the order in which they ask.

    An ordinary lock may be taken again at once by the thread that has just let it go, however long others have waited:
    one that writes token by token would leave no turn to the rest.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[tuple[int, threading.Lock]] = deque()
        """Threads, and what each sleeps on."""
        self._owner: int | None = None
        self._depth = 0

    def __enter__(self) -> TurnLock:
        me = threading.get_ident()
        with self._mutex:
            if self._owner in (None, me):
                self._owner = me
                self._depth += 1
                return self
            ticket = threading.Lock()
            ticket.acquire()
            self._waiting.append((me, ticket))
        try:
            ticket.acquire()  # the thread before hands the lock over
        except BaseException:  # interrupted
            self._give_up(me, ticket)
            raise
        return self

    def __exit__(self, *problem: object) -> None:
        with self._mutex:
            self._depth -= 1
            if not self._depth:
                self._hand_over()

    def _hand_over(self) -> None:
        self._owner = None
        if self._waiting:
            self._owner, ticket = self._waiting.popleft()
            self._depth = 1
            ticket.release()

    def _give_up(self, me: int, ticket: threading.Lock) -> None:
        with self._mutex:
            if (me, ticket) in self._waiting:
                self._waiting.remove((me, ticket))
            else:  # it was this thread's turn already
                self._depth = 0
                self._hand_over()


def take_turns(lock: TurnLock, work: Iterator[Item], begun: Callable[[], None] = lambda: None) -> Iterator[Item]:
    """Iterate over `work`, holding the lock while it computes an item and not while the caller uses it.

    So iterators of several threads, or of one, advance in turns, and none waits for another's reader.

    Args:
        lock: Of the model.
        work: The iterator.
        begun: Called when the first item is requested.
    """
    try:
        begun()
        while True:
            with lock:
                try:
                    item = next(work)
                except StopIteration:
                    return
            yield item
    finally:
        close = getattr(work, "close", None)
        if close is not None:
            with lock:
                close()


def counted(
    writings: Iterator[tuple[int, Writing]], requests: Sequence[Request], progress: Progress
) -> Iterator[tuple[int, Reply]]:
    """The finished replies; what is written of the others is counted as a part of them."""
    written = [0.0] * len(requests)
    total, reported = 0.0, -1
    for index, writing in writings:
        share = len(writing.tokens) / requests[index].max_new_tokens if writing.finish is None else 1.0
        total += share - written[index]
        written[index] = share
        if (whole := int(total + 1e-6)) > reported:
            reported = whole
            progress(whole, len(requests))
        if writing.finish is not None:
            yield index, writing.reply()


def pieces(writings: Iterator[tuple[int, Writing]]) -> Iterator[str]:
    """What each token adds to a text."""
    done = ""
    for _, writing in writings:
        yield writing.text[len(done) :]
        done = writing.text
