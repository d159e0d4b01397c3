"""What every scale must do, whether it comes with trimtab or from elsewhere; and a scale from elsewhere, used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from tiny import random_pairs, tiny, vector_for
from trimtab.cli.main import cli
from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.steering import SCALES, Aim, Cell, Intervention, Scale, SteeringSetting, push_each, push_scales
from trimtab.steering.scales import add

WIDTH = 16
STRENGTHS = {"cap": -0.7}
"""Of a test's push, where 0.7 would leave every token as it is."""
MEAN = torch.randn(WIDTH, generator=torch.Generator().manual_seed(9)) * 2
"""Of every statistic that a scale needs."""
FORMULAS = {
    "raw": lambda h, v, a: h + a * v,
    "relative": lambda h, v, a: h + a * h.norm() * v / v.norm(),
    "rotate": lambda h, v, a: h.norm() * (u := h + a * h.norm() * v / v.norm()) / u.norm(),
    "project_out": lambda h, v, a: h - a * (h @ v / v.norm()) * v / v.norm(),
    "clamp": lambda h, v, a: h + (a * v.norm() - h @ v / v.norm()) * v / v.norm(),
    "cap": lambda h, v, a: h - (h @ v / v.norm() - a * v.norm()).clamp(min=0) * v / v.norm(),
    "floor": lambda h, v, a: h + (a * v.norm() - h @ v / v.norm()).clamp(min=0) * v / v.norm(),
    "affine": lambda h, v, a: h - (h - MEAN.double()) @ v / v.norm() * v / v.norm() + a * v,
    "transport": lambda h, v, a: (1 - a) * h + a * (MEAN.double() * h + MEAN.double()),
}
"""Each scale's documented formula, for one token in float64."""


@pytest.fixture(params=push_scales())
def scale(request: pytest.FixtureRequest) -> Scale:
    return SCALES.get(request.param)


@pytest.fixture
def hidden() -> Tensor:
    return torch.randn(3, 5, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def direction() -> Tensor:
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(2)) * 3


def strength_of(scale: Scale) -> float:
    return STRENGTHS.get(scale.name, 0.7)


def aimed(scale: Scale, direction: Tensor, strength: float, mean: Tensor = MEAN) -> tuple[Tensor, float]:
    return scale.aim(direction, strength, **dict.fromkeys(scale.needs, mean))


def pushed(scale: Scale, hidden: Tensor, direction: Tensor, steered: Tensor, mean: Tensor = MEAN) -> Tensor:
    return push_each(hidden, [Aim(*aimed(scale, direction, strength_of(scale), mean), scale)], steered)


def everywhere(hidden: Tensor) -> Tensor:
    return torch.ones(hidden.shape[:-1], dtype=torch.bool)


def test_every_scale_has_a_formula_here() -> None:
    assert set(FORMULAS) == set(push_scales())


def test_a_scale_that_cannot_be_imported_does_not_stop_the_others() -> None:
    with (
        SCALES.temporarily("broken", "no_such_package:SCALE"),
        pytest.warns(TrimtabWarning, match="left out: scale 'broken'"),
    ):
        assert set(push_scales()) == set(FORMULAS)


def test_a_scale_is_registered_under_its_own_name() -> None:
    assert {name: SCALES.get(name).name for name in SCALES.names()} == {name: name for name in SCALES.names()}


