"""The lock of a model: threads get it in the order in which they ask, however busy one of them is."""

from __future__ import annotations

import ctypes
import threading
import time

import pytest

from trimtab.engines._turns import TurnLock


def test_a_thread_that_takes_it_again_and_again_waits_its_turn() -> None:
    lock, turns, stop = TurnLock(), [0], threading.Event()

    def busy() -> None:
        while not stop.is_set():
            with lock:
                turns[0] += 1
                time.sleep(0.001)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        while not turns[0]:
            time.sleep(0.001)
        waited = []
        for _ in range(20):
            before = turns[0]
            with lock:
                waited.append(turns[0] - before)
    finally:
        stop.set()
        thread.join()
    assert max(waited) <= 2  # the turn that was under way, and one that began before this thread asked


def test_only_one_thread_has_it_and_in_the_order_of_asking() -> None:
    lock, inside, order = TurnLock(), [], []

    def ask(number: int) -> None:
        with lock, lock:  # reentrant
            inside.append(number)
            assert inside == [number]
            order.append(number)
            inside.remove(number)

    with lock:
        threads = []
        for number in range(8):
            threads.append(threading.Thread(target=ask, args=(number,)))
            threads[-1].start()
            while len(lock._waiting) <= number:
                time.sleep(0.0005)
    for thread in threads:
        thread.join(10)
    assert order == list(range(8))


def test_an_error_inside_lets_it_go() -> None:
    lock = TurnLock()
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    taken = []
    thread = threading.Thread(target=lambda: taken.append(lock.__enter__()))
    thread.start()
    thread.join(10)
    assert taken == [lock]


class Interrupted(BaseException):
    """As of a keyboard."""


def test_a_thread_that_is_interrupted_while_it_waits_loses_no_turn_of_the_others() -> None:
    lock, order = TurnLock(), []

    def ask(name: str) -> None:
        try:
            with lock:
                order.append(name)
        except Interrupted:
            order.append("interrupted")

    with lock:
        threads = [threading.Thread(target=ask, args=(name,)) for name in ("first", "second")]
        for count, thread in enumerate(threads):
            thread.start()
            while len(lock._waiting) <= count:
                time.sleep(0.0005)
        # Raised as soon as the thread runs again, which is when it has been given the lock.
        assert threads[0].ident is not None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threads[0].ident), ctypes.py_object(Interrupted))
    for thread in threads:
        thread.join(10)
    assert order == ["interrupted", "second"]
    with lock:
        assert lock._depth == 1
