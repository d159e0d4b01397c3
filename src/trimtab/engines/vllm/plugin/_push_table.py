"""Pushes inside a vLLM model: for each layer a table of directions, and for each token the number of its row.

Row 0 holds no push. The hook is plain tensor operations on buffers that never move, so that compilation fuses it and
recorded graphs replay it. What does not fit a row (several pushes at a layer, projections, gates), and the reading of
states, is done by the same functions as everywhere in trimtab, in steps that run uncompiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engines.vllm.plugin._captured_states import CapturedStates, Pieces
from trimtab.engines.vllm.plugin._residual_taps import Trial, joined, parts
from trimtab.errors import ModelError
from trimtab.steering import Intervention
from trimtab.steering.pushes import push_each

_COLUMNS = ("vector", "residual")
"""The two strengths of a row: in units of its direction, and of the norm of the state; see `Scale.length`."""


@dataclass(frozen=True)
class Stretch:
    """Neighbouring tokens of a step that belong to one request."""

    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class ByHand:
    """Tokens that are pushed in a way that does not fit a row."""

    where: Stretch
    intervention: Intervention


@dataclass(frozen=True, eq=False)
class Wanted:
    """Tokens whose states a request wants to have."""

    where: Stretch
    request: str
    offset: int
    """How many tokens of the request come before these, of those it wants."""
    layers: tuple[int, ...]


@dataclass
class Step:
    """What one forward pass is to do besides the rows."""

    by_hand: list[ByHand] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)

    @property
    def uncompiled(self) -> bool:
        """Whether Python has to run between the layers."""
        return bool(self.by_hand) or any(wanted.layers for wanted in self.wanted)


class Armed:
    """A model whose layers push and read what each step says."""

    def __init__(self, layers: Mapping[int, nn.Module], rows: int, max_tokens: int, width: int, device: torch.device):
        if not layers:
            raise ModelError("no decoder layer could be armed, so nothing would be steered")
        self.layers = dict(layers)
        self.width = width
        self.step = Step()
        self.captured = CapturedStates()
        self.trial: Trial | None = None
        """While there is one, layers are tried instead of steered."""
        self.row_of_token = torch.zeros(max_tokens, dtype=torch.long, device=device)
        self._device = device
        self._stained = 0
        """Tokens that may still have a row from the last step."""
        self._shares = dict.fromkeys(layers, 1.0)
        self._filled: dict[int, tuple[int, ...]] = {}
        for index, layer in self.layers.items():
            layer.register_buffer("trimtab_rows", self.row_of_token, persistent=False)
            layer.register_buffer("trimtab_share", torch.ones((), dtype=torch.float32, device=device), persistent=False)
            layer.register_buffer(
                "trimtab_directions", torch.zeros(rows + 1, width, dtype=torch.float32, device=device), persistent=False
            )
            layer.register_buffer(
                "trimtab_strengths", torch.zeros(rows + 1, 2, dtype=torch.float32, device=device), persistent=False
            )
            layer.register_forward_hook(self._hook(index))

    def settle(self, shares: Mapping[int, float]) -> None:
        """How much of its residual belongs to the stream behind each layer; see `streams`."""
        for index, share in shares.items():
            self._shares[index] = share
            module: Any = self.layers[index]
            module.trimtab_share.fill_(share)  # in a buffer: graphs may have been compiled before it is known

    def write_row(self, row: int, intervention: Intervention) -> None:
        """Put a push into a row, in place of what was there."""
        self.clear_row(row)
        for layer in intervention.layers:
            if layer in self.layers:
                (aim,) = intervention.aims(layer)
                strengths = [aim.strength if kind == aim.scale.length else 0.0 for kind in _COLUMNS]
                self.fill_row(row, (layer,), aim.direction, strengths)

    def fill_row(self, row: int, layers: Sequence[int], direction: Tensor, strengths: Sequence[Any]) -> None:
        """Put a direction into a row of some layers, with its two strengths, numbers; see `_COLUMNS`."""
        for layer in layers:
            module: Any = self.layers[layer]
            module.trimtab_directions[row].copy_(self._pinned(direction), non_blocking=True)
            module.trimtab_strengths[row].copy_(self._pinned(torch.tensor(strengths)), non_blocking=True)
        self._filled[row] = (*self._filled.get(row, ()), *layers)

    def clear_row(self, row: int) -> None:
        """Take out what a row holds."""
        for layer in self._filled.pop(row, ()):
            module: Any = self.layers[layer]
            module.trimtab_strengths[row].zero_()
            module.trimtab_directions[row].zero_()

    def _pinned(self, tensor: Tensor) -> Tensor:
        """Copied from here, nothing has to wait for the pass that is still at work."""
        return tensor.pin_memory() if self._device.type == "cuda" else tensor

    def begin(self, rows: Tensor, step: Step) -> None:
        """Say what the next forward pass does.

        Args:
            rows: row of each token, [tokens] on the CPU; tokens behind them (padding) get row 0.
            step: the rest.
        """
        self.step = step
        steered = len(rows) if bool(rows.any()) else 0
        changed = max(steered, self._stained)
        if changed:
            # New memory each time: the copy for the pass before may not have begun yet.
            staged = torch.zeros(changed, dtype=torch.long, pin_memory=self._device.type == "cuda")
            staged[:steered].copy_(rows[:steered])
            self.row_of_token[:changed].copy_(staged, non_blocking=True)
        self._stained = steered

    def end(self, final: object) -> None:
        """Keep what the unembedding will be given, where it is wanted; [tokens, d_model]."""
        for wanted in self.step.wanted:
            if not wanted.layers and torch.is_tensor(final):
                piece = final[wanted.where.start : wanted.where.stop].clone()
                self.captured.final.setdefault(wanted.request, Pieces()).add(wanted.offset, piece)
        self.step = Step()

    def _hook(self, index: int) -> Callable[..., Any]:
        def steer(module: Any, args: Any, output: Any) -> Any:
            if not torch.compiler.is_compiling() and self.trial is not None:
                return self.trial(index, output)
            hidden, residual = parts(output)
            state = hidden if residual is None else hidden + module.trimtab_share * residual
            row = module.trimtab_rows[: hidden.shape[-2]]
            strength = module.trimtab_strengths[row]
            norm = torch.linalg.vector_norm(state, dim=-1, dtype=torch.float32)
            amount = strength[:, 0] + strength[:, 1] * norm
            hidden = hidden + (amount.unsqueeze(-1) * module.trimtab_directions[row]).to(hidden.dtype)
            if not torch.compiler.is_compiling() and self.step.uncompiled:
                hidden, residual = self._by_hand(index, hidden, residual)
            return joined(output, hidden, residual)

        return steer

    def _by_hand(self, index: int, hidden: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor | None]:
        pushed = [one for one in self.step.by_hand if index in one.intervention.layers]
        if pushed:
            hidden, residual = _copied(hidden), None if residual is None else _copied(residual)
        # By tokens, also where there is a dimension before them; views, so that what is written arrives.
        tokens = hidden.flatten(0, -2)
        beside = residual.flatten(0, -2) if residual is not None and self._shares[index] else None

        def states(where: Stretch) -> Tensor:
            here = slice(where.start, where.stop)
            return tokens[here] if beside is None else tokens[here] + beside[here]

        for one in pushed:
            here = slice(one.where.start, one.where.stop)
            state = states(one.where)
            marks = torch.ones(len(state), dtype=torch.bool, device=state.device)
            tokens[here] = push_each(state, one.intervention.aims(index), marks)
            if beside is not None:
                beside[here] = 0  # the sum is what counts, and it is all in `hidden` now
        for wanted in self.step.wanted:
            if index in wanted.layers:
                pieces = self.captured.layers.setdefault(wanted.request, {}).setdefault(index, Pieces())
                # A copy: later layers may write over theirs.
                pieces.add(wanted.offset, states(wanted.where).to(torch.float32, copy=True))
        return hidden, residual


def fits_a_row(intervention: Intervention) -> bool:
    """Whether a row can hold it: one ungated push a layer, of a scale whose pushes have a length of their own."""
    aims = [intervention.aims(layer) for layer in intervention.layers]
    return all(len(a) == 1 and a[0].condition is None and a[0].scale.length in _COLUMNS for a in aims)


def _copied(states: Tensor) -> Tensor:
    return states.clone(memory_format=torch.contiguous_format)
