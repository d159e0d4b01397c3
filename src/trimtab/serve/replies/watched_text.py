"""Texts that monitors read while they are written: one token more is written, so that the last one has a state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from trimtab.engines import Model
from trimtab.engines.requests import Request, Watch
from trimtab.models import Backbone
from trimtab.monitors import Monitor
from trimtab.serve.jobs import JobUpdate


def reads_while_writing(model: Model) -> bool:
    """Whether the engine gives the states of tokens while it writes them; vLLM does not."""
    return isinstance(model.backbone, Backbone)


@dataclass(frozen=True)
class TokenReading:
    """What monitors read at one token, of the states of the pass that wrote the text."""

    token: str
    logits: Mapping[str, float]
    """By the name of the monitor."""


def watch_of(monitors: Mapping[str, Monitor]) -> Watch:
    """Reads each token's logits {name: logit}."""
    layers = tuple(sorted({monitor.layer for monitor in monitors.values()}))
    rows = {layer: row for row, layer in enumerate(layers)}

    def read(states: Tensor) -> dict[str, float]:
        return {name: one.token_logit(states[rows[one.layer]]) for name, one in monitors.items()}

    return Watch(layers, read)


class WatchedText:
    """A request whose every token is read, and its updates as they would be without the token that is written for it.

    A token's state is computed in the pass behind it. So a token is shown when the next one has been written, and the
    text continues for one token behind its end, which is dropped.

    Args:
        request: what will be written.
        monitors: what reads it, by name.
    """

    def __init__(self, request: Request, monitors: Mapping[str, Monitor]):
        self._most, self._stop = request.max_new_tokens, request.stop
        self._looked = 0
        """Tokens at which the caller's `stop` could end the text."""
        self._stopped_at: int | None = None
        """How many tokens the text had when it did."""
        self.request = replace(
            request,
            max_new_tokens=request.max_new_tokens + 1,
            stop=self._stops_later if request.stop is not None else None,
            watch=watch_of(monitors),
        )

    def shown(self, update: JobUpdate) -> JobUpdate:
        """What has been read of an update; at the end of the text, all of it."""
        size = len(update.tokens) if update.finish is not None else len(update.readings)
        finish = update.finish
        if self._stopped_at is not None and self._stopped_at <= self._most:
            size, finish = min(size, self._stopped_at), finish and "stop"
        elif size >= self._most:
            size, finish = self._most, finish and "length"
        return replace(
            update,
            tokens=update.tokens[:size],
            finish=finish,
            logprobs=update.logprobs[:size],
            readings=update.readings[:size],
        )

    def _stops_later(self, text: str) -> bool:
        """One token behind the one at which the caller's `stop` holds."""
        if self._stopped_at is not None:
            return True
        self._looked += 1
        if self._stop is not None and self._stop(text):
            self._stopped_at = self._looked
        return False
