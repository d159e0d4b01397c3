"""How the passes of a job run: one after the other, or, where the weights are streamed, all of them side by side.

Code that runs passes is the same for both: it starts them with `start` and asks for their results. Inside of `together`
with a model whose weights are streamed, a pass that was started waits in front of the first layer, and all of them
walk up the layers in step, so that each layer is read from disk once. Everywhere else `start` runs the pass at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from trimtab.models import Backbone

if TYPE_CHECKING:
    from trimtab.engines.transformers.sharing.shared_cache import Beginning
    from trimtab.engines.transformers.streaming._lockstep import Lockstep

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


_current: ContextVar[Lockstep | None] = ContextVar("trimtab_lockstep", default=None)


def weights_of(backbone: Backbone) -> LayerWeights | None:
    """The weights of a model that are streamed; None where all are in memory."""
    return backbone.stream


@contextmanager
def together(backbone: Backbone, waiting_bytes: int | None = None) -> Iterator[None]:
    """Let the passes that are started in the context share one stream over the weights; all have ended behind it.

    Without streamed weights, and inside of another such context, it changes nothing.

    Args:
        backbone: the model.
        waiting_bytes: memory for the states of passes that wait for their next layer; the rest goes to a file.
    """
    weights = weights_of(backbone)
    if weights is None or _current.get() is not None:
        yield
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
    lockstep = _current.get()
    return Done(work()) if lockstep is None else lockstep.start(work)


def start_recording(work: Callable[[], Any], made: Beginning) -> Beginning:
    """Start the pass that records a beginning, and return it for passes that are started behind it.

    In a stream they read each layer's keys and values right after they have been recorded; these are freed when all
    passes have been through the layer.
    """
    lockstep = _current.get()
    if lockstep is None:
        work()
    else:
        lockstep.start(work)
        lockstep.free_behind(made)
    return made
