"""Passes in step: every one is a greenlet that waits in front of each decoder layer of the unmodified model.

A hub puts the weights of a layer in place, lets every pass that waits there through it, in the order in which they were
started, and takes the next layer. So each module of the model meets the passes in the same order as if they ran
one after the other, and a pass that continues another's beginning finds the keys and values of each layer recorded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import Any, Generic, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet
from torch import Tensor, nn

from trimtab._util.layer_progress import report_layer
from trimtab.engines.transformers.sharing.shared_cache import Beginning
from trimtab.engines.transformers.streaming._waiting_states import WaitingStates
from trimtab.engines.transformers.streaming.together import LayerWeights
from trimtab.models import Backbone
from trimtab.models.eager import inference
from trimtab.steering.push_check import pass_of_notes

T = TypeVar("T")


class Fiber(Generic[T]):
    """A piece of work that runs passes, side by side with others of its lockstep."""

    def __init__(
        self,
        lockstep: Lockstep,
        work: Callable[[], T],
        parent: Fiber[Any] | None,
        context: Context | None = None,
        *,
        is_apart: bool = False,
    ):
        self.lockstep, self.parent = lockstep, parent
        self.is_apart = is_apart
        """Whether its error is for those alone who ask for its result."""
        self.children: list[Fiber[Any]] = []
        self.done = False
        self.error: BaseException | None = None
        self.waiters: deque[Fiber[Any]] = deque()
        """Those that wait for its result."""
        self.queue: deque[Fiber[Any]] | None = None
        """Where it waits."""
        self.greenlet = greenlet(lambda: self._run(work))
        # Hooks act in the context that armed them: each pass arms its own in a copy of its starter's.
        self.greenlet.gr_context = copy_context() if context is None else context

    def _run(self, work: Callable[[], T]) -> None:
        pass_of_notes.set(self)
        try:
            self._value = work()
        except BaseException as error:  # raised again where this work was started
            self.error = error
        self.done = True

    def wait_in(self, queue: deque[Fiber[Any]]) -> None:
        """Let others run until it is this one's turn; called from inside of its work."""
        self.queue = queue
        queue.append(self)
        self.greenlet.parent.switch()  # to the one that resumed it

    def result(self) -> T:
        """What the work gave; waits for it, and raises what it raised."""
        while not self.done:
            me = self.lockstep.fiber_here()
            if me is None:
                self.lockstep.finish()
            else:
                me.wait_in(self.waiters)
        if self.error is not None:
            raise self.error
        return self._value


class Lockstep:
    """One or more streams over the weights of a model.

    Args:
        backbone: the model.
        weights: its layers.
        waiting_bytes: memory for the states of passes that wait; None: as much as they take.
    """

    def __init__(self, backbone: Backbone, weights: LayerWeights, waiting_bytes: int | None):
        self.backbone, self.weights = backbone, weights
        self.states = WaitingStates(waiting_bytes)
        layers = backbone.anatomy.layers
        self._queues: list[deque[Fiber[Any]]] = [deque() for _ in layers]
        self._fibers: dict[greenlet, Fiber[Any]] = {}
        """Those that have not ended, in the order in which they were started."""
        self._next: deque[tuple[Fiber[Any], BaseException | None]] = deque()
        """Work that resumes because something that it started has ended, or has failed."""
        self._failed: BaseException | None = None
        self._beginnings: list[Beginning] = []
        self._hub: greenlet = getcurrent()

    @contextmanager
    def running(self) -> Iterator[Lockstep]:
        """Gates stand in front of the layers; whatever has not ended with the context is given up."""
        # Modes of evaluation, eagerness and gradients are the thread's or the process's: the outermost contexts hold
        # them, so that it does not matter in which order those of single passes end.
        handles: list[Any] = []
        with inference(self.backbone.model), self.weights.taken(), self.states.open():
            try:
                for index, layer in enumerate(self.backbone.anatomy.layers):
                    handles.append(layer.register_forward_pre_hook(self._gate(index), with_kwargs=True, prepend=True))
                yield self
            finally:
                self._give_up(list(self._fibers.values()))
                for handle in handles:
                    handle.remove()

    def start(self, work: Callable[[], T], context: Context | None = None, *, is_apart: bool = False) -> Fiber[T]:
        """Run work until it waits in front of the first layer; called by the hub or by other work.

        Args:
            work: Runs passes.
            context: In which it runs; a copy of the caller's by default.
            is_apart: Whether an error of it leaves other work as it is.
        """
        parent = self.fiber_here()
        fiber = Fiber(self, work, parent, context, is_apart=is_apart)
        if parent is not None:
            parent.children.append(fiber)
        self._fibers[fiber.greenlet] = fiber
        self._resume(fiber)
        if parent is None:
            self._deliver()
        elif fiber.error is not None:
            raise fiber.error
        return fiber

    def finish(self) -> None:
        """Walk up the layers until all work is done."""
        while self._fibers:
            if not any(self._queues):
                raise RuntimeError("passes of the model wait for each other")
            self._walk()

    def free_behind(self, beginning: Beginning) -> None:
        """Free the keys and values of a beginning layer by layer, when every pass has read them."""
        self._beginnings.append(beginning)

    def fiber_here(self) -> Fiber[Any] | None:
        """The work that asks; None in the hub, and in passes of others."""
        return self._fibers.get(getcurrent())

    def _walk(self) -> None:
        """One stream over the weights."""
        for layer, queue in enumerate(self._queues):
            if queue:
                with self.weights.present(layer):
                    while queue:
                        self._resume(queue[0])
                        self._deliver()
            for beginning in self._beginnings:
                beginning.free(layer)
            report_layer(layer + 1, len(self._queues))
        self._beginnings.clear()

    def _gate(self, layer: int) -> Callable[..., None]:
        def wait(module: nn.Module, args: Any, kwargs: Any) -> None:
            fiber = self.fiber_here()
            if fiber is None:
                return
            hidden: Tensor = args[0] if args else kwargs["hidden_states"]
            with self.states.waiting(hidden):
                fiber.wait_in(self._queues[layer])

        return wait

    def _resume(self, fiber: Fiber[Any], error: BaseException | None = None) -> None:
        """Let work run on, from wherever it waits, until it waits again or ends."""
        if fiber.queue is not None:
            fiber.queue.remove(fiber)
            fiber.queue = None
        fiber.greenlet.parent = getcurrent()
        if error is None:
            fiber.greenlet.switch()
        else:
            fiber.greenlet.throw(type(error), error, error.__traceback__)
        if fiber.done:
            self._end(fiber)

    def _end(self, fiber: Fiber[Any]) -> None:
        del self._fibers[fiber.greenlet]
        parent, error = fiber.parent, fiber.error
        if error is not None:
            self._give_up(fiber.children)
            if parent is None:
                self._failed = self._failed or (None if fiber.is_apart else error)
            elif not parent.done and parent is not self.fiber_here():  # if it runs, `start` raises it there
                self._next.append((parent, error))
        self._next += [(waiter, None) for waiter in fiber.waiters if waiter is not parent or error is None]

    def _deliver(self) -> None:
        """In the hub: wake what waits for results that are there, and pass errors on to those who started the work."""
        while self._next and self._failed is None:
            fiber, error = self._next.popleft()
            if not fiber.done:
                self._resume(fiber, error)
        if self._failed is not None:
            raise self._failed

    def _give_up(self, fibers: Iterable[Fiber[Any]]) -> None:
        """End work wherever it waits, and what it has started."""
        for fiber in fibers:
            if not fiber.done:
                self._resume(fiber, GreenletExit())
