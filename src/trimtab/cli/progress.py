"""Progress on stderr: one bar with the time left over the steps that run, or a line for each step in a log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from trimtab._util.callbacks import NamedProgress
from trimtab._util.durations import duration
from trimtab._util.layer_progress import noting_layers
from trimtab.cli.steps import StepRecord, Steps
from trimtab.cli.terminal import echo, echo_text, is_terminal
from trimtab.inputs.characters import escaped
from trimtab.models.quiet import no_bars
from trimtab.study.step_names import TimedStep

SILENCE_SECONDS = 600
"""After this long without a line a log gets one about the step that runs."""
REFRESHES_PER_SECOND = 4


@contextmanager
def shown_progress(
    quiet: bool = False,
    title: str = "",
    expected: Mapping[str, TimedStep] | None = None,
    *,
    models: int = 1,
    ordered: bool = True,
) -> Iterator[NamedProgress]:
    """Show the progress of work on stderr; other libraries' bars stay away meanwhile.

    Args:
        quiet: Show nothing.
        title: Name of the whole, beside its bar.
        expected: What a plan expects of each step; without it each step has a bar of its own.
        models: How many models are worked on; with one alone its name is left out.
        ordered: Whether the steps come in the order of the plan.

    Yields:
        What is called with (step, done, total); a step that has begun must end.
    """
    with no_bars():
        steps = Steps(expected, ordered=ordered)
        if quiet:
            yield _nothing
        elif is_terminal(err=True):
            with _Bars(steps, title, models) as bars, noting_layers(bars.advance) as advance:
                yield advance
        else:
            with noting_layers(_Lines(steps, models).advance) as advance:
                yield advance


@contextmanager
def waiting(what: str, quiet: bool = False) -> Iterator[None]:
    """Show in a terminal that something is going on which is over in seconds; other libraries' bars stay away."""
    with no_bars():
        if quiet or not is_terminal(err=True):
            yield
            return
        with Console(stderr=True, highlight=False).status(Text(escaped(what))):
            yield


def _nothing(what: str, done: int, total: int) -> None:
    """Show nothing."""


class _Lines:
    """A line for each step when it is done, for logs."""

    def __init__(self, steps: Steps, models: int):
        self.steps, self.models = steps, models
        self.written: set[str] = set()
        self.last = steps.clock()

    def advance(self, what: str, done: int, total: int) -> None:
        record = self.steps.update(what, done, total)
        now = self.steps.clock()
        is_new = record.ended is not None and what not in self.written
        if is_new:
            self.written.add(what)
        if is_new or now - self.last > SILENCE_SECONDS:
            self.last = now
            echo(record.line(now, models=self.models), err=True)


class _Bars:
    """A bar over the whole and a line for each step that runs; steps that are done stay above as lines."""

    def __init__(self, steps: Steps, title: str, models: int):
        self.steps, self.title, self.models = steps, title, models
        self.written: set[str] = set()
        self.console = Console(stderr=True, highlight=False)
        self.live: Live | None = None

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        if self.live is not None:
            self.live.stop()

    def advance(self, what: str, done: int, total: int) -> None:
        if self.live is None:  # not before: until then a question may be asked
            self.live = Live(
                console=self.console, get_renderable=self._render, refresh_per_second=REFRESHES_PER_SECOND,
                transient=True,
            )  # fmt: skip
            self.live.start()
        record = self.steps.update(what, done, total)
        if record.ended is not None and what not in self.written:
            self.written.add(what)
            echo_text(record.line(self.steps.clock(), models=self.models), err=True)

    def _render(self) -> RenderableType:
        running = self.steps.running
        if not self.steps.expected:
            return Group(*(self._bar(record.done / max(1, record.total), self._line(record)) for record in running))
        left = f"about {duration(self.steps.seconds_left)} left" if self.steps.seconds_left >= 1 else "nearly done"
        whole = self._bar(self.steps.share, f"{self.steps.share:4.0%}, {left}", self.title)
        return Group(whole, *(_cropped(f"  {self._line(record)}") for record in running))

    def _line(self, record: StepRecord) -> str:
        return record.line(self.steps.clock(), models=self.models)

    def _bar(self, share: float, words: str, title: str = "") -> Table:
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(no_wrap=True, overflow="ellipsis", max_width=self.console.width // 3)
        row.add_column(ratio=1, min_width=8)
        row.add_column(no_wrap=True, overflow="ellipsis")
        row.add_row(Text(escaped(title)), ProgressBar(total=1.0, completed=share), Text(escaped(words)))
        return row


def _cropped(line: str) -> Text:
    return Text(escaped(line), no_wrap=True, overflow="ellipsis")
