"""How far a stream over the weights of a model has come, beside the step that runs: its results come at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from trimtab._util.callbacks import NamedProgress, Noted

_watching: ContextVar[Callable[[int, int], None] | None] = ContextVar("trimtab_layer_progress", default=None)


def report_layer(done: int, layers: int) -> None:
    """Report that layers of a stream are done, to what shows progress in this context."""
    watching = _watching.get()
    if watching is not None:
        watching(done, layers)


@contextmanager
def noting_layers(advance: NamedProgress) -> Iterator[NamedProgress]:
    """Show the layers of streams beside the step that was last reported, while it is not done.

    Args:
        advance: Shows a step; it is called again with what it was last called with and a note, empty at the end.

    Yields:
        What shows a step in its place.
    """
    last: tuple[str, int, int] | None = None

    def step(what: str, done: int, total: int) -> None:
        nonlocal last
        last = what, done, total
        advance(what, done, total)

    def layer(done: int, layers: int) -> None:
        if last is not None and last[1] < last[2]:
            what, count, total = last
            advance(what, Noted(count, f"layer {done} of {layers}" if done < layers else ""), total)

    before = _watching.get()
    _watching.set(layer)
    try:
        yield step
    finally:
        _watching.set(before)
