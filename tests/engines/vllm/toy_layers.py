"""Toy layers that answer as vLLM's do, and the oracle: their sums, pushed by the pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engines.vllm.plugin._push_table import Armed, Stretch
from trimtab.engines.vllm.plugin._residual_taps import Trial
from trimtab.steering import Intervention
from trimtab.steering.pushes import push_each

WIDTH, DEPTH, ROWS, MOST_TOKENS = 8, 3, 4, 16
KINDS = ("pair", "tensor", "alone", "whole", "batch")
"""What layers return: two parts that are to be added; one tensor; a tuple with only that; all of the stream, and beside
it a residual that nobody reads; one tensor with a dimension of 1 before the tokens."""


class Layer(nn.Module):
    """One layer: adds something to the stream, and hands it on as its kind does."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind, self.linear = kind, nn.Linear(WIDTH, WIDTH)

    def stream(self, output: Any) -> Tensor:
        """What the next layer reads of this kind of output."""
        if torch.is_tensor(output):
            return output[0] if self.kind == "batch" else output
        return output[0] + output[1] if self.kind == "pair" else output[0]

    def forward(self, given: Any) -> Any:
        stream = self.stream(given)
        new = torch.tanh(self.linear(stream))
        both = {"pair": (new, stream), "whole": (new + stream, stream), "alone": (new + stream,)}
        if self.kind == "batch":
            return (new + stream).unsqueeze(0)
        return both.get(self.kind, new + stream)


class Toy(nn.Module):
    """Layers one behind the other; also tells the stream behind each."""

    def __init__(self, kind: str, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.layers = nn.ModuleList(Layer(kind) for _ in range(DEPTH)).to(dtype)

    def forward(self, hidden: Tensor) -> list[Tensor]:
        first: Any = {"pair": (hidden, torch.zeros_like(hidden)), "batch": hidden.unsqueeze(0)}
        output, streams = first.get(self.layers[0].kind, hidden), []
        for layer in self.layers:
            output = layer(output)
            streams.append(layer.stream(output).clone())  # the next layer may write over its input
        return streams


def armed(toy: Toy) -> Armed:
    """With its layers armed, and tried."""
    table = Armed(dict(enumerate(toy.layers)), ROWS, MOST_TOKENS, WIDTH, torch.device("cpu"))
    table.trial = Trial(table.layers)
    dtype = next(toy.parameters()).dtype
    table.settle(table.trial.shares(lambda: toy(torch.ones(4, WIDTH, dtype=dtype))[-1], 4))
    table.trial = None
    return table


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
