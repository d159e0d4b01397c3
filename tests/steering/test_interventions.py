"""The push and the position policies, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from trimtab.errors import SettingError
from trimtab.steering import SCALES, Intervention, Positions, check_layers, is_steered, steered_spans
from trimtab.steering.scales import unit

HIDDEN = torch.tensor([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]])
DIRECTION = torch.tensor([0.0, 10.0])
SOME = torch.tensor([True, False, True])


def test_raw_adds_alpha_times_the_vector() -> None:
    pushed = SCALES.get("raw").push(HIDDEN, DIRECTION, 0.5, SOME)
    assert pushed.tolist() == [[3.0, 9.0], [0.0, 2.0], [1.0, 5.0]]


def test_relative_moves_each_token_by_a_share_of_its_own_norm() -> None:
    pushed = SCALES.get("relative").push(HIDDEN, unit(DIRECTION), 0.5, SOME)
    assert pushed.tolist() == [[3.0, 6.5], [0.0, 2.0], [1.0, 0.5]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", ["raw", "relative"])
def test_strength_zero_is_bit_identical(scale: Any, dtype: torch.dtype) -> None:
    hidden = torch.randn(5, 7, 16).to(dtype)
    pushed = SCALES.get(scale).push(hidden, torch.randn(16), 0.0, torch.ones(5, 7, dtype=torch.bool))
    assert torch.equal(pushed, hidden)
    assert pushed.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", ["raw", "relative"])
def test_unmarked_tokens_are_bit_identical(scale: Any, dtype: torch.dtype) -> None:
    hidden, marks = torch.randn(5, 7, 16).to(dtype), torch.rand(5, 7) > 0.5
    pushed = SCALES.get(scale).push(hidden, torch.randn(16), 3.0, marks)
    assert torch.equal(pushed[~marks], hidden[~marks])
    assert bool((pushed[marks] != hidden[marks]).any(dim=-1).all())


def test_pushing_leaves_its_input_alone() -> None:
    hidden = HIDDEN.clone()
    SCALES.get("raw").push(hidden, DIRECTION, 0.5, SOME)
    assert torch.equal(hidden, HIDDEN)


def test_norms_are_measured_in_float32() -> None:
    """The square of 300 overflows float16."""
    hidden = torch.full((1, 4), 300.0, dtype=torch.float16)
    pushed = SCALES.get("relative").push(hidden, unit(torch.ones(4)), 0.1, torch.tensor([True]))
    torch.testing.assert_close(pushed, torch.full((1, 4), 330.0, dtype=torch.float16))


def test_unit_has_norm_one_in_float32() -> None:
    direction = unit(torch.tensor([3.0, 4.0], dtype=torch.bfloat16))
    torch.testing.assert_close(direction, torch.tensor([0.6, 0.8]))


@pytest.mark.parametrize(
    ("policy", "first_token", "expected"),
    [
        ("all", False, [0, 1, 1, 1, 1, 1]),
        ("all", True, [1, 1, 1, 1, 1, 1]),
        ("prompt", False, [0, 1, 1, 0, 0, 0]),
        ("prompt", True, [1, 1, 1, 0, 0, 0]),
        ("after_prompt", False, [0, 0, 1, 1, 1, 1]),  # the last prompt token predicts the first new one
        ("after_prompt", True, [0, 0, 1, 1, 1, 1]),
        ("generated", False, [0, 0, 0, 1, 1, 1]),
        ("generated", True, [0, 0, 0, 1, 1, 1]),
    ],
)
def test_which_tokens_a_policy_steers(policy: Any, first_token: bool, expected: list[int]) -> None:
    marks = is_steered(policy, torch.arange(6), torch.tensor(3), first_token)
    assert marks.int().tolist() == expected


def test_a_prompt_of_one_token_is_the_first_token() -> None:
    marks = [is_steered("after_prompt", torch.arange(3), torch.tensor(1), first) for first in (False, True)]
    assert [m.tolist() for m in marks] == [[False, True, True], [True, True, True]]


@pytest.mark.parametrize("strength", [math.nan, math.inf, -math.inf, 1e19, -1.1e9])
def test_a_strength_that_no_state_has_room_for_is_refused(strength: float) -> None:
    with pytest.raises(SettingError, match=r"strength .*(not a number to steer with|out of range)"):
        Intervention({0: DIRECTION}, strength)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("scale", "absolute", "unknown scale 'absolute'; choose from raw, relative"),
        ("positions", "last", "positions 'last' is unknown; it is one of all, prompt, after_prompt"),
    ],
)
def test_unknown_options_are_refused_with_the_known_ones(field: str, value: str, message: str) -> None:
    options: Any = {field: value}
    with pytest.raises(SettingError, match=message):
        Intervention({0: DIRECTION}, 1.0, **options)


def test_directions_that_cannot_steer_are_refused() -> None:
    with pytest.raises(SettingError, match="layer 3 holds NaN"):
        Intervention({3: torch.tensor([1.0, math.nan])}, 1.0)
    with pytest.raises(SettingError, match="layer 3 is zero"):
        Intervention({3: torch.zeros(2)}, 1.0, "relative")
    with pytest.raises(SettingError, match="no layer"):
        Intervention({}, 1.0)


def test_layers_out_of_range_are_refused() -> None:
    with pytest.raises(SettingError, match="layer -1 is out of range"):
        Intervention({-1: DIRECTION}, 1.0)
    with pytest.raises(SettingError, match="layer 4 is out of range: this model has layers 0 to 3"):
        check_layers([None, Intervention({4: DIRECTION}, 1.0)], 4)


@pytest.mark.parametrize(
    "policy", ["all", "after_prompt", "prompt", "generated", "first:3", "after:2", "tokens:2,4,-1"]
)
@pytest.mark.parametrize("first_token", [False, True])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_the_stretches_of_a_policy_are_what_it_marks(policy: Positions, first_token: bool, length: int) -> None:
    spans = steered_spans(policy, length, first_token)
    marked = is_steered(policy, torch.arange(9), torch.tensor(length), first_token)
    assert marked.nonzero().flatten().tolist() == [i for a, b in spans for i in range(a, 9 if b is None else b)]
