"""The one-pass sweep: a batch that grows a step at each swept layer.

A model steered at layer ℓ is the unsteered model below ℓ. So the batch runs once; behind each swept layer the steered
copies of the unsteered rows join it, and all run together. One pass through the layers gives every cell exactly, and
touches each layer's weights once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engines.transformers._layer_arguments import LayerArguments, Learning
from trimtab.models import hidden_of, with_hidden
from trimtab.steering import Intervention, PushCheck, one_pass, push_each


class Staircase:
    """Forward hooks that grow a batch by one block of rows for each intervention, cell-major.

    Rows at any time: the unsteered ones, then one copy of them for each intervention whose first layer has passed.
    Behind the last layer the wanted states of all rows go to `states` [1 + cells, reads, d_model], and the model
    continues with the unsteered rows alone.
    """

    def __init__(
        self,
        cells: Sequence[Intervention],
        *,
        n_layers: int,
        rows: int,
        steered: Tensor,
        reads: tuple[Tensor, Tensor],
        arguments: LayerArguments | Learning,
        check: PushCheck,
    ):
        self.arguments = arguments
        self.cells, self.rows, self.steered, self.reads, self.check = cells, rows, steered, reads, check
        self.last = n_layers - 1
        self.joined: list[int] = []
        """The cells in the order in which they joined the batch."""
        self.states = torch.empty(0)
        self._joining: dict[int, list[int]] = {}
        for index, cell in enumerate(cells):
            self._joining.setdefault(cell.layers[0], []).append(index)

    @contextmanager
    def on(self, model: nn.Module, layers: Sequence[nn.Module]) -> Iterator[Staircase]:
        """Arm the decoder layers of a model for one forward pass."""
        self.joined = []
        self.check.begin()
        with one_pass(model) as hooks:
            for index, layer in enumerate(layers):
                hooks.before(layer, self._widen_arguments(index))
                hooks.after(layer, self._step(index))
            yield self

    def _widen_arguments(self, layer: int) -> Any:
        """Hidden states come in at today's height; masks and rotary embeddings were made for the first batch."""

        def hook(module: nn.Module, args: Any, kwargs: Any) -> Any:
            height = (args[0] if args else kwargs["hidden_states"]).shape[0]
            if height == self.rows:
                return None
            return self.arguments.widened(
                layer, args, kwargs, rows=self.rows, height=height, width=self.steered.shape[1]
            )

        return hook

    def _step(self, layer: int) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> Any:
            hidden = hidden_of(output)
            if layer == self.last:
                read_rows, columns = self.reads
                cells = hidden.reshape(-1, self.rows, *hidden.shape[1:])
                wanted = cells[:, read_rows.to(hidden.device), columns.to(hidden.device)]
                marks = self.steered[read_rows, columns][None].to(hidden.device)
                self.states = self._grow(wanted, layer, rows=1, steered=marks)
                self.check.settle(hidden.dtype)
                return with_hidden(output, hidden[: self.rows])
            marks = self.steered.to(hidden.device)  # layers may be on several devices
            return with_hidden(output, self._grow(hidden, layer, rows=self.rows, steered=marks))

        return hook

    def _grow(self, hidden: Tensor, layer: int, *, rows: int, steered: Tensor) -> Tensor:
        """Push the rows of cells that steer here again, then append the cells that begin here."""
        again = [(i, c) for i, c in enumerate(self.joined, start=1) if layer in self.cells[c].layers]
        if again:
            hidden = hidden.clone()
        for index, cell in again:
            block = slice(index * rows, (index + 1) * rows)
            hidden[block] = self._pushed(hidden[block], cell, layer, steered)
        new = self._joining.get(layer, [])
        self.joined += new
        return torch.cat([hidden, *(self._pushed(hidden[:rows], c, layer, steered) for c in new)]) if new else hidden

    def _pushed(self, hidden: Tensor, cell: int, layer: int, steered: Tensor) -> Tensor:
        chosen = self.cells[cell]
        return push_each(hidden, chosen.aims(layer), steered, look=self.check.look(chosen, layer))
