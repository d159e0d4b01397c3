"""vLLM's processes leave when to end to their starter: Ctrl-C does not stop them, the starter's end does.

Without this, Ctrl-C in a terminal reaches every process of it, and the engine of a chat would be gone with the answer
that was to be stopped. And nothing watches on behalf of vLLM's engine core: where the starter is killed it would
continue for ever, with the memory that the next engine needs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_VARIABLE = "TRIMTAB_VLLM_OWNER"
_LOOK_SECONDS = 0.5
_SHUTDOWN_TIMEOUT_SECONDS = 10
"""For an orderly end: vLLM takes its shared memory down."""


@contextmanager
def owned() -> Iterator[None]:
    """Processes of vLLM that are started here belong to this one."""
    os.environ[_VARIABLE] = str(os.getpid())
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE, None)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until this is done; pressed again, it does not.

    Half of a message would be the end of the engine, and a queue that is left in the middle can stay locked.

    Raises:
        KeyboardInterrupt: afterwards, if there was one.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    handle, waiting = before, list[tuple[int, Any]]()

    def later(number: int, frame: Any) -> None:
        if waiting:
            handle(number, frame)
        waiting.append((number, frame))

    signal.signal(signal.SIGINT, later)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if waiting:
            handle(*waiting[0])


def end_with_owner() -> None:
    """In a process that an owned engine has started: be deaf to Ctrl-C, and watch for the end of the starter."""
    parent = multiprocessing.parent_process()
    owner = os.environ.get(_VARIABLE)
    if parent is None or parent.pid is None or owner is None or owner == str(os.getpid()):
        return
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent.pid,), name="trimtab-process-guard", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_SHUTDOWN_TIMEOUT_SECONDS)
    os._exit(1)
