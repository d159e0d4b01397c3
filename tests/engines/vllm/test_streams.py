"""What vLLM's layers return is found out by trying; what is not understood is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_layers import DEPTH, KINDS, WIDTH, Layer, Toy, armed

from trimtab.engines.vllm.plugin._push_table import Armed
from trimtab.engines.vllm.plugin._residual_taps import Trial, joined, parts
from trimtab.errors import ModelError

TOKENS = 4


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def tried(toy: Toy, run: Callable[[], Any], layers: tuple[int, ...] = tuple(range(DEPTH))) -> dict[int, float]:
    """The shares of a toy's layers; `run` makes a pass of it."""
    table = Armed({i: toy.layers[i] for i in layers}, 1, 8, WIDTH, torch.device("cpu"))
    table.trial = Trial(table.layers)
    return table.trial.shares(run, TOKENS)


def fixed(toy: Toy) -> Callable[[], Any]:
    hidden = torch.randn(TOKENS, WIDTH, dtype=next(toy.parameters()).dtype)
    return lambda: toy(hidden)[-1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_a_residual_counts_where_the_next_layer_reads_it(kind: str, dtype: torch.dtype) -> None:
    toy = Toy(kind, dtype)
    assert tried(toy, fixed(toy)) == dict.fromkeys(range(DEPTH), 0.0 if kind == "whole" else 1.0)


def test_the_last_layer_is_judged_by_what_reads_it() -> None:
    """The final norm may read only one part of what layers add up, and the reverse."""

    class Odd(Toy):
        def forward(self, hidden: Tensor) -> list[Tensor]:
            output: Any = (hidden, torch.zeros_like(hidden))
            for layer in self.layers:
                output = layer(output)
            return [output[0]]

    toy = Odd("pair")
    assert tried(toy, fixed(toy)) == {0: 1.0, 1: 1.0, 2: 0.0}


def test_layers_of_several_kinds_are_tried_each() -> None:
    class Whole(Layer):
        pass

    toy = Toy("pair")
    mixed = Whole("whole")
    toy.layers[1] = mixed

    def run() -> Any:
        hidden = torch.ones(TOKENS, WIDTH)
        first = toy.layers[0]((hidden, hidden))
        second = mixed((first[0] + first[1], first[1]))
        return sum(toy.layers[2]((second[0], torch.zeros_like(hidden))))

    assert tried(toy, run) == {0: 1.0, 1: 0.0, 2: 1.0}


@pytest.mark.parametrize(("kind", "share"), [("pair", 1.0), ("whole", 0.0)])
def test_layers_of_an_inner_stage_are_as_its_others(kind: str, share: float) -> None:
    """Behind its last layer is another process, which reads as the layers here do."""
    toy = Toy(kind)
    run = fixed(toy)
    assert tried(toy, lambda: {"hidden_states": run()}, (0, 1)) == {0: share, 1: share}


@pytest.mark.parametrize("kind", ["pair", "whole"])
def test_a_layer_alone_in_an_inner_stage_is_refused(kind: str) -> None:
    toy = Toy(kind)
    run = fixed(toy)
    with pytest.raises(ModelError, match="layer 1 is alone in its process; divide the model into fewer stages"):
        tried(toy, lambda: {"hidden_states": run()}, (1,))


def test_parts_that_are_not_simply_added_are_refused() -> None:
    class Scaled(Layer):
        def stream(self, output: Any) -> Tensor:
            return output[0] + 0.5 * output[1]

    toy = Toy("pair")
    toy.layers = nn.ModuleList(Scaled("pair") for _ in range(DEPTH))
    with pytest.raises(ModelError, match="layer 0 returns two parts that are not simply added"):
        tried(toy, fixed(toy))


def test_a_layer_whose_push_changes_nothing_is_refused() -> None:
    class Deaf(Layer):
        def stream(self, output: Any) -> Tensor:
            return torch.ones(TOKENS, WIDTH)

    toy = Toy("pair")
    toy.layers = nn.ModuleList(Deaf("pair") for _ in range(DEPTH))
    with pytest.raises(ModelError, match="a push behind layer 0 changes nothing"):
        tried(toy, fixed(toy))


def test_trial_passes_that_give_no_numbers_are_refused() -> None:
    """As some kernels leave what they do not compute."""
    toy = Toy("pair")
    with pytest.raises(ModelError, match="layer 0 a trial pass gives what are no numbers"):
        tried(toy, lambda: toy(torch.full((TOKENS, WIDTH), torch.nan))[-1])


def test_tokens_that_workers_divide_are_refused() -> None:
    toy = Toy("pair")
    with pytest.raises(ModelError, match="layer 0 sees 2 of 4 tokens"):
        tried(toy, lambda: toy(torch.ones(2, WIDTH))[-1])


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ((torch.ones(4, 3), torch.ones(4, 3), torch.ones(4)), "(a tensor of 2 dimensions, a tensor of 2 dimensions, a"),
        ((torch.ones(4, 3), torch.ones(4, 2, 3)), "(a tensor of 2 dimensions, a tensor of 3 dimensions)"),
        ((torch.ones(4, 3), (torch.ones(4, 3), 1)), "(a tensor of 2 dimensions, (a tensor of 2 dimensions, a int))"),
        (torch.ones(2, 4, 3), "a tensor of 3 dimensions"),
        ({"hidden": torch.ones(4, 3)}, "a dict"),
        ((), "()"),
    ],
)
def test_outputs_of_unknown_form_are_refused(output: Any, said: str) -> None:
    with pytest.raises(ModelError) as told:
        parts(output)
    assert f"this model's layers return {said}" in str(told.value)


@pytest.mark.parametrize(
    "output",
    [torch.ones(4, 3), torch.ones(1, 4, 3), (torch.ones(4, 3),), (torch.ones(4, 3), None), (torch.ones(4, 3),) * 2],
)
def test_outputs_are_put_together_as_they_were(output: Any) -> None:
    again = joined(output, *parts(output))
    assert type(again) is type(output)
    assert len(again) == len(output)


def test_a_trial_leaves_nothing_behind() -> None:
    toy = Toy("pair")
    hidden = torch.randn(TOKENS, WIDTH)
    plain = toy(hidden)
    armed(toy)
    assert all(torch.equal(a, b) for a, b in zip(toy(hidden), plain, strict=True))
