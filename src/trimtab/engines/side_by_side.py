"""Independent pieces of work on one model: one after the other, or sharing streams where its weights are streamed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from trimtab.engines.model import Model
from trimtab.engines.transformers.engine import TransformersEngine

T = TypeVar("T")


def shares_streams(model: Model) -> bool:
    """Whether independent pieces of work are better run together: the model's weights are streamed."""
    return isinstance(model.engine, TransformersEngine) and model.engine.backbone.stream is not None


def run_side_by_side(
    model: Model, works: Sequence[Callable[[], T]], held_bytes: Sequence[int] | None = None
) -> list[T]:
    """Run independent pieces of work and return what they give.

    On a model whose weights are streamed, the passes that each of them wants next share one stream. This
    thread runs each of them, one at a time, until it wants the model. Everywhere else they run one after the other.

    Args:
        model: All of them use it.
        works: The pieces. None may wait for another, and an error of one ends all.
        held_bytes: What each holds in memory until its end, beside what passes need; nothing by default.
    """
    if not shares_streams(model):
        return [work() for work in works]
    from trimtab.engines.transformers.probing.exactness import exactness_of
    from trimtab.engines.transformers.streaming.shared_streams import SharedStreams, job_here

    assert isinstance(model.engine, TransformersEngine)
    engine = model.engine
    exactness, job = exactness_of(engine.backbone), job_here(engine.backbone)
    streams = SharedStreams(engine.backbone, engine.budget, exactness.resetting) if job is None else job.streams
    return streams.run(works, [0] * len(works) if held_bytes is None else held_bytes)


@contextmanager
def one_at_a_time(model: Model) -> Iterator[None]:
    """Let one of several pieces of work at a time do what the others need as well, and then find done."""
    if not shares_streams(model):
        yield
        return
    from trimtab.engines.transformers.streaming.shared_streams import exclusive

    with exclusive():
        yield


def seconds_of(model: Model) -> Callable[[], float]:
    """A clock in seconds for work on a model: pieces that run side by side count their own time only."""
    if not shares_streams(model):
        return time.monotonic
    from trimtab.engines.transformers.streaming.shared_streams import seconds_here

    return seconds_here
