"""Beginnings of texts that have been written: a later text that begins alike, pushed alike, does not run them again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from weakref import ref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trimtab.engines.requests import Request
from trimtab.engines.transformers.sharing.shared_cache import Beginning
from trimtab.models import Identity
from trimtab.steering import Intervention
from trimtab.steering.phases import markers_for, steered_tokens

MAX_TEXTS = 64
"""Texts that are held; each new prompt is compared with all of them."""
STEP = 16
"""Beginnings are cut to multiples of this, so that prompts that differ early on still run together."""


@dataclass(frozen=True, eq=False)
class _Text:
    """A text that has been run."""

    tokens: NDArray[np.int64]
    pushed: NDArray[np.bool_]
    """Which of them were pushed."""
    cell: ref[Intervention] | None
    """By what; None where none was."""
    keys: list[Tensor]
    """For each layer [1, kv_heads, tokens, head_size]."""
    values: list[Tensor]

    @property
    def bytes(self) -> int:
        """What its keys and values take."""
        return _bytes((*self.keys, *self.values))

    def shared(self, tokens: NDArray[np.int64], pushed: NDArray[np.bool_], cell: Intervention | None) -> int:
        """How many tokens of another text have the same keys and values."""
        length = min(len(tokens), len(self.tokens))
        differs = (tokens[:length] != self.tokens[:length]) | (pushed[:length] != self.pushed[:length])
        if self.cell is None or self.cell() is not cell:
            differs |= pushed[:length]
        return int(differs.argmax()) if differs.any() else length


class PrefixStore:
    """Holds the texts that were written last, as far as memory allows."""

    def __init__(self, identity: Identity, max_bytes: int):
        self.identity, self.max_bytes = identity, max_bytes
        self._texts: OrderedDict[int, _Text] = OrderedDict()
        """By number, the one that was used last at the end."""
        self._numbers = count()
        self._bytes = 0

    def add(self, request: Request, tokens: Sequence[int], parts: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Hold a text, unless it would take all the memory.

        Args:
            request: what it was written for.
            tokens: all of it that was run, the prompt first.
            parts: keys and values for each layer, [kv_heads, tokens, head_size]; copied.
        """
        if _bytes(part for both in parts for part in both) > self.max_bytes:
            return
        pushed = self._pushed(request, tokens)
        cell = request.intervention
        text = _Text(
            np.array(tokens, dtype=np.int64),
            pushed,
            ref(cell) if cell is not None and pushed.any() else None,
            [keys[None].clone() for keys, _ in parts],
            [values[None].clone() for _, values in parts],
        )
        self._texts[next(self._numbers)] = text
        self._bytes += text.bytes
        while self._texts and (self._bytes > self.max_bytes or len(self._texts) > MAX_TEXTS):
            self._bytes -= self._texts.popitem(last=False)[1].bytes

    def beginnings_of(self, requests: Sequence[Request]) -> list[Beginning | None]:
        """The longest beginning that is held of each prompt, its last token left out; the same one is one object."""
        found: dict[tuple[int, int], Beginning] = {}
        every: list[Beginning | None] = []
        for request in requests:
            number, length = self._longest(request)
            if length and (number, length) not in found:
                self._texts.move_to_end(number)
                text = self._texts[number]
                keys, values = ([part[:, :, :length] for part in parts] for parts in (text.keys, text.values))
                found[number, length] = Beginning(keys, values)
            every.append(found.get((number, length)))
        return every

    def _longest(self, request: Request) -> tuple[int, int]:
        """(number of a text, how much of a prompt it has)."""
        tokens = np.array(request.prompt, dtype=np.int64)
        pushed = self._pushed(request, request.prompt)
        lengths = {number: text.shared(tokens, pushed, request.intervention) for number, text in self._texts.items()}
        length = min(max(lengths.values(), default=0), len(tokens) - 1) // STEP * STEP
        # Several texts may have it: prompts that share it find it in the same one.
        return min((number for number, other in lengths.items() if other >= length), default=0), length

    def _pushed(self, request: Request, tokens: Sequence[int]) -> NDArray[np.bool_]:
        cell = request.intervention
        if cell is None:
            return np.zeros(len(tokens), dtype=bool)
        markers = markers_for([cell], self.identity)
        marks = steered_tokens(cell.positions, tokens, len(request.prompt), cell.first_token, markers)
        return marks.to(torch.bool).numpy()


def _bytes(parts: Iterable[Tensor]) -> int:
    return sum(part.numel() * part.element_size() for part in parts)