def test_a_scale_does_what_its_formula_says(scale: Scale, hidden: Tensor, direction: Tensor) -> None:
    formula = FORMULAS[scale.name]
    expected = [formula(h, direction.double(), strength_of(scale)) for h in hidden.double().flatten(0, 1)]
    found = pushed(scale, hidden, direction, everywhere(hidden)).flatten(0, 1)
    torch.testing.assert_close(found.double(), torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_tokens_that_are_not_marked_keep_their_exact_values(scale: Scale, hidden: Tensor, direction: Tensor) -> None:
    before, marks = hidden.clone(), torch.rand(hidden.shape[:-1], generator=torch.Generator().manual_seed(3)) > 0.5
    found = pushed(scale, hidden, direction, marks)
    assert torch.equal(found[~marks], hidden[~marks])
    assert bool((found[marks] != hidden[marks]).any(-1).all())
    assert torch.equal(hidden, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_scale_keeps_type_and_shape(scale: Scale, hidden: Tensor, direction: Tensor, dtype: torch.dtype) -> None:
    found = pushed(scale, hidden.to(dtype), direction, everywhere(hidden))
    assert (found.dtype, found.shape) == (dtype, hidden.shape)


def test_rows_in_a_batch_are_pushed_as_rows_alone(scale: Scale, hidden: Tensor, direction: Tensor) -> None:
    together = pushed(scale, hidden, direction, everywhere(hidden))
    alone = [pushed(scale, row[None], direction, everywhere(row[None]))[0] for row in hidden]
    assert torch.equal(together, torch.stack(alone))


def test_a_direction_and_a_strength_for_each_row_are_those_of_the_rows(scale: Scale, hidden: Tensor) -> None:
    vectors = torch.randn(len(hidden), WIDTH, generator=torch.Generator().manual_seed(4))
    aims = [aimed(scale, v, 0.2 + index) for index, v in enumerate(vectors)]
    directions, strengths = torch.stack([d for d, _ in aims])[:, None], torch.tensor([s for _, s in aims])[:, None]
    together = scale.push(hidden, directions, strengths, everywhere(hidden))
    alone = [scale.push(row, d, s, everywhere(row)) for row, (d, s) in zip(hidden, aims, strict=True)]
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-6, rtol=1e-6)


def test_a_scale_turns_with_the_space(scale: Scale, hidden: Tensor, direction: Tensor) -> None:
    if scale.per_neuron:
        pytest.skip("it pushes neuron by neuron, so it depends on the axes")
    turn, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(5)))
    turned = pushed(scale, hidden @ turn, direction @ turn, everywhere(hidden), MEAN @ turn)
    torch.testing.assert_close(
        turned, pushed(scale, hidden, direction, everywhere(hidden)) @ turn, atol=1e-4, rtol=1e-4
    )


def test_with_a_length_a_push_adds_an_amount_that_the_strength_and_the_norm_decide(
    scale: Scale, hidden: Tensor, direction: Tensor
) -> None:
    if scale.length is None:
        pytest.skip("the length of its pushes depends on the state")
    axis, strength = aimed(scale, direction, strength_of(scale))
    norm = hidden.norm(dim=-1, keepdim=True) if scale.length == "residual" else 1.0
    found = pushed(scale, hidden, direction, everywhere(hidden))
    torch.testing.assert_close(found, hidden + strength * norm * axis, atol=1e-5, rtol=1e-5)


def test_layers_share_a_strength_where_the_scale_lets_them(scale: Scale) -> None:
    vector = vector_for(tiny("llama"))
    if not scale.shares_strength:
        with pytest.raises(SettingError, match=scale.name):
            SteeringSetting(scale.name, share_strength=True)
        return
    known = replace(vector, statistics=dict.fromkeys(scale.needs, vector.direction))
    shared = SteeringSetting(scale.name, share_strength=True).intervention(known, Cell((0, 1), 1.0))
    assert shared.strength == 0.5


@pytest.mark.parametrize(("name", "expected"), [("cap", [[-3, 1], [1, 1]]), ("floor", [[1, 1], [4, 1]])])
def test_a_bound_moves_only_what_is_beyond_it(name: str, expected: list[list[int]]) -> None:
    scale, direction = SCALES.get(name), torch.tensor([2.0, 0.0])
    hidden = torch.tensor([[-3.0, 1.0], [4.0, 1.0]])
    found = push_each(hidden, [Aim(*scale.aim(direction, 0.5), scale)], everywhere(hidden))
    assert found.tolist() == expected


