"""Processes of an owned engine end when their owner is killed, and are deaf to Ctrl-C; nobody else's are touched."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from trimtab.engines.vllm.guard.process_guard import end_with_owner, owned, uninterrupted
from workers import TESTS, is_gone

# An owner, with a child as vLLM starts its engine core; it tells the child's number.
OWNER = """
import contextlib, multiprocessing, sys, time
from trimtab.engines.vllm.guard.process_guard import owned
import test_process_guard

if __name__ == "__main__":
    with owned() if sys.argv[1] == "owned" else contextlib.nullcontext():
        child = multiprocessing.get_context("spawn").Process(target=test_process_guard.engine, daemon=False)
        child.start()
    time.sleep(60)
"""


def engine() -> None:
    """What the plugin does in each of vLLM's processes."""
    end_with_owner()
    print(os.getpid(), flush=True)
    signal.sigtimedwait([signal.SIGUSR1], 60)


def started(how: str) -> tuple[subprocess.Popen[str], int]:
    """An owner and its child."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, how],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(TESTS)])},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


def test_a_child_ends_when_its_owner_is_killed() -> None:
    owner, child = started("owned")
    owner.kill()
    owner.wait()
    assert is_gone(child)


def test_a_child_is_deaf_to_ctrl_c() -> None:
    owner, child = started("owned")
    os.kill(child, signal.SIGINT)
    assert not is_gone(child, 1)
    owner.kill()
    owner.wait()
    assert is_gone(child)


def test_a_process_that_nobody_owns_is_left_alone() -> None:
    owner, child = started("not owned")
    owner.kill()
    owner.wait()
    try:
        assert not is_gone(child, 2)
    finally:
        os.kill(child, signal.SIGKILL)


def test_the_owner_itself_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is a child, as in a pool of processes or on Ray."""
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: multiprocessing.current_process())
    before = signal.getsignal(signal.SIGINT)
    with owned():
        end_with_owner()
    assert signal.getsignal(signal.SIGINT) == before
    assert "TRIMTAB_VLLM_OWNER" not in os.environ


def test_ctrl_c_waits_until_a_message_is_sent() -> None:
    sent = []

    def send() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            sent.append("whole")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        send()
    assert sent == ["whole"]
    assert signal.getsignal(signal.SIGINT) == before
    with uninterrupted():
        sent.append("another")
    assert len(sent) == 2


def test_ctrl_c_pressed_again_does_not_wait() -> None:
    """What it waits for may never come."""
    reached = []

    def send() -> None:
        with uninterrupted():
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                reached.append(1)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        send()
    assert len(reached) == 1
    assert signal.getsignal(signal.SIGINT) == before


def test_messages_are_sent_from_other_threads_as_well() -> None:
    sent = []

    def send() -> None:
        with uninterrupted():
            sent.append(threading.current_thread())

    thread = threading.Thread(target=send)
    thread.start()
    thread.join()
    assert sent == [thread]
