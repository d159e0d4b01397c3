"""The `steer` contexts that a thread or task is in, and requests that carry what they ask for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import reduce

from trimtab.engines.requests import Request
from trimtab.models import Identity
from trimtab.steering import Intervention


@dataclass(eq=False)
class SteerContext:
    """What a `steer` context asks for, of its model and nobody else's."""

    backbone: Identity
    intervention: Intervention
    used: bool = False
    """Whether a request has carried it."""

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be one of the contexts of this thread or task."""
        _contexts.set((*_contexts.get(), self))
        try:
            yield
        finally:
            # Not by a token: a generator may be closed in another context than the one it was begun in.
            _contexts.set(tuple(other for other in _contexts.get() if other is not self))


_contexts: ContextVar[tuple[SteerContext, ...]] = ContextVar("trimtab_steer_contexts", default=())
"""Those that this thread or task is in, outermost first."""


def contexts_of(backbone: Identity) -> list[SteerContext]:
    """The contexts that steer a model here."""
    return [context for context in _contexts.get() if context.backbone is backbone]


def mark_used(contexts: Sequence[SteerContext]) -> None:
    """Note that a request has carried what these contexts ask for."""
    for context in contexts:
        context.used = True


def with_contexts(requests: Sequence[Request], contexts: Sequence[SteerContext]) -> list[Request]:
    """Requests that carry what contexts ask for."""
    combined: dict[int, Intervention | None] = {}  # the same one stays one object: the engine runs it together
    for request in requests:
        if id(own := request.intervention) not in combined:
            every = [*(c.intervention for c in contexts), *([own] if own is not None else [])]
            combined[id(own)] = reduce(Intervention.and_also, every) if every else None
    return [replace(r, intervention=combined[id(r.intervention)]) for r in requests]
