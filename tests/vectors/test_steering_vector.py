"""The vector as a value: arithmetic layer by layer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from trimtab.errors import VectorError
from trimtab.vectors import LetterLeakage, Provenance, SteeringVector

MADE = Provenance(
    model="tiny",
    fingerprint="abc",
    behavior="kind",
    pairs_hash="123",
    pairs=8,
    method="mean",
    token_position="answer",
    form="choice",
    balance="both_orders",
    template_hash="def",
    versions={"torch": "2"},
    first_token_ratio=(3.0, 4.0),
    letter=LetterLeakage((0.1, 0.2), (0.5, 0.6)),
)
A = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
B = torch.tensor([[1.0, 0.0], [0.0, -1.0]])


def vector(direction: Tensor, behavior: str = "kind") -> SteeringVector:
    return SteeringVector(direction, torch.tensor([10.0, 20.0]), replace(MADE, behavior=behavior))


def test_addition_and_subtraction_go_layer_by_layer() -> None:
    assert torch.equal((vector(A) + vector(B)).direction, A + B)
    assert torch.equal((vector(A) - vector(B)).direction, A - B)


def test_a_factor_scales_from_either_side() -> None:
    assert torch.equal((0.5 * vector(A)).direction, A / 2)
    assert torch.equal((vector(A) * 0.5).direction, A / 2)


def test_the_negative_is_the_opposite() -> None:
    assert torch.equal((-vector(A)).direction, -A)


def test_unit_has_norm_one_at_every_layer() -> None:
    torch.testing.assert_close(vector(A).unit().direction, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
    assert vector(A).norm.tolist() == [5.0, 2.0]


def test_unit_of_a_zero_layer_stays_zero() -> None:
    assert vector(torch.zeros(2, 2)).unit().direction.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_cosine_is_one_number_a_layer() -> None:
    torch.testing.assert_close(vector(A).cosine(vector(B)), torch.tensor([0.6, -1.0]))


def test_projecting_out_leaves_what_is_orthogonal() -> None:
    rest = vector(A).project_out(vector(B))
    torch.testing.assert_close(rest.direction, torch.tensor([[0.0, 4.0], [0.0, 0.0]]))


def test_arithmetic_says_what_it_made() -> None:
    a, b = vector(A, "kind"), vector(B, "calm")
    assert (a + b).provenance.behavior == "kind + calm"
    assert (a - (a + b)).provenance.behavior == "kind - (kind + calm)"
    assert (0.5 * a).provenance.behavior == "0.5 * kind"
    assert (-a).provenance.behavior == "-kind"
    assert a.project_out(b).provenance.behavior == "kind without calm"


def test_arithmetic_drops_what_was_measured_on_the_old_vector() -> None:
    assert (vector(A) + vector(B)).provenance.letter is None


def test_arithmetic_leaves_its_operands_alone() -> None:
    a = vector(A.clone())
    _ = -(2 * a + a.unit())
    assert torch.equal(a.direction, A)
    assert a.provenance == MADE


def test_vectors_of_different_shapes_do_not_combine() -> None:
    other = SteeringVector(torch.ones(2, 3), torch.ones(2), MADE)
    for combine in (SteeringVector.__add__, SteeringVector.__sub__, SteeringVector.cosine, SteeringVector.project_out):
        with pytest.raises(VectorError, match="different shapes"):
            combine(vector(A), other)


@pytest.mark.parametrize(
    ("direction", "norms"),
    [(torch.ones(3), torch.ones(3)), (torch.ones(2, 3), torch.ones(3)), (torch.ones(1, 2, 3), torch.ones(1))],
)
def test_shapes_that_are_no_vectors_are_refused(direction: Tensor, norms: Tensor) -> None:
    with pytest.raises(VectorError, match=r"direction must be \[n_layers, d_model\]"):
        SteeringVector(direction, norms, MADE)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(VectorError, match="NaN or infinite"):
        SteeringVector(torch.tensor([[1.0, torch.nan]]), torch.ones(1), MADE)


def test_the_representation_names_what_it_is() -> None:
    assert repr(vector(A)) == "SteeringVector('kind', mean, 2 layers × 2, from tiny)"


def test_the_content_hash_covers_all_that_a_push_is_made_of() -> None:
    plain = vector(torch.ones(2, 3))
    one, other = (replace(plain, statistics={"negative_mean": torch.full((2, 3), size)}) for size in (1.0, 2.0))
    assert len({plain.content_hash, one.content_hash, other.content_hash, (-plain).content_hash}) == 4
    assert vector(torch.ones(2, 3), "other name").content_hash == plain.content_hash
