"""A pass that was recorded once, as a CUDA graph is, is steered by what rows say when it is replayed.

The recorder is PyTorch's tracer: like a CUDA graph it notes operations on tensors, runs no Python when they are
replayed, and cannot record what depends on the numbers in them.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from toy_layers import DEPTH, KINDS, ROWS, WIDTH, Toy, armed, direction, same

from trimtab.engines.vllm.plugin._push_table import Step
from trimtab.steering import Intervention

TOKENS = 6


@pytest.fixture(autouse=True)
def no_gradients() -> Any:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def recorded(toy: Toy) -> Any:
    """A pass over TOKENS tokens."""
    return make_fx(toy)(torch.randn(TOKENS, WIDTH))


@pytest.mark.parametrize("kind", KINDS)
def test_a_replayed_pass_pushes_what_rows_hold_by_now(kind: str) -> None:
    toy = Toy(kind).eval()
    table = armed(toy)
    replay, hidden = recorded(toy), torch.randn(TOKENS, WIDTH)
    plain = toy(hidden)
    same(replay(hidden), plain)
    for row in range(1, ROWS + 1):  # pushes that were not there when it was recorded
        table.write_row(row, Intervention({row % DEPTH: direction()}, 0.4 * row, "relative" if row % 2 else "raw"))
    for rows in ([0, 1, 2, 3, 4, 0], [4, 4, 0, 0, 0, 1], [2]):
        table.begin(torch.tensor(rows), Step())
        steered = toy(hidden)
        assert any(not torch.equal(a, b) for a, b in zip(steered, plain, strict=True))
        same(replay(hidden), steered)
    table.write_row(2, Intervention({0: direction()}, -1.0, "raw"))
    same(replay(hidden), toy(hidden))
    table.begin(torch.zeros(TOKENS, dtype=torch.long), Step())
    same(replay(hidden), plain)


def test_tokens_that_only_fill_a_recorded_pass_up_are_pushed_by_nobodys_row() -> None:
    toy = Toy("pair").eval()
    table = armed(toy)
    replay, hidden = recorded(toy), torch.randn(TOKENS, WIDTH)
    plain = toy(hidden)
    table.write_row(1, Intervention({0: direction()}, 2.0, "raw"))
    table.begin(torch.ones(TOKENS, dtype=torch.long), Step())
    table.begin(torch.ones(2, dtype=torch.long), Step())
    for found, expected in zip(replay(hidden), plain, strict=True):
        assert torch.equal(found[2:], expected[2:])
        assert not torch.equal(found[:2], expected[:2])


def test_a_pass_that_was_recorded_without_the_hooks_is_not_steered() -> None:
    """So that what the self-test of an engine is for can happen at all."""
    toy = Toy("pair").eval()
    replay, hidden = recorded(toy), torch.randn(TOKENS, WIDTH)
    table = armed(toy)
    table.write_row(1, Intervention({0: direction()}, 2.0, "raw"))
    table.begin(torch.ones(TOKENS, dtype=torch.long), Step())
    assert not torch.equal(toy(hidden)[0], replay(hidden)[0])
