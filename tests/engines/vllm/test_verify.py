"""A worker verifies, when its graphs are recorded, that they steer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from toy_layers import ROWS, WIDTH, Toy, armed, direction

from trimtab.engines.vllm.plugin._push_table import Step
from trimtab.engines.vllm.plugin._steering import Steering
from trimtab.engines.vllm.plugin._table_rows import Rows
from trimtab.errors import ModelError
from trimtab.steering import Intervention


@pytest.fixture(autouse=True)
def no_gradients() -> Any:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def worker(toy: Toy, decoding_pass: Any) -> Steering:
    """One that has these layers and makes passes so."""
    steering = Steering.__new__(Steering)
    steering.armed, steering.rows = armed(toy), Rows(ROWS)
    steering._seen = SimpleNamespace(decoding_pass=decoding_pass)  # type: ignore[assignment]
    return steering


TOKEN = torch.ones(1, WIDTH)


def test_a_worker_whose_passes_are_steered_is_ready_and_holds_no_push() -> None:
    toy = Toy("pair").eval()
    steering = worker(toy, lambda: toy(TOKEN)[-1])
    plain = toy(TOKEN)[-1]
    steering.verify()
    assert torch.equal(toy(TOKEN)[-1], plain)
    steering.armed.begin(torch.tensor([ROWS]), Step())
    assert torch.equal(toy(TOKEN)[-1], plain), "its row is empty"


def test_a_graph_that_was_recorded_with_the_hooks_is_steered() -> None:
    toy = Toy("pair").eval()
    steering = worker(toy, None)
    graph = make_fx(toy)(TOKEN)
    steering._seen.decoding_pass = lambda: graph(TOKEN)[-1]  # type: ignore[method-assign]
    steering.verify()


def test_a_graph_that_was_recorded_without_the_hooks_is_found_out() -> None:
    toy = Toy("pair").eval()
    graph = make_fx(toy)(TOKEN)
    steering = worker(toy, lambda: graph(TOKEN)[-1])
    with pytest.raises(ModelError, match=r"pushes behind layers 0 to 2 change nothing .* recorded without them"):
        steering.verify()


def test_hooks_that_were_taken_away_are_found_out() -> None:
    toy = Toy("pair").eval()
    steering = worker(toy, lambda: toy(TOKEN)[-1])
    for layer in toy.layers:
        layer._forward_hooks.clear()
    with pytest.raises(ModelError, match="change nothing"):
        steering.verify()


def test_a_stage_that_does_not_see_the_end_leaves_it_to_the_last_one() -> None:
    toy = Toy("pair").eval()
    worker(toy, lambda: None).verify()


def test_a_row_that_is_cleared_holds_no_push() -> None:
    toy = Toy("pair").eval()
    table = armed(toy)
    plain = toy(TOKEN)[-1]
    table.write_row(1, Intervention({0: direction()}, 1.0, "raw"))
    table.begin(torch.tensor([1]), Step())
    assert not torch.equal(toy(TOKEN)[-1], plain)
    table.clear_row(1)
    assert torch.equal(toy(TOKEN)[-1], plain)
