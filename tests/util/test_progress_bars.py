"""Bars for people at a terminal or a notebook, which end; nothing anywhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable

from trimtab._util.progress_bars import NotebookBars, named_progress_of, progress_of

WORK = """
from trimtab._util.progress_bars import progress_of
with progress_of({wanted}, "reading \\x1b[31m pairs") as advance:
    for done in range(4):
        if advance:
            advance(done, 3)
"""


def at_a_terminal(code: str) -> str:
    """What a process writes to the terminal that is its stderr."""
    parent, child = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", code], stderr=child, stdout=subprocess.PIPE, text=True)
    os.close(child)
    written = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        written += part
    os.close(parent)
    assert process.stdout is not None
    assert process.stdout.read() == ""
    assert process.wait() == 0
    return written.decode()


def test_a_bar_at_a_terminal_ends_and_names_cannot_steer_the_terminal() -> None:
    shown = at_a_terminal(WORK.format(wanted="True"))
    assert "3/3" in shown
    assert "reading" in shown
    assert "\x1b[31m pairs" not in shown


def test_who_wants_no_bar_gets_none() -> None:
    assert at_a_terminal(WORK.format(wanted="False")) == ""


def test_nothing_is_written_where_nobody_watches() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORK.format(wanted="True")], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_callbacks_of_the_caller_are_called() -> None:
    told: list[tuple[object, ...]] = []
    with progress_of(lambda done, total: told.append((done, total)), "work") as advance:
        assert advance is not None
        advance(1, 2)
    with named_progress_of(lambda what, done, total: told.append((what, done, total))) as named:
        named("work", 2, 2)
    assert told == [(1, 2), ("work", 2, 2)]


def test_bars_of_notebooks_replace_themselves_and_end() -> None:
    shown: list[dict[str, str]] = []

    def display(bundle: dict[str, str]) -> Callable[[dict[str, str]], None]:
        place = len(shown)
        shown.append(bundle)
        return lambda changed: shown.__setitem__(place, changed)

    bars = NotebookBars(display)
    for done in range(1001):
        bars.advance("sweeping <b>", done, 1000)
    bars.advance("judging", 0, 5)
    assert len(shown) == 2
    assert shown[0]["text/plain"].startswith("sweeping <b>: 1,000 of 1,000, 0:0")
    assert 'value="1000" max="1000"' in shown[0]["text/html"]
    assert "sweeping &lt;b&gt;" in shown[0]["text/html"]
    assert shown[1]["text/plain"].startswith("judging: 0 of 5")
