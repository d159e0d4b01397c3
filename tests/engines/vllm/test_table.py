"""The table's rows, and what fits none, push as the pure functions do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from toy_layers import DEPTH, KINDS, MOST_TOKENS, ROWS, WIDTH, Toy, apply, armed, by_hand, direction, same

from trimtab.engines.vllm.plugin._push_table import Armed, ByHand, Step, Stretch, fits_a_row
from trimtab.errors import ModelError
from trimtab.steering import Gate, Intervention


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


@pytest.mark.parametrize("scale", ["raw", "relative"])
@pytest.mark.parametrize("layers", [(0,), (2,), (0, 1, 2)])
def test_a_row_pushes_as_the_pure_function_does(toy: Toy, scale: Any, layers: tuple[int, ...]) -> None:
    one = Intervention({layer: direction() for layer in layers}, -0.7, scale)
    hidden = torch.randn(5, WIDTH)
    expected = by_hand(toy, hidden, apply([(one, Stretch(1, 4), None)]))
    table = armed(toy)
    table.write_row(2, one)
    table.begin(torch.tensor([0, 2, 2, 2, 0]), Step())
    same(toy(hidden), expected)


def test_different_rows_work_side_by_side(toy: Toy) -> None:
    cells = [
        Intervention({0: direction(), 2: direction()}, 1.5, "raw"),
        Intervention({1: direction()}, 0.3, "relative"),
        Intervention({0: direction()}, -2.0, "relative"),
    ]
    hidden = torch.randn(8, WIDTH)
    stretches = [Stretch(0, 2), Stretch(3, 4), Stretch(4, 8)]
    expected = by_hand(toy, hidden, apply([(c, s, None) for c, s in zip(cells, stretches, strict=True)]))
    table = armed(toy)
    for row, cell in enumerate(cells, 1):
        table.write_row(row, cell)
    table.begin(torch.tensor([1, 1, 0, 2, 3, 3, 3, 3]), Step())
    same(toy(hidden), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_row_0_leaves_every_bit_alone(kind: str, dtype: torch.dtype) -> None:
    toy, hidden = Toy(kind, dtype), torch.randn(6, WIDTH, dtype=dtype)
    plain = toy(hidden)
    table = armed(toy)
    for row in range(1, ROWS + 1):
        table.write_row(row, Intervention({layer: direction() for layer in range(DEPTH)}, 3.0, "relative"))
    table.begin(torch.zeros(6, dtype=torch.long), Step())
    assert all(torch.equal(found, expected) for found, expected in zip(toy(hidden), plain, strict=True))
    table.begin(torch.tensor([0, 0, 3, 0, 0, 0]), Step())
    others = [0, 1, 3, 4, 5]
    assert all(torch.equal(found[others], expected[others]) for found, expected in zip(toy(hidden), plain, strict=True))


def test_rows_push_bfloat16_states_as_the_pure_function_does() -> None:
    toy, hidden = Toy("tensor", torch.bfloat16), torch.randn(4, WIDTH, dtype=torch.bfloat16)
    one = Intervention({1: direction()}, 0.5, "relative")
    expected = by_hand(toy, hidden, apply([(one, Stretch(0, 4), None)]))
    table = armed(toy)
    table.write_row(1, one)
    table.begin(torch.ones(4, dtype=torch.long), Step())
    assert all(torch.equal(found, wanted) for found, wanted in zip(toy(hidden), expected, strict=True))


def test_a_row_written_again_keeps_nothing_of_what_it_was(toy: Toy) -> None:
    first = Intervention({0: direction(), 2: direction()}, 5.0, "relative")
    second = Intervention({1: direction()}, 1.0, "raw")
    hidden = torch.randn(3, WIDTH)
    expected = by_hand(toy, hidden, apply([(second, Stretch(0, 3), None)]))
    table = armed(toy)
    table.write_row(1, first)
    table.write_row(1, second)
    table.begin(torch.ones(3, dtype=torch.long), Step())
    same(toy(hidden), expected)


def test_a_scale_written_over_the_other_leaves_nothing_of_it(toy: Toy) -> None:
    along = direction()
    hidden = torch.randn(3, WIDTH)
    second = Intervention({1: along}, 1.0, "raw")
    expected = by_hand(toy, hidden, apply([(second, Stretch(0, 3), None)]))
    table = armed(toy)
    table.write_row(1, Intervention({1: along}, 5.0, "relative"))
    table.write_row(1, second)
    table.begin(torch.ones(3, dtype=torch.long), Step())
    same(toy(hidden), expected)


def test_padding_behind_the_tokens_is_nobodys(toy: Toy) -> None:
    """A longer pass was here before; a recorded graph runs over more tokens than there are."""
    hidden = torch.randn(6, WIDTH)
    plain = toy(hidden)
    table = armed(toy)
    table.write_row(1, Intervention({0: direction()}, 5.0))
    table.begin(torch.ones(6, dtype=torch.long), Step())
    table.begin(torch.tensor([1, 1]), Step())
    assert table.row_of_token[2:].any().item() is False
    found = toy(hidden)
    assert all(torch.equal(f[2:], p[2:]) for f, p in zip(found, plain, strict=True))
    assert not torch.equal(found[0][:2], plain[0][:2])


def test_layers_of_other_stages_are_passed_over() -> None:
    toy = Toy("pair")
    one = Intervention({0: direction(), 2: direction()}, 1.0)
    hidden = torch.randn(3, WIDTH)
    here = Intervention({2: one.directions[2]}, 1.0)
    expected = by_hand(toy, hidden, apply([(here, Stretch(0, 3), None)]))
    table = Armed({2: toy.layers[2]}, ROWS, MOST_TOKENS, WIDTH, torch.device("cpu"))
    table.write_row(1, one)
    table.begin(torch.ones(3, dtype=torch.long), Step())
    same(toy(hidden), expected)


def test_no_layers_to_arm_is_an_error() -> None:
    with pytest.raises(ModelError, match="nothing would be steered"):
        Armed({}, ROWS, MOST_TOKENS, WIDTH, torch.device("cpu"))


def gated(strength: float = 2.0) -> Intervention:
    probe = Gate({1: direction()}, {1: 0.0}, 0.5)
    return Intervention({1: direction()}, strength, "raw", gate=probe)


def two_at_one_layer() -> Intervention:
    first = Intervention({1: direction()}, 1.0, "project_out")
    return first.and_also(Intervention({1: direction(), 2: direction()}, 0.5, "relative"))


UNFIT: dict[str, Callable[[], Intervention]] = {
    "project_out": lambda: Intervention({0: direction(), 2: direction()}, 1.0, "project_out"),
    "clamp": lambda: Intervention({1: direction()}, 1.5, "clamp"),
    "rotate": lambda: Intervention({1: direction()}, 0.4, "rotate"),
    "transport": lambda: Intervention(
        {1: direction()},
        0.6,
        "transport",
        statistics={"transport_slope": {1: 1 + 0.1 * direction()}, "transport_offset": {1: direction()}},
    ),
    "gate": gated,
    "two at one layer": two_at_one_layer,
}


@pytest.mark.parametrize("which", UNFIT)
def test_what_fits_no_row_is_pushed_by_hand_as_the_pure_functions_do(toy: Toy, which: str) -> None:
    one = UNFIT[which]()
    assert not fits_a_row(one)
    hidden, where = torch.randn(14, WIDTH), Stretch(1, 13)
    expected = by_hand(toy, hidden, apply([(one, where, None)]))
    plain = toy(hidden)
    table = armed(toy)
    table.begin(torch.zeros(14, dtype=torch.long), Step(by_hand=[ByHand(where, one)]))
    found = toy(hidden)
    same(found, expected)
    assert not torch.allclose(found[-1], plain[-1])
    assert all(torch.equal(f[[0, 13]], p[[0, 13]]) for f, p in zip(found, plain, strict=True))


def test_rows_and_pushes_by_hand_share_a_pass(toy: Toy) -> None:
    row = Intervention({0: direction(), 1: direction()}, 0.5, "relative")
    ablation, gate = UNFIT["project_out"](), gated()
    hidden = torch.randn(7, WIDTH)
    cells = [(row, Stretch(0, 2), None), (ablation, Stretch(2, 4), None), (gate, Stretch(5, 7), None)]
    expected = by_hand(toy, hidden, apply(cells))
    table = armed(toy)
    table.write_row(1, row)
    step = Step(by_hand=[ByHand(Stretch(2, 4), ablation), ByHand(Stretch(5, 7), gate)])
    table.begin(torch.tensor([1, 1, 0, 0, 0, 0, 0]), step)
    same(toy(hidden), expected)


@pytest.mark.parametrize("scale", ["raw", "relative"])
def test_one_plain_push_a_layer_fits_a_row(scale: Any) -> None:
    one = Intervention({0: direction(), 1: direction()}, 1.0, scale)
    assert fits_a_row(one)
    assert fits_a_row(one.and_also(Intervention({2: direction()}, 1.0, "raw")))
    assert not fits_a_row(one.and_also(Intervention({1: direction()}, 1.0, "raw")))


def test_vectors_at_different_layers_share_a_row(toy: Toy) -> None:
    one = Intervention({0: direction()}, 1.0, "raw").and_also(Intervention({2: direction()}, 0.5, "relative"))
    hidden = torch.randn(3, WIDTH)
    expected = by_hand(toy, hidden, apply([(one, Stretch(0, 3), None)]))
    table = armed(toy)
    table.write_row(1, one)
    table.begin(torch.ones(3, dtype=torch.long), Step())
    same(toy(hidden), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_one_compiled_graph_serves_every_row_and_step(kind: str) -> None:
    """Rows change between passes without the graph being made again: vLLM records it once."""
    toy = Toy(kind)
    table = armed(toy)
    graphs = 0

    def count(graph: Any, _: Any) -> Any:
        nonlocal graphs
        graphs += 1
        return graph

    torch.compiler.reset()
    compiled = torch.compile(toy, fullgraph=True, backend=count)
    hidden = torch.randn(5, WIDTH)
    cells = [
        Intervention({0: direction(), 2: direction()}, 1.5, "raw"),
        Intervention({1: direction()}, 0.3, "relative"),
        None,
        Intervention({2: direction()}, -0.5, "relative"),
    ]
    for cell in cells:
        if cell is not None:
            table.write_row(1, cell)
        row = 0 if cell is None else 1
        table.begin(torch.tensor([row, row, 0, row]), Step())
        found = compiled(hidden)
        table.end(found[-1])
        stretches = [(cell, Stretch(0, 2), None), (cell, Stretch(3, 4), None)]
        same(found, by_hand(toy, hidden, apply(stretches)))
    assert graphs == 1
