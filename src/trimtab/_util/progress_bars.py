"""Progress bars for people at a terminal or a notebook; everywhere else nothing is shown."""

from __future__ import annotations

import html
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from trimtab._util.callbacks import NamedProgress, Progress, note_of
from trimtab._util.layer_progress import noting_layers

Place = Literal["", "terminal", "notebook"]
SECONDS_BETWEEN = 0.2
"""Between two drawings of a bar in a notebook, each of which is a message to the browser."""


def place() -> Place:
    """Where a person watches: a terminal, a notebook, or nowhere; of processes that torchrun started, the first."""
    if os.environ.get("RANK", "0") != "0":
        return ""
    ipython = sys.modules.get("IPython")  # if nobody has imported it, this is no notebook
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is not None:
        return "notebook"
    return "terminal" if sys.stderr is not None and sys.stderr.isatty() else ""


@contextmanager
def progress_of(progress: Progress | bool | None, what: str) -> Iterator[Progress | None]:
    """The callback of one piece of work: the caller's own, or that of a bar.

    Args:
        progress: True for a bar where a person watches, False or None for nothing, or the caller's callback.
        what: what is being done.
    """
    if not progress:
        yield None
        return
    if progress is True:
        bars = named_bars()
    else:
        call = progress
        bars = noting_layers(lambda what, done, total: call(done, total))
    with bars as advance:
        yield lambda done, total: advance(what, done, total)


@contextmanager
def named_progress_of(progress: NamedProgress | bool | None) -> Iterator[NamedProgress]:
    """The callback of work of several stages, as `progress_of`."""
    if not progress:
        yield _nothing
        return
    with named_bars() if progress is True else noting_layers(progress) as advance:
        yield advance


@contextmanager
def named_bars() -> Iterator[NamedProgress]:
    """A bar for each stage, where a person watches."""
    where = place()
    if where == "notebook":
        with noting_layers(NotebookBars(_display).advance) as advance:
            yield advance
    elif where == "terminal":
        with _terminal_bars() as shown, noting_layers(shown) as advance:
            yield advance
    else:
        yield _nothing


@contextmanager
def _terminal_bars() -> Iterator[NamedProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with RichProgress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(_printable(what), total=total)
            bars.update(tasks[what], completed=done, total=total, description=_printable(_noted(what, done)))

        yield advance


class NotebookBars:
    """Bars as HTML, which need no widgets: the output of a cell is replaced as the work proceeds.

    Args:
        display: shows a bundle of representations by MIME type, and returns what replaces it by another one.
    """

    def __init__(self, display: Callable[[dict[str, str]], Callable[[dict[str, str]], None]]):
        self._display = display
        self._replace: dict[str, Callable[[dict[str, str]], None]] = {}
        self._begun: dict[str, float] = {}
        self._drawn: dict[str, float] = {}

    def advance(self, what: str, done: int, total: int) -> None:
        """Draw a stage, if it begins, ends, or was drawn long enough ago."""
        now = time.monotonic()
        begun = self._begun.setdefault(what, now)
        if what in self._replace and done < total and now - self._drawn[what] < SECONDS_BETWEEN:
            return
        bundle = _bundle(_printable(_noted(what, done)), done, total, now - begun)
        self._drawn[what] = now
        if what in self._replace:
            self._replace[what](bundle)
        else:
            self._replace[what] = self._display(bundle)


def _bundle(what: str, done: int, total: int, seconds: float) -> dict[str, str]:
    left = seconds * (total - done) / done if 0 < done < total else 0.0
    words = f"{what}: {done:,} of {total:,}, {_clock(seconds)}" + (f", {_clock(left)} left" if left else "")
    bar = f'<progress value="{done}" max="{max(total, 1)}" style="width:14em;vertical-align:middle"></progress>'
    return {"text/plain": words, "text/html": f"<div>{bar} {html.escape(words)}</div>"}


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _display(bundle: dict[str, str]) -> Callable[[dict[str, str]], None]:
    """Show in the cell that is running."""
    shown = sys.modules["IPython"].display.display(bundle, raw=True, display_id=True)
    return lambda changed: shown.update(changed, raw=True)


def _noted(what: str, done: int) -> str:
    """What is being done, with the note of a count behind it."""
    return f"{what}, {note}" if (note := note_of(done)) else str(what)


def _printable(text: str) -> str:
    """Without characters that would steer a terminal, as names from elsewhere may hold them."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _nothing(what: str, done: int, total: int) -> None:
    """Show nothing."""
