"""Keys and values of a beginning, computed once and read by every row that continues it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache


@dataclass
class Beginning:
    """Keys and values of tokens already run, for each layer [rows, kv_heads, tokens, head_size]."""

    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    per_cell: bool = False
    """True: one row for each cell that exists at that layer (a steered head shared by all prompts of a batch).
    False: one row for each prompt, or a single one, shared by all cells."""
    tokens: int = 0
    """How many it will hold, while it is being recorded."""

    @property
    def length(self) -> int:
        """Tokens held."""
        return self.tokens or (self.keys[0].shape[2] if self.keys else 0)

    def part(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of a layer; the pass that records them has to have been through it, and no more."""
        return self.keys[layer], self.values[layer]

    def free(self, layer: int) -> None:
        """Hold nothing of a layer any more: no pass will read it again."""
        for held in (self.keys, self.values):
            if layer < len(held):
                held[layer] = held[layer].new_empty(0)


class SharedCache(DynamicCache):  # type: ignore[misc]  # transformers has no types
    """The cache a model sees: returns beginning + present, and keeps the sum only when asked to.

    Nothing is written back to the beginning, so a steered row can never leak into an unsteered one.
    """

    def __init__(self, beginning: Beginning | None, *, base_rows: int, into: Beginning | None = None):
        super().__init__()
        self.beginning, self.base_rows, self.recorded = beginning, base_rows, into

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> Any:
        """Called by the attention of layer `layer_idx` with the keys and values of the present tokens."""
        if self.beginning is not None and self.beginning.length:
            keys, values = self.beginning.part(layer_idx)
            key_states, value_states = self._after(keys, key_states), self._after(values, value_states)
        if self.recorded is not None:
            self.recorded.keys.append(key_states)
            self.recorded.values.append(value_states)
        return key_states, value_states

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens before the present ones."""
        return self.beginning.length if self.beginning is not None else 0

    def get_mask_sizes(self, query_length: Any, layer_idx: int = 0) -> tuple[int, int]:
        """Keys that a mask of the model's own is for, and where they begin."""
        present = query_length if isinstance(query_length, int) else query_length.shape[0]  # before transformers 5.3
        return self.get_seq_length() + present, 0

    def _after(self, past: Tensor, present: Tensor) -> Tensor:
        rows = present.shape[0]
        if past.shape[0] == 1:
            past = past.expand(rows, -1, -1, -1)
        elif past.shape[0] != rows:
            assert self.beginning is not None
            # Rows are cell-major: all prompts of the first cell, then all of the second.
            if self.beginning.per_cell:
                past = past.repeat_interleave(self.base_rows, dim=0)
            else:
                past = past.repeat(rows // past.shape[0], 1, 1, 1)
        return torch.cat([past, present], dim=2)
