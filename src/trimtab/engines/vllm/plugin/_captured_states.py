"""States that wait in a worker for their client, as their chunks come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Pieces:
    """States of neighbouring tokens, in order: [tokens, d_model] each."""

    parts: list[Tensor] = field(default_factory=list)
    length: int = 0

    def add(self, offset: int, states: Tensor) -> None:
        """Put in the states of tokens from `offset` on.

        A request that lost its place computes tokens again: what comes again takes the place of what was there.

        Raises:
            RuntimeError: when tokens before these are missing.
        """
        if offset > self.length:
            raise RuntimeError(f"states of tokens {self.length} to {offset} were never computed")
        if offset < self.length:
            self.parts = [torch.cat(self.parts)[:offset]]
        self.parts.append(states)
        self.length = offset + len(states)

    def whole(self, count: int | None = None) -> Tensor:
        """All of them, [tokens, d_model].

        Raises:
            RuntimeError: when they are not as many as expected.
        """
        if count is not None and count != self.length:
            raise RuntimeError(f"{self.length} states were read where {count} were wanted")
        return torch.cat(self.parts)


@dataclass
class CapturedStates:
    """What requests have had read."""

    layers: dict[str, dict[int, Pieces]] = field(default_factory=dict)
    """Request → layer → states behind it."""
    final: dict[str, Pieces] = field(default_factory=dict)
    """Request → what the unembedding was given."""

    def drop(self, requests: Sequence[str]) -> None:
        """Requests whose states nobody wants any more."""
        for request in requests:
            self.layers.pop(request, None)
            self.final.pop(request, None)

    def __len__(self) -> int:
        """Requests that wait."""
        return len(self.layers) + len(self.final)
