"""Rows that are being written: each with its own length, its own keys and values, its own pushes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers import DynamicCache

from trimtab.engines.transformers.packing.batches import Batch, Visibility
from trimtab.models import hidden_of, with_hidden
from trimtab.steering import Aim, Condition, Intervention, PushCheck, one_pass
from trimtab.steering.push_check import Key
from trimtab.steering.pushes import Look, push_further

STEP = 16
"""Keys are handed out in multiples of this, so that their shapes recur."""


class SlotCache(DynamicCache):  # type: ignore[misc]  # transformers has no types
    """Keys and values of rows of any length, side by side: token i of a row stands at place i.

    The first `len(lengths)` rows are in use. A pass brings one new token for each of them.
    """

    def __init__(self, rows: int, tokens: int):
        super().__init__()
        self.rows, self.tokens = rows, tokens
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.lengths: list[int] = []
        """Tokens of each row that have been run."""
        self._places: Tensor | None = None

    def reserve(self, rows: int, tokens: int) -> None:
        """Hold places for that number of rows, each of that number of tokens; the rows in use stay as they are."""
        used, width = len(self.lengths), max(self.lengths, default=0)
        if not used:
            self.keys, self.values = [], []
        elif (rows, tokens) != (self.rows, self.tokens):
            for held in (self.keys, self.values):
                for layer, old in enumerate(held):  # one by one: no more than one of them is there twice
                    held[layer] = old.new_zeros(rows, old.shape[1], tokens, old.shape[3])
                    held[layer][:used, :, :width] = old[:used, :, :width]
        self.rows, self.tokens = rows, tokens

    def append(self, parts: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Open a row with what was run beforehand: keys and values for each layer, [kv_heads, tokens, head_size]."""
        if not self.keys:
            for k, v in parts:
                for held, part in ((self.keys, k), (self.values, v)):
                    held.append(part.new_zeros(self.rows, part.shape[0], self.tokens, part.shape[2]))
        row, length = len(self.lengths), parts[0][0].shape[1]
        for layer, (k, v) in enumerate(parts):
            self.keys[layer][row, :, :length] = k
            self.values[layer][row, :, :length] = v
        self.lengths.append(length)

    def parts(self, row: int) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of a row in use, for each layer [kv_heads, tokens, head_size]."""
        length = self.lengths[row]
        return [(k[row, :, :length], v[row, :, :length]) for k, v in zip(self.keys, self.values, strict=True)]

    def remove(self, row: int) -> None:
        """Close a row; the last one takes its place."""
        last = len(self.lengths) - 1
        if row != last:
            for held in (*self.keys, *self.values):
                held[row] = held[last]
        self.lengths[row] = self.lengths[last]
        self.lengths.pop()

    @property
    def width(self) -> int:
        """Places that the next pass looks at."""
        return min(self.tokens, -(-(max(self.lengths) + 1) // STEP) * STEP)

    def next_batch(self, tokens: Sequence[int]) -> Batch:
        """The pass over one more token of each row in use."""
        count = len(tokens)
        return Batch(
            ids=torch.tensor(tokens)[:, None],
            positions=torch.tensor(self.lengths)[:, None],
            steered=torch.zeros(count, 1, dtype=torch.bool),
            visibility=self.visibility(),
            padding=None,
            read_rows=torch.arange(count),
            read_columns=torch.zeros(count, dtype=torch.long),
        )

    def visibility(self) -> Visibility:
        """What each row's next token sees: its own tokens and itself."""
        distance = np.array(self.lengths)[:, None, None] - np.arange(self.width)[None, None, :]
        return Visibility(sees=distance >= 0, distance=distance.astype(np.int32))

    def advance(self) -> None:
        """After a pass: its tokens are part of the rows."""
        self.lengths = [length + 1 for length in self.lengths]

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> Any:
        """Called by the attention of layer `layer_idx` with the keys and values of the new tokens."""
        if layer_idx == 0 or self._places is None:  # the same for all layers of a pass
            self._places = torch.tensor(self.lengths, device=key_states.device)
        places = self._places.to(key_states.device)
        rows = torch.arange(len(self.lengths), device=key_states.device)
        for held, new in ((self.keys[layer_idx], key_states), (self.values[layer_idx], value_states)):
            held[rows, :, places] = new[:, :, 0]
        used = slice(len(self.lengths)), slice(None), slice(self.width)
        return self.keys[layer_idx][used], self.values[layer_idx][used]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Places before the new tokens, as a mask counts them."""
        return self.width - 1 if self.lengths else 0


class _Group(NamedTuple):
    """Rows with the same kind of push at a layer."""

    rows: Tensor
    aim: Aim
    """Their pushes as one: a direction [rows, 1, d_model], a strength [rows, 1] and, where they are gated, a condition
    for each row."""
    keys: list[Key | None]
    """Their names in the check of pushes."""
    further: bool
    """Whether they are added up with those before them at this layer, and so measured on the same state."""


class RowPushes:
    """Pushes of rows that each write one token: rows with the same kind of push go together."""

    def __init__(self, device: torch.device, check: PushCheck):
        self.device, self.check = device, check
        self.table: dict[int, list[_Group]] = {}
        """Layer → groups, in the order of pushing."""

    def set(self, interventions: Sequence[Intervention | None]) -> None:
        """Steer these rows in the passes to come; None leaves a row alone."""
        groups: dict[tuple[int, int, str, bool, bool], list[tuple[int, Aim, Key | None]]] = {}
        for row, cell in enumerate(interventions):
            if cell is not None:
                for layer in cell.layers:
                    keys = self.check.keys(cell, layer)
                    added = False
                    for order, (aim, key) in enumerate(zip(cell.aims(layer), keys, strict=True)):
                        kind = (layer, order, aim.scale.name, aim.condition is None, added and aim.adds)
                        groups.setdefault(kind, []).append((row, aim, key))
                        added = aim.adds
        self.table = {}
        for (layer, *_, further), members in sorted(groups.items(), key=lambda item: item[0][:2]):
            rows, aims, names = zip(*members, strict=True)
            group = _Group(torch.tensor(rows, device=self.device), self._together(aims), list(names), further)
            self.table.setdefault(layer, []).append(group)

    def _together(self, aims: Sequence[Aim]) -> Aim:
        """Pushes of the same kind as one, with a row for each."""
        conditions = [aim.condition for aim in aims if isinstance(aim.condition, Condition)]
        return Aim(
            torch.stack([aim.direction for aim in aims]).to(self.device)[:, None],
            torch.tensor([aim.strength for aim in aims], device=self.device)[:, None],
            aims[0].scale,
            Condition(
                torch.stack([c.weight for c in conditions]).to(self.device)[:, None],
                torch.tensor([c.bias for c in conditions], device=self.device)[:, None],
            )
            if conditions
            else None,
        )

    @contextmanager
    def on(self, model: nn.Module, layers: Sequence[nn.Module]) -> Iterator[None]:
        """Arm the decoder layers of a model for one forward pass."""
        with one_pass(model) as hooks:
            for index, layer in enumerate(layers):
                hooks.after(layer, self._hook(index))
            yield

    def _hook(self, layer: int) -> Any:
        def steer(module: nn.Module, args: Any, output: Any) -> Any:
            groups = self.table.get(layer)
            if not groups:
                return None
            before = base = hidden = hidden_of(output)
            adds_up = any(group.further for group in groups)
            for group, aim, keys, further in groups:
                rows = group.to(hidden.device)  # layers may be on several devices
                some = hidden[rows]
                if adds_up and not further:
                    base = base.index_copy(0, rows, some)
                marks = torch.ones(some.shape[:2], dtype=torch.bool, device=some.device)
                measured = base[rows] if further else None
                pushed = push_further(some, [aim], marks, before[rows], self._look(keys), measured)
                hidden = hidden.index_copy(0, rows, pushed.hidden)
            return with_hidden(output, hidden)

        return steer

    def _look(self, keys: Sequence[Key | None]) -> Look:
        def look(_: int, marks: Tensor, before: Tensor, after: Tensor, wanted: Tensor) -> None:
            self.check.look_at_rows(keys, marks, before, after, wanted)

        return look
