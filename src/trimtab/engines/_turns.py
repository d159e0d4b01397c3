"""Threads that share a model take turns, one step of its work at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

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
