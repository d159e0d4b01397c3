"""Memory that tensors are read into, again and again: fresh memory takes longer to get than to fill from a file."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

ALIGNMENT = 64
"""Bytes, as torch aligns its own memory: products may round differently elsewhere."""


class ReadBuffers:
    """Buffers that are used again as soon as no tensor stands on them any more."""

    def __init__(self) -> None:
        self.limit = 0
        """Bytes of all buffers together; what goes past that is memory of the tensor's own."""
        self._arrays: list[Any] = []

    def take(self, size: int) -> Tensor:
        """Bytes to read into, [size]; nobody else's while the tensor or a view of it lasts."""
        for place in range(len(self._arrays)):  # by number: a name for the array would count as a holder
            if len(self._arrays[place]) == size + ALIGNMENT and _holders(self._arrays, place) == _FREE:
                return _bytes_of(self._arrays[place], size)
        self._make_room(size)
        made = np.empty(size + ALIGNMENT, dtype=np.uint8)
        if sum(map(len, self._arrays)) + len(made) <= self.limit:
            self._arrays.append(made)
        return _bytes_of(made, size)

    def _make_room(self, size: int) -> None:
        """Give up free buffers of other sizes, as of layers of another kind, where a new one needs their room."""
        for place in reversed(range(len(self._arrays))):
            if sum(map(len, self._arrays)) + size + ALIGNMENT <= self.limit:
                return
            if _holders(self._arrays, place) == _FREE:
                del self._arrays[place]


def _bytes_of(array: Any, size: int) -> Tensor:
    start = -array.ctypes.data % ALIGNMENT
    return torch.from_numpy(array[start : start + size])  # holds the array as long as any tensor needs it


def _holders(arrays: list[Any], place: int) -> int:
    return sys.getrefcount(arrays[place])


_FREE = _holders([np.empty(1, dtype=np.uint8)], 0)
"""What the count is for an array that nothing but its list holds."""