def test_affine_at_strength_one_is_the_mean_of_the_positive_side_along_the_mean_difference() -> None:
    source = torch.Generator().manual_seed(6)
    positive, negative = torch.randn(9, WIDTH, generator=source) + 1, torch.randn(9, WIDTH, generator=source)
    direction = positive.mean(0) - negative.mean(0)
    axis, scale = direction / direction.norm(), SCALES.get("affine")
    for strength, mean in ((1.0, positive.mean(0)), (1e-6, negative.mean(0))):
        aims = [Aim(*aimed(scale, direction, strength, negative.mean(0)), scale)]
        found = push_each(negative, aims, everywhere(negative))
        torch.testing.assert_close(found @ axis, (mean @ axis).expand(9), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["cap", "floor", "affine"])
def test_strength_zero_of_a_scale_that_sets_a_bound_or_a_value_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match="stands for the unsteered model"):
        SCALES.get(name).check(0.0)


def test_a_vector_without_the_negative_mean_is_refused_with_what_to_do() -> None:
    with pytest.raises(SettingError, match=r"scale affine needs the mean state.*trimtab extract measures it"):
        SteeringSetting("affine").intervention(vector_for(tiny("llama")), Cell((0,), 1.0))
    with pytest.raises(SettingError, match="negative_mean of layer 0"):
        Intervention({0: torch.ones(3)}, 1.0, "affine")


def test_transport_without_its_map_is_refused_with_what_to_do_and_so_is_a_layer_whose_direction_is_not_used() -> None:
    with pytest.raises(SettingError, match=r"scale transport needs the map .*trimtab extract --transport"):
        SteeringSetting("transport").intervention(vector_for(tiny("llama")), Cell((0,), 1.0))
    with pytest.raises(SettingError, match="uses no direction, so vector_layer would do nothing"):
        SteeringSetting("transport", vector_layer=2)


@pytest.mark.parametrize("name", sorted(set(SCALES.names()) - set(push_scales())))
def test_a_calibrated_scale_does_not_push(name: str) -> None:
    with pytest.raises(SettingError, match="calibrated"):
        SteeringSetting(name).intervention(vector_for(tiny("llama")), Cell((0,), 1.0))


def test_the_docs_have_a_row_for_every_scale() -> None:
    page = (Path(__file__).parents[2] / "docs" / "exactness.md").read_text(encoding="utf-8")
    for name in SCALES.names():
        assert f"| `{name}` |" in page


class Doubled(Scale):
    """h + 2·α·v: a scale from another package."""

    name = "doubled"
    formula = "h + 2·α·v"
    source = "a test"
    normalizes = False

    def aim(self, direction: Tensor, strength: float, **_: Tensor) -> tuple[Tensor, float]:
        return direction.float(), 2 * strength

    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        return add(hidden, steered.float() * strength, direction)


@pytest.fixture
def doubled() -> Iterator[None]:
    with SCALES.temporarily("doubled", Doubled(), "Twice the vector."):
        yield


@pytest.mark.usefixtures("doubled")
def test_a_scale_from_elsewhere_steers_a_model_and_is_swept() -> None:
    backbone = tiny("llama")
    model, vector, pairs = Model(backbone), vector_for(backbone), random_pairs(3)
    theirs = SteeringSetting("doubled").intervention(vector, Cell((1,), 0.5))
    ours = Intervention({1: vector.direction[1]}, 1.0, "raw")
    scores = [next(model.score(pairs, [cell], "text")).scores for cell in (theirs, ours)]
    torch.testing.assert_close(*scores)
    with model.steer(vector, layer=1, strength=0.5, scale="doubled"):
        found = model.chat("Hello", max_new_tokens=6)
    with model.steer(vector, layer=1, strength=1.0, scale="raw"):
        assert model.chat("Hello", max_new_tokens=6) == found


@pytest.mark.usefixtures("doubled")
def test_a_scale_from_elsewhere_is_in_the_help_of_the_command_line() -> None:
    for verb in ("sweep", "chat"):
        assert "doubled" in CliRunner().invoke(cli, [verb, "--help"]).output


@pytest.mark.usefixtures("doubled")
def test_vllm_refuses_a_scale_from_elsewhere() -> None:
    from trimtab.engines.vllm.wire.spec import Push

    with pytest.raises(SettingError, match="doubled"):
        Push("v", (1,), 1.0, "doubled")
