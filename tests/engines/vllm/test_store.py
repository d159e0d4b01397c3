"""The vectors that a vLLM process knows: each under a name made from its content, so never another under the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from trimtab.engines.vllm.plugin.vector_table import Vectors, content_name, packed
from trimtab.engines.vllm.wire.spec import MAX_PUSHES, Push, Read, Spec
from trimtab.errors import SettingError, VectorError
from trimtab.steering import Gate

LAYERS, WIDTH = 4, 6


@pytest.fixture
def vectors() -> Vectors:
    return Vectors(LAYERS, WIDTH)


def added(vectors: Vectors, directions: dict[int, Tensor], gate: Gate | None = None) -> str:
    """The name of a vector that was taken in."""
    content = packed(directions, gate)
    name = content_name(content)
    vectors.add(name, content)
    return name


@pytest.fixture
def ones(vectors: Vectors) -> str:
    """A vector at layer 1."""
    return added(vectors, {1: torch.ones(WIDTH)})


def spec(name: str, layers: tuple[int, ...] = (1,), strength: float = 1.0, **more: Any) -> Spec:
    return Spec((Push(name, layers, strength, **more),))


def gate(*layers: int) -> Gate:
    return Gate({layer: torch.randn(WIDTH) for layer in layers}, {layer: 0.1 + layer for layer in layers}, 0.3)


def test_a_registered_vector_is_found_by_name(vectors: Vectors) -> None:
    direction = torch.randn(WIDTH)
    found = vectors.intervention(spec(added(vectors, {1: direction}), strength=2.0))
    assert found is not None
    assert torch.equal(found.directions[1], direction)
    assert (found.strength, found.scale, found.gate) == (2.0, "relative", None)


def test_every_content_has_a_name_of_its_own(vectors: Vectors, ones: str) -> None:
    assert added(vectors, {1: torch.ones(WIDTH)}) == ones
    others = [added(vectors, {1: torch.zeros(WIDTH)}), added(vectors, {1: torch.ones(WIDTH)}, gate(1))]
    assert len({ones, *others}) == 3
    assert torch.equal(vectors.get(ones).directions[1], torch.ones(WIDTH))


def test_a_name_that_was_not_made_from_the_content_is_refused(vectors: Vectors, ones: str) -> None:
    with pytest.raises(VectorError, match="is not the name of this vector"):
        vectors.add(ones, packed({1: torch.zeros(WIDTH)}, None))
    assert torch.equal(vectors.get(ones).directions[1], torch.ones(WIDTH))


@pytest.mark.parametrize("wrong", [{LAYERS: torch.ones(WIDTH)}, {-1: torch.ones(WIDTH)}, {0: torch.ones(WIDTH + 1)}])
def test_a_registered_vector_must_fit_the_model(vectors: Vectors, wrong: dict[int, Tensor]) -> None:
    with pytest.raises(VectorError, match="does not fit a model of 4 layers × 6"):
        added(vectors, wrong)
    with pytest.raises(SettingError, match="no vector"):
        vectors.get(content_name(packed(wrong, None)))


def test_a_dropped_vector_is_forgotten(vectors: Vectors, ones: str) -> None:
    assert ones in vectors
    vectors.drop(ones)
    vectors.drop(ones)
    assert ones not in vectors
    with pytest.raises(SettingError, match="no vector"):
        vectors.get(ones)


def test_no_pushes_are_no_intervention(vectors: Vectors) -> None:
    assert vectors.intervention(Spec()) is None
    assert vectors.intervention(Spec(read=Read(0, 2, (LAYERS - 1,)))) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"layers": (LAYERS,)},
        {"vector_layer": LAYERS},
        {"vector_layer": -1},
    ],
)
def test_a_layer_that_the_model_does_not_have_is_refused(vectors: Vectors, ones: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="out of range: this model has layers 0 to 3"):
        vectors.intervention(spec(ones, **wrong))


@pytest.mark.parametrize("layer", [LAYERS, -1])
def test_a_layer_that_cannot_be_read_is_refused(vectors: Vectors, layer: int) -> None:
    with pytest.raises(SettingError, match="out of range: this model has layers 0 to 3"):
        vectors.intervention(Spec(read=Read(0, 2, (layer,))))


def test_a_layer_that_the_vector_does_not_have_is_refused(vectors: Vectors, ones: str) -> None:
    with pytest.raises(SettingError, match="has no direction at layer 2"):
        vectors.intervention(spec(ones, (2,)))
    found = vectors.intervention(spec(ones, (2,), vector_layer=1))
    assert found is not None
    assert torch.equal(found.directions[2], torch.ones(WIDTH))


def test_several_pushes_keep_their_order(vectors: Vectors, ones: str) -> None:
    other = added(vectors, {1: torch.randn(WIDTH), 2: torch.randn(WIDTH)})
    pushes = (Push(ones, (1,), 1.0, "project_out"), Push(other, (1, 2), 2.0, "raw"), Push(ones, (1,), 3.0, "relative"))
    found = vectors.intervention(Spec(pushes, "after_prompt", True))
    assert found is not None
    assert [aim.scale.name for aim in found.aims(1)] == ["project_out", "raw", "relative"]
    assert [aim.strength for aim in found.aims(1)] == [1.0, 2.0, 3.0]
    assert found.layers == (1, 2)
    assert (found.positions, found.first_token) == ("after_prompt", True)


def test_as_many_pushes_as_are_allowed_are_put_together(vectors: Vectors, ones: str) -> None:
    found = vectors.intervention(Spec((Push(ones, (1,), 1.0),) * MAX_PUSHES))
    assert found is not None
    assert len(found.aims(1)) == MAX_PUSHES


def test_the_gate_of_a_registered_vector_goes_with_it(vectors: Vectors) -> None:
    asked = gate(1)
    found = vectors.intervention(spec(added(vectors, {1: torch.ones(WIDTH)}, asked)))
    assert found is not None
    assert found.gate is not None
    assert found.gate.bias == asked.bias


def test_a_vector_without_a_direction_cannot_be_pushed(vectors: Vectors) -> None:
    zero = added(vectors, {1: torch.zeros(WIDTH)})
    with pytest.raises(SettingError, match="the direction at layer 1 is zero"):
        vectors.intervention(spec(zero))
