"""Toy layers that answer as vLLM's do, and the oracle: their sums, pushed by the pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engines.vllm.table import Armed, Stretch
from trimtab.steering import Intervention
from trimtab.steering.pushes import push_each

WIDTH, DEPTH, ROWS, MOST_TOKENS = 8, 3, 4, 16
KINDS = ("pair", "tensor", "triple", "aside")


class Layer(nn.Module):
    """One layer: adds something to the stream, and hands it on as one tensor or as two that are to be added."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind, self.linear = kind, nn.Linear(WIDTH, WIDTH)

    def forward(self, hidden: Tensor, residual: Tensor) -> Any:
        stream = hidden + residual
        new = torch.tanh(self.linear(stream))
        if self.kind == "pair":
            return new, stream
        if self.kind == "triple":
            return new, stream, torch.ones(3)
        return new + stream if self.kind == "tensor" else (new + stream, torch.ones(3))


class Toy(nn.Module):
    """Layers one behind the other; also tells the stream behind each."""

    def __init__(self, kind: str, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.layers = nn.ModuleList(Layer(kind) for _ in range(DEPTH)).to(dtype)

    def forward(self, hidden: Tensor) -> list[Tensor]:
        residual, streams = torch.zeros_like(hidden), []
        for layer in self.layers:
            output = layer(hidden, residual)
            if torch.is_tensor(output):
                hidden, residual = output, torch.zeros_like(output)
            elif layer.kind == "aside":
                hidden, residual = output[0], torch.zeros_like(output[0])
            else:
                hidden, residual = output[:2]
            streams.append(hidden + residual)
        return streams


def armed(toy: Toy) -> Armed:
    return Armed(dict(enumerate(toy.layers)), ROWS, MOST_TOKENS, WIDTH, torch.device("cpu"))


def by_hand(toy: Toy, hidden: Tensor, pushes: Callable[[int, Tensor], Tensor]) -> list[Tensor]:
    """The oracle: the toy's sums, pushed behind each layer."""
    streams = []
    for index, layer in enumerate(toy.layers):
        hidden = pushes(index, torch.tanh(layer.linear(hidden)) + hidden)
        streams.append(hidden)
    return streams


def apply(
    cells: Sequence[tuple[Intervention | None, Stretch, Tensor | None]],
) -> Callable[[int, Tensor], Tensor]:
    """Each intervention on its stretch of tokens, or those of it that are marked."""

    def pushes(index: int, stream: Tensor) -> Tensor:
        stream = stream.clone()
        for intervention, where, marks in cells:
            if intervention is not None:
                here = slice(where.start, where.stop)
                all_of_them = torch.ones(where.stop - where.start, dtype=torch.bool)
                chosen = all_of_them if marks is None else marks
                stream[here] = push_each(stream[here], intervention.aims(index), chosen)
        return stream

    return pushes


def direction() -> Tensor:
    return torch.randn(WIDTH)


def same(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    torch.testing.assert_close(list(found), list(expected), rtol=1e-5, atol=1e-5)
