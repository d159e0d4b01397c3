"""Work step by step: threads that share a model take turns, and what is written is counted as it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from trimtab._util.callbacks import Progress
from trimtab.engines.requests import Reply, Request, Writing

Item = TypeVar("Item")


def take_turns(lock: threading.RLock, work: Iterator[Item], begun: Callable[[], None] = lambda: None) -> Iterator[Item]:
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
