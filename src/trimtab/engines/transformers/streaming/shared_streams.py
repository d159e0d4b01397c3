"""Independent jobs on streamed weights: the next passes of all of them share one stream.

Every job is a greenlet. Where its code wants passes to run (`together`), it waits, and the next job runs until it wants
some too. When none can continue without passes, one stream serves all that have room beside each other.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, Generic, TypeVar

import torch
from greenlet import GreenletExit, getcurrent, greenlet

from trimtab.engines.transformers.packing.budget import Budget
from trimtab.engines.transformers.streaming._lockstep import Fiber, Lockstep
from trimtab.engines.transformers.streaming.stream_groups import fitting
from trimtab.engines.transformers.streaming.together import GatheredPasses, current_job, weights_of
from trimtab.models import Backbone

T = TypeVar("T")


class StreamJob(Generic[T]):
    """A piece of work that waits whenever it wants passes to run."""

    def __init__(self, streams: SharedStreams, work: Callable[[], T], parent: StreamJob[Any] | None, held_bytes: int):
        self.streams, self.parent, self.held_bytes = streams, parent, held_bytes
        self.children: list[StreamJob[Any]] = []
        self.done = False
        self.error: BaseException | None = None
        self.problem: BaseException | None = None
        """Raised where it waits."""
        self._given_up = False
        self._seconds, self._since = 0.0, 0.0
        self._gradients = torch.is_grad_enabled()
        self._work = work
        self._greenlet = greenlet(self._run)
        self._greenlet.gr_context = copy_context()

    def shares(self, backbone: Backbone) -> bool:
        """Whether it runs here and now, and shares the streams of this model."""
        return self.streams.backbone is backbone and getcurrent() is self._greenlet

    def stream(self, passes: GatheredPasses) -> None:
        """Wait until passes have run, in a stream with those of other jobs; raises what one of them raised."""
        self.streams.parked.append((self, passes))
        self.wait()

    def wait(self) -> None:
        """Let other jobs run until this one is resumed; called from inside of it."""
        if not self._given_up:
            self._greenlet.parent.switch()
        if self._given_up:
            raise GreenletExit
        problem, self.problem = self.problem, None
        if problem is not None:
            raise problem

    def resume(self) -> None:
        """Run it until it waits or ends; called by what runs all jobs."""
        # Contexts of jobs overlap, and a thread has one gradient mode.
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(self._gradients)
        self._since = time.monotonic()
        self._greenlet.parent = getcurrent()
        try:
            self._greenlet.switch()
        finally:
            self._seconds, self._since = self.seconds, 0.0
            self._gradients = torch.is_grad_enabled()
            torch.set_grad_enabled(before)

    def give_up(self) -> None:
        """End it where it waits, with what it has started."""
        for child in self.children:
            child.give_up()
        self._given_up = True
        if self._greenlet:  # one that never began has nothing to end
            self.resume()
        self.done = True

    @property
    def seconds(self) -> float:
        """What it has taken, of streams that it shares its part."""
        return self._seconds + (time.monotonic() - self._since if self._since else 0.0)

    def add_seconds(self, seconds: float) -> None:
        """Count its part of what it shares."""
        self._seconds += seconds

    def value(self) -> T:
        """What the work gave."""
        return self._value

    def _run(self) -> None:
        current_job.set(self)
        try:
            self._value = self._work()
        except BaseException as error:  # raised again where the job was started
            self.error = error
        self.done = True


class SharedStreams:
    """Jobs on one streamed model.

    Args:
        backbone: the model.
        budget: room for passes that wait, and for what jobs hold.
        reset: gives a pass that makes a model forget the longest text so far, where it is one whose long texts change
            others: passes of several jobs would meet it in another order than one after the other, so none are shared.
    """

    def __init__(self, backbone: Backbone, budget: Budget, reset: Callable[[], Callable[[], object] | None]):
        self.backbone, self.budget, self._reset = backbone, budget, reset
        self.parked: deque[tuple[StreamJob[Any], GatheredPasses]] = deque()
        """Jobs that want passes to run."""
        self._new: deque[StreamJob[Any]] = deque()
        self._ready: deque[StreamJob[Any]] = deque()
        self._begun: list[StreamJob[Any]] = []
        """Those that have begun and not ended."""
        self._owner: StreamJob[Any] | None = None
        self._depth = 0
        self._queue: deque[StreamJob[Any]] = deque()
        """Jobs that wait for `exclusive`."""

    def run(self, works: Sequence[Callable[[], T]], held_bytes: Sequence[int]) -> list[T]:
        """What each piece of work gives; an error of one ends all of them.

        Args:
            works: The pieces; they may run jobs of their own.
            held_bytes: What each holds in memory until it ends; those that have no room beside others begin later.
        """
        parent = job_here(self.backbone)
        jobs = [StreamJob(self, work, parent, held) for work, held in zip(works, held_bytes, strict=True)]
        self._new += jobs
        if parent is not None:
            parent.children = jobs
            if jobs:
                parent.wait()
            return [job.value() for job in jobs]
        try:
            while not all(job.done for job in jobs):
                self._begin()
                if self._ready:
                    self._resume(self._ready.popleft())
                elif self.parked:
                    self._stream()
                else:
                    raise RuntimeError("jobs on a streamed model wait for each other")
        finally:
            for job in jobs:
                if not job.done:
                    job.give_up()
        return [job.value() for job in jobs]

    @contextmanager
    def exclusive(self, job: StreamJob[Any]) -> Iterator[None]:
        """One job at a time; another that comes here waits, while passes run on."""
        if self._owner is not None and self._owner is not job:
            self._queue.append(job)
            try:
                job.wait()  # it is handed over
            except BaseException:
                if self._owner is job:  # given up in between
                    self._hand_over()
                raise
        self._owner = job
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._hand_over()

    def _hand_over(self) -> None:
        self._owner = self._queue.popleft() if self._queue else None
        if self._owner is not None:
            self._ready.append(self._owner)

    def _begin(self) -> None:
        """Begin jobs in their order, as far as there is room for what they hold."""
        later: deque[StreamJob[Any]] = deque()
        for job in self._new:
            held = sum(other.held_bytes for other in self._begun)
            if held and job.held_bytes and held + job.held_bytes > self.budget.held_bytes:
                later.append(job)
            else:
                self._begun.append(job)
                self._ready.append(job)
        self._new = later

    def _resume(self, job: StreamJob[Any]) -> None:
        job.resume()
        if not job.done:
            return
        self._begun.remove(job)
        parent = job.parent
        if parent is None:
            if job.error is not None:
                raise job.error
            return
        parent.add_seconds(job.seconds)
        if job.error is not None:
            others = [other for other in parent.children if not other.done]
            for other in others:
                self._forget(other)
            for other in others:
                other.give_up()
            parent.problem = job.error
        if all(child.done for child in parent.children):
            parent.children = []
            self._ready.append(parent)

    def _forget(self, job: StreamJob[Any]) -> None:
        """Take a job that is given up out of every queue, and what it has started."""
        for child in job.children:
            self._forget(child)
        for queue in (self._new, self._ready, self._queue, self._begun):
            if job in queue:
                queue.remove(job)
        self.parked = deque(one for one in self.parked if one[0] is not job)

    def _stream(self) -> None:
        """One stream over the weights, or a few where passes need results of others."""
        weights = weights_of(self.backbone)
        assert weights is not None
        waiting, reset = list(self.parked), self._reset()
        chosen = [0] if reset is not None else fitting([passes.needs for _, passes in waiting], self.budget)
        sharing = [waiting[index] for index in chosen]
        self.parked = deque(one for index, one in enumerate(waiting) if index not in chosen)
        began = time.monotonic()
        try:
            with Lockstep(self.backbone, weights, self.budget.waiting_bytes).running() as lockstep:
                if reset is not None:
                    lockstep.start(reset)
                groups: list[Fiber[None]] = [
                    lockstep.start(lambda passes=passes: passes.run_in(lockstep), is_apart=True)  # type: ignore[misc]
                    for _, passes in sharing
                ]
                lockstep.finish()
            for (job, _), group in zip(sharing, groups, strict=True):
                job.problem = group.error
        except Exception as error:  # of the weights: all passes have ended with it
            for job, _ in sharing:
                job.problem = error
        for job, _ in sharing:
            job.add_seconds((time.monotonic() - began) / len(sharing))
            self._ready.append(job)


def job_here(backbone: Backbone | None = None) -> StreamJob[Any] | None:
    """The job whose code this is, of any model or of one; None outside of jobs, and in passes of theirs."""
    job = current_job.get()
    if not isinstance(job, StreamJob):
        return None
    return job if job.shares(backbone or job.streams.backbone) else None


@contextmanager
def exclusive() -> Iterator[None]:
    """Let one job at a time do what others would do again, such as finding out what a model can; nothing elsewhere."""
    job = job_here()
    if job is None:
        yield
        return
    with job.streams.exclusive(job):
        yield


def seconds_here() -> float:
    """A clock for what this code takes: in a job its own time, with its part of the streams that it shares."""
    job = job_here()
    return time.monotonic() if job is None else job.seconds
