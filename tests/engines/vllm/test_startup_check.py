"""A worker finds out, before the first request, whether what was compiled or recorded for its passes is steered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from toy_layers import DEPTH, KINDS, ROWS, WIDTH, Toy, armed, direction

from trimtab.engines.vllm.plugin._push_table import Armed, Step
from trimtab.engines.vllm.plugin._startup_check import require_steered_passes
from trimtab.errors import ModelError
from trimtab.steering import Intervention

TOKEN, PROMPT = torch.ones(1, WIDTH), torch.ones(5, WIDTH)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def check(table: Armed, decoding_pass: Callable[[], Any], prompt_pass: Callable[[], Any]) -> None:
    runner: Any = SimpleNamespace(decoding_pass=decoding_pass, prompt_pass=prompt_pass)
    require_steered_passes(table, runner, ROWS)


def run(model: Callable[[Tensor], list[Tensor]], tokens: Tensor) -> Callable[[], Tensor]:
    return lambda: model(tokens)[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_whose_passes_are_steered_is_taken_and_holds_no_push_afterwards(kind: str) -> None:
    toy = Toy(kind).eval()
    table = armed(toy)
    plain = toy(PROMPT)[-1]
    check(table, run(toy, TOKEN), run(toy, PROMPT))
    assert torch.equal(toy(PROMPT)[-1], plain)
    table.begin(torch.full((len(PROMPT),), ROWS), Step())
    assert torch.equal(toy(PROMPT)[-1], plain), "its row is empty"


@pytest.mark.parametrize("size", [0.0, 1e-6, 1e4])
def test_states_of_zeros_and_long_ones_are_pushed_too(size: float) -> None:
    """A pass for nobody is of the token 0, which some models embed as zeros."""
    toy = Toy("pair").eval()
    for name, weight in toy.named_parameters():
        weight.mul_(size if name.endswith("weight") else 0.0)
    check(armed(toy), run(toy, size * TOKEN), run(toy, size * PROMPT))


def test_graphs_that_were_recorded_with_the_hooks_are_steered() -> None:
    toy = Toy("pair").eval()
    table = armed(toy)
    check(table, run(make_fx(toy)(TOKEN), TOKEN), run(make_fx(toy)(PROMPT), PROMPT))


@pytest.mark.parametrize(
    ("stale", "named"),
    [("decoding", "a push behind layer 0 .* writes one token"), ("prompt", "layers 0 to 2 .* a prompt")],
)
def test_a_graph_that_was_recorded_without_the_hooks_is_found_out(stale: str, named: str) -> None:
    toy = Toy("pair").eval()
    old = {"decoding": make_fx(toy)(TOKEN), "prompt": make_fx(toy)(PROMPT)}
    table = armed(toy)
    passes = {name: old[name] if name == stale else toy for name in old}
    with pytest.raises(ModelError, match=f"{named}.* recorded without trimtab's hooks"):
        check(table, run(passes["decoding"], TOKEN), run(passes["prompt"], PROMPT))


@pytest.mark.parametrize("layer", range(DEPTH))
def test_a_single_layer_without_its_hook_is_named(layer: int) -> None:
    toy = Toy("pair").eval()
    table = armed(toy)
    toy.layers[layer]._forward_hooks.clear()
    with pytest.raises(ModelError, match=f"a push behind layer {layer} changes nothing"):
        check(table, run(toy, TOKEN), run(toy, PROMPT))


def test_states_that_are_no_numbers_prove_nothing_either_way() -> None:
    toy = Toy("pair").eval()
    with pytest.raises(ModelError, match="no numbers"):
        check(armed(toy), run(toy, TOKEN * float("nan")), run(toy, PROMPT))


@pytest.mark.parametrize("hooked", [True, False])
def test_a_stage_that_hands_its_states_on_is_checked_by_what_it_hands_on(hooked: bool) -> None:
    toy = Toy("pair").eval()
    table = armed(toy)
    if not hooked:
        toy.layers[-1]._forward_hooks.clear()

    def hand_on(tokens: Tensor) -> Any:
        hidden, residual = tokens, torch.zeros_like(tokens)
        for layer in toy.layers:
            hidden, residual = layer((hidden, residual))
        return SimpleNamespace(tensors={"hidden_states": hidden, "residual": residual})

    if hooked:
        check(table, lambda: hand_on(TOKEN), lambda: hand_on(PROMPT))
    else:
        with pytest.raises(ModelError, match=f"layer {DEPTH - 1} changes nothing"):
            check(table, lambda: hand_on(TOKEN), lambda: hand_on(PROMPT))


def test_a_row_that_is_cleared_holds_no_push() -> None:
    toy = Toy("pair").eval()
    table = armed(toy)
    plain = toy(TOKEN)[-1]
    table.write_row(1, Intervention({0: direction(), 2: direction()}, 1.0, "raw"))
    table.begin(torch.tensor([1]), Step())
    assert not torch.equal(toy(TOKEN)[-1], plain)
    table.clear_row(1)
    assert torch.equal(toy(TOKEN)[-1], plain)
