"""States that are read, and what a step leaves behind: nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from toy_layers import KINDS, WIDTH, Toy, apply, armed, by_hand, direction, same

from trimtab.engines.vllm.plugin._push_table import ByHand, Step, Stretch, Wanted
from trimtab.steering import Intervention


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(params=KINDS)
def toy(request: pytest.FixtureRequest) -> Toy:
    return Toy(request.param).eval()


@pytest.fixture(autouse=True)
def no_gradients() -> Any:
    with torch.inference_mode():
        yield


def test_reads_give_the_sum_behind_the_pushes(toy: Toy) -> None:
    row, ablation = (
        Intervention({1: direction()}, 1.0),
        Intervention({0: direction(), 2: direction()}, 1.0, "project_out"),
    )
    hidden = torch.randn(6, WIDTH)
    expected = by_hand(toy, hidden, apply([(row, Stretch(0, 3), None), (ablation, Stretch(3, 6), None)]))
    table = armed(toy)
    table.write_row(1, row)
    step = Step(
        by_hand=[ByHand(Stretch(3, 6), ablation)],
        wanted=[Wanted(Stretch(1, 3), "a", 0, (0, 1)), Wanted(Stretch(3, 6), "b", 0, (2,))],
    )
    table.begin(torch.tensor([1, 1, 1, 0, 0, 0]), step)
    toy(hidden)
    found = table.captured.layers
    assert {name: sorted(layers) for name, layers in found.items()} == {"a": [0, 1], "b": [2]}
    same(
        [found["a"][0].whole(2), found["a"][1].whole(2), found["b"][2].whole(3)],
        [expected[0][1:3], expected[1][1:3], expected[2][3:6]],
    )


def test_chunks_of_a_text_are_kept_in_order_until_they_are_dropped(toy: Toy) -> None:
    hidden = torch.randn(5, WIDTH)
    plain = toy(hidden)
    table = armed(toy)
    for number, piece in enumerate((hidden[:3], hidden[3:])):
        rows = torch.zeros(len(piece), dtype=torch.long)
        every = Wanted(Stretch(0, len(piece)), "a", 3 * number, (1,))
        table.begin(rows, Step(wanted=[every, Wanted(Stretch(0, 1), "b", number, ())]))
        table.end(toy(piece)[-1])
    same([table.captured.layers["a"][1].whole(5)], [plain[1]])
    same([table.captured.final["b"].whole(2)], [plain[-1][[0, 3]]])
    table.captured.drop(["a", "b", "nobody"])
    assert not table.captured.layers
    assert not table.captured.final


def test_kept_states_stay_what_they_were_when_the_next_layer_works_in_place(toy: Toy) -> None:
    """Fused kernels write over their inputs."""
    hidden = torch.randn(4, WIDTH)
    plain = toy(hidden)
    table = armed(toy)

    def taken_over(_: nn.Module, given: tuple[Any]) -> tuple[Any]:
        tensors = given[0] if isinstance(given[0], tuple) else given
        copies = tuple(tensor.clone() for tensor in tensors)
        for tensor in tensors:
            tensor.zero_()
        return (copies,) if isinstance(given[0], tuple) else copies

    for layer in toy.layers:
        layer.register_forward_pre_hook(taken_over)
    table.begin(torch.zeros(4, dtype=torch.long), Step(wanted=[Wanted(Stretch(0, 4), "a", 0, (0, 1, 2))]))
    toy(hidden)
    same([pieces.whole(4) for pieces in table.captured.layers["a"].values()], plain)


def test_what_the_unembedding_is_given_is_kept_for_scores_without_leaving_the_graph(toy: Toy) -> None:
    table = armed(toy)
    step = Step(wanted=[Wanted(Stretch(2, 4), "a", 0, ())])
    assert not step.uncompiled
    table.begin(torch.zeros(5, dtype=torch.long), step)
    final = toy(torch.randn(5, WIDTH))[-1]
    table.end(final)
    assert torch.equal(table.captured.final["a"].whole(2), final[2:4])


def test_a_step_ends_with_its_pass(toy: Toy) -> None:
    hidden, one = torch.randn(3, WIDTH), Intervention({1: direction()}, 1.5, "clamp")
    plain = toy(hidden)
    table = armed(toy)
    where = Stretch(0, 3)
    step = Step([ByHand(where, one)], [Wanted(where, "a", 0, (1,))])
    assert step.uncompiled
    table.begin(torch.zeros(3, dtype=torch.long), step)
    table.end(toy(hidden))
    table.captured.drop(["a"])
    same(toy(hidden), plain)
    assert not table.captured.layers
