"""How the passes of a job run: one after the other, or, where the weights are streamed, all of them side by side.

Code that runs passes is the same for both: it starts them with `start` and asks for their results. Inside of `together`
with a model whose weights are streamed, a pass that was started waits in front of the first layer, and all of them
walk up the layers in step, so that each layer is read from disk once. Everywhere else `start` runs the pass at once.

In an independent job (`shared_streams`) the passes of a context are gathered, and run when all jobs have some: they
share one stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from trimtab.models import Backbone

if TYPE_CHECKING:
    from trimtab.engines.transformers.sharing.shared_cache import Beginning
    from trimtab.engines.transformers.streaming._lockstep import Fiber, Lockstep

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class LayerWeights(Protocol):
    """The weights of a model's layers, read from disk when they are needed."""

    @property
    def layers(self) -> int:
        """How many layers there are."""
        ...

    @property
    def bytes_read(self) -> int:
        """Bytes that have been read since the start."""
        ...

    @property
    def seconds_reading(self) -> float:
        """What that took."""
        ...

    def bytes_of(self, layer: int) -> int:
        """Bytes of a layer on disk."""
        ...

    def present(self, layer: int) -> AbstractContextManager[None]:
        """The weights of a layer are in place while the context lasts."""
        ...

    def taken(self) -> AbstractContextManager[None]:
        """Layers are put in place by `present` only while the context lasts, and not by each pass of the model."""
        ...


class Pending(Protocol[T_co]):
    """A pass, or several, that may be under way still."""

    def result(self) -> T_co:
        """What it gives; waits for it, and raises what it raised."""
        ...


@dataclass(frozen=True)
class Done(Generic[T]):
    """A pass that has run."""

    value: T

    def result(self) -> T:
        """What it gave."""
        return self.value


@dataclass(frozen=True)
class PassBytes:
    """What a pass, or several, take between two layers, at their tallest."""

    waiting: int = 0
    """States, which may wait in a file."""
    held: int = 0
    """What has to be in memory: masks, and results until the stream ends."""

    def __add__(self, other: PassBytes) -> PassBytes:
        """Both at once."""
        return PassBytes(self.waiting + other.waiting, self.held + other.held)


NO_BYTES = PassBytes()


class SharingJob(Protocol):
    """An independent piece of work whose passes share streams with those of others."""

    def shares(self, backbone: Backbone) -> bool:
        """Whether it runs here and now, and shares the streams of this model."""
        ...

    def stream(self, passes: GatheredPasses) -> None:
        """Wait until the passes have run, in a stream with those of other jobs; raises what one of them raised."""
        ...


@dataclass(eq=False)
class GatheredPass(Generic[T]):
    """A pass of a job that starts with the next stream."""

    passes: GatheredPasses
    work: Callable[[], T]
    context: Context
    made: Beginning | None = None
    """What it records, to be freed behind each layer."""
    fiber: Fiber[T] | None = None

    def result(self) -> T:
        """What it gives; waits for it, and raises what it raised."""
        if self.fiber is None:
            self.passes.run()
        assert self.fiber is not None
        return self.fiber.result()


@dataclass(eq=False)
class GatheredPasses:
    """The passes that a job starts in one context."""

    job: SharingJob
    needs: PassBytes
    """What all of them take."""
    waiting: list[GatheredPass[Any]] = field(default_factory=list)

    def add(self, work: Callable[[], T], made: Beginning | None = None) -> GatheredPass[T]:
        """Start a pass with the next stream."""
        one = GatheredPass(self, work, copy_context(), made)
        self.waiting.append(one)
        return one

    def run(self) -> None:
        """Wait for the passes that were added so far."""
        if self.waiting:
            self.job.stream(self)

    def run_in(self, lockstep: Lockstep) -> None:
        """Start all of them in a stream, and wait for their results; called from inside of it."""
        started, self.waiting = self.waiting, []
        for one in started:
            one.context.run(_enter, lockstep)
            one.fiber = lockstep.start(one.work, one.context)
            if one.made is not None:
                lockstep.free_behind(one.made)
        for one in started:
            assert one.fiber is not None
            one.fiber.result()


_current: ContextVar[Lockstep | None] = ContextVar("trimtab_lockstep", default=None)
_gathered: ContextVar[GatheredPasses | None] = ContextVar("trimtab_gathered_passes", default=None)
current_job: ContextVar[SharingJob | None] = ContextVar("trimtab_sharing_job", default=None)
"""The independent job that this context belongs to."""


def _enter(lockstep: Lockstep) -> None:
    _current.set(lockstep)
    _gathered.set(None)


def weights_of(backbone: Backbone) -> LayerWeights | None:
    """The weights of a model that are streamed; None where all are in memory."""
    return backbone.stream


@contextmanager
def together(backbone: Backbone, waiting_bytes: int | None = None, needs: PassBytes = NO_BYTES) -> Iterator[None]:
    """Let the passes that are started in the context share one stream over the weights; all have ended behind it.

    Without streamed weights, and inside of another such context, it changes nothing.

    Args:
        backbone: the model.
        waiting_bytes: memory for the states of passes that wait for their next layer; the rest goes to a file.
        needs: what they take, where jobs that share streams have to have room beside each other.
    """
    weights = weights_of(backbone)
    if weights is None or _current.get() is not None or _gathered.get() is not None:
        yield
        return
    job = current_job.get()
    if job is not None and job.shares(backbone):
        passes = GatheredPasses(job, needs)
        _gathered.set(passes)
        try:
            yield
            passes.run()
        finally:
            _gathered.set(None)
        return
    from trimtab.engines.transformers.streaming._lockstep import Lockstep

    with Lockstep(backbone, weights, waiting_bytes).running() as lockstep:
        _current.set(lockstep)
        try:
            yield
            lockstep.finish()
        finally:
            _current.set(None)


def start(work: Callable[[], T]) -> Pending[T]:
    """Run a piece of work with one or more passes: at once, or side by side with the others of the context."""
    lockstep, gathered = _current.get(), _gathered.get()
    if lockstep is not None:
        return lockstep.start(work)
    return Done(work()) if gathered is None else gathered.add(work)


def start_recording(work: Callable[[], Any], made: Beginning) -> Beginning:
    """Start the pass that records a beginning, and return it for passes that are started behind it.

    In a stream they read each layer's keys and values right after they have been recorded; these are freed when all
    passes have been through the layer.
    """
    lockstep, gathered = _current.get(), _gathered.get()
    if gathered is not None:
        gathered.add(work, made)
    elif lockstep is None:
        work()
    else:
        lockstep.start(work)
        lockstep.free_behind(made)
    return made
