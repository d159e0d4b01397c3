"""Steering an ordinary forward pass or a generation: hooks on the decoder layers, gone when the context ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.errors import SettingError
from trimtab.models import Backbone, cache_name, hidden_of, with_hidden
from trimtab.steering.interventions import Intervention, check_layers, is_steered
from trimtab.steering.pushes import Aim, push_each


@contextmanager
def steered(
    backbone: Backbone,
    interventions: Sequence[Intervention | None],
    prompt_lengths: Sequence[int] | None = None,
) -> Iterator[Steering]:
    """Steer every forward pass of the model while the context lasts.

    Args:
        backbone: the model.
        interventions: one for each row of the batch (None: leave the row alone), or a single one for all rows.
        prompt_lengths: tokens of each row's prompt. Without it, what a pass with an empty cache holds is the prompt; a
            pass without any cache that repeats the pass before it and adds one token goes on with that one's prompt.

    Raises:
        SettingError: for a layer that the model does not have; in the pass itself, for a number of rows that is not
            that of the interventions.
    """
    check_layers(interventions, len(backbone.anatomy.layers))
    rows = Steering(interventions, prompt_lengths)
    handles = [backbone.anatomy.decoder.register_forward_pre_hook(rows.locate, with_kwargs=True)]
    try:
        for layer in sorted({layer for i in interventions if i is not None for layer in i.layers}):
            module = backbone.anatomy.layers[layer]
            if rows.is_gated(layer):
                # In front of every hook: contexts in one another are to see the same state as one push with another.
                handles.append(module.register_forward_hook(rows.look(layer), prepend=True))
            handles.append(module.register_forward_hook(rows.hook(layer)))
        yield rows
    finally:
        for handle in handles:
            handle.remove()


class Steering:
    """Steering that lasts as long as its context. It knows where each token is: positions are absolute."""

    def __init__(self, interventions: Sequence[Intervention | None], prompt_lengths: Sequence[int] | None):
        self.interventions = list(interventions)
        self._paused = False
        self.given = prompt_lengths
        self.positions = self.prompt_lengths = torch.empty(0)
        self.real: Tensor | None = None
        self.uncached: Tensor | None = None
        """Tokens of the last pass, where it had no cache."""
        self._before: dict[int, Tensor] = {}
        """Layer → its output in this pass before anything was pushed, for gates."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave passes alone for a while: whoever runs them steers them otherwise."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    def locate(self, decoder: nn.Module, args: Any, kwargs: Any) -> None:
        """Before a pass: the absolute position of each token in it."""
        if self._paused:
            return
        ids = kwargs.get("input_ids", args[0] if args else None)
        tokens = ids if ids is not None else kwargs["inputs_embeds"]
        rows, width, device = tokens.shape[0], tokens.shape[1], tokens.device
        for given in (self.interventions, self.given):
            if given is not None and len(given) not in (1, rows):
                raise SettingError(f"the batch has {rows} rows, but {len(given)} were given to steer")
        cache = kwargs.get(cache_name(decoder), kwargs.get("past_key_values"))
        past = int(cache.get_seq_length()) if cache is not None else 0
        mask = kwargs.get("attention_mask")
        if torch.is_tensor(mask) and mask.dim() == 2:
            self.positions = (mask.long().cumsum(1) - 1)[:, -width:]
            self.real = mask[:, -width:].bool()
        else:
            self.positions = torch.arange(past, past + width, device=device).expand(rows, width)
            self.real = None
        if self.given is not None:
            self.prompt_lengths = torch.tensor(self.given, device=device)[:, None].expand(rows, 1)
        elif past == 0 and not (cache is None and self._goes_on(tokens)):
            self.prompt_lengths = self.positions.amax(1, keepdim=True) + 1
        self.uncached = tokens if cache is None else None

    def _goes_on(self, tokens: Tensor) -> bool:
        """Whether a pass without a cache is the next step of generation: the last pass and one more token."""
        return self.uncached is not None and torch.equal(tokens[:, :-1], self.uncached)

    def is_gated(self, layer: int) -> bool:
        """Whether any push at a layer has a condition."""
        cells = [c for c in self.interventions if c is not None and layer in c.layers]
        return any(aim.condition is not None for c in cells for aim in c.aims(layer))

    def look(self, layer: int) -> Any:
        """A forward hook that remembers what a decoder layer gives before it is pushed."""

        def remember(module: nn.Module, args: Any, output: Any) -> None:
            if not self._paused:
                self._before[layer] = hidden_of(output)

        return remember

    def hook(self, layer: int) -> Any:
        """The forward hook of one decoder layer."""
        cells = [(i, c, c.aims(layer)) for i, c in enumerate(self.interventions) if c is not None and layer in c.layers]

        def steer(module: nn.Module, args: Any, output: Any) -> Any:
            if self._paused:
                return None
            hidden = hidden_of(output)
            before = self._before.pop(layer, hidden)
            if len(self.interventions) == 1:
                return with_hidden(output, self._push(hidden, before, *cells[0][1:], slice(None)))
            new = hidden.clone()
            for row, cell, aims in cells:
                one = slice(row, row + 1)
                new[one] = self._push(hidden[one], before[one], cell, aims, one)
            return with_hidden(output, new)

        return steer

    def _push(self, hidden: Tensor, before: Tensor, cell: Intervention, aims: Sequence[Aim], rows: slice) -> Tensor:
        marks = is_steered(cell.positions, self.positions[rows], self.prompt_lengths[rows], cell.first_token)
        if self.real is not None:
            marks = marks & self.real[rows]
        return push_each(hidden, aims, marks.to(hidden.device), before)
