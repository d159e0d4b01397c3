"""The map that the scale `transport` pushes by: least squares through sorted values, neuron by neuron."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from oracle import forward
from tiny import tiny
from trimtab.data import Behavior, SetContrast, contrast, dataset
from trimtab.engines import Model
from trimtab.errors import DataError, SettingError, VectorError
from trimtab.steering import SteeringSetting
from trimtab.steering.cell import Cell
from trimtab.vectors import SteeringVector, extract
from trimtab.vectors.maps import fit_neuron_map, with_transport


def gaussian(rows: int, mean: Tensor, deviation: Tensor, seed: int) -> Tensor:
    noise = torch.randn(rows, len(mean), generator=torch.Generator().manual_seed(seed))
    return mean + deviation * noise


def test_planted_gaussians_the_map_moves_mean_and_spread_of_one_side_to_those_of_the_other() -> None:
    first = gaussian(4000, torch.tensor([0.0, 5.0, -3.0]), torch.tensor([1.0, 0.2, 4.0]), 1)
    second = gaussian(4000, torch.tensor([2.0, -1.0, -3.0]), torch.tensor([3.0, 1.0, 0.5]), 2)
    slope, offset = fit_neuron_map(first, second)
    assert slope.tolist() == pytest.approx([3.0, 5.0, 0.125], rel=0.05)
    moved = slope * first + offset
    torch.testing.assert_close(moved.mean(0), second.mean(0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(moved.std(0), second.std(0), atol=0, rtol=0.02)
    # The line through sorted values, not through pairs that happen to stand side by side.
    for neuron in range(3):
        expected = np.polyfit(np.sort(first[:, neuron].numpy()), np.sort(second[:, neuron].numpy()), 1)
        assert (float(slope[neuron]), float(offset[neuron])) == pytest.approx(tuple(expected), rel=1e-3, abs=1e-3)


def test_sides_of_other_sizes_are_paired_by_their_quantiles_as_if_rows_were_repeated() -> None:
    first, second = gaussian(4, torch.zeros(5), torch.ones(5), 3), gaussian(6, torch.ones(5), torch.ones(5), 4)
    expected = fit_neuron_map(first.repeat_interleave(3, 0), second.repeat_interleave(2, 0))
    found = fit_neuron_map(first, second)
    for values, others in zip(found, expected, strict=True):
        torch.testing.assert_close(values, others)


def test_a_weight_counts_as_that_many_rows() -> None:
    first, second = gaussian(3, torch.zeros(4), torch.ones(4), 5), gaussian(4, torch.ones(4), torch.ones(4), 6)
    times = torch.tensor([1, 2, 1])
    expected = fit_neuron_map(first.repeat_interleave(times, 0), second)
    found = fit_neuron_map(first, second, times.double())
    for values, others in zip(found, expected, strict=True):
        torch.testing.assert_close(values, others)


def test_a_neuron_of_one_value_is_moved_and_not_stretched() -> None:
    slope, offset = fit_neuron_map(torch.full((5, 1), 2.0), torch.arange(5.0)[:, None])
    assert (slope.item(), offset.item()) == (1.0, 0.0)
    with pytest.raises(DataError, match="at least 2 states"):
        fit_neuron_map(torch.ones(1, 3), torch.ones(4, 3))


BACKBONE = tiny("llama")


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(BACKBONE)


@pytest.fixture(scope="module")
def vector(model: Model) -> SteeringVector:
    return with_transport(extract(model, PAIRS, progress=False), model, PAIRS, progress=False)


PAIRS = dataset("cheerful")[:6]


def completion_states(model: Model, behavior: Behavior) -> tuple[Tensor, Tensor]:
    """Mean state over each completion, [pairs, n_layers, d_model] of either side, one text at a time."""
    sides = []
    for side in ("positive", "negative"):
        means = []
        for pair in model.encode(behavior.pairs, "text"):
            tokens = getattr(pair, side)
            means.append(forward(BACKBONE, tokens)[1][:, pair.prompt_length :].mean(1))
        sides.append(torch.stack(means))
    return sides[0], sides[1]


def test_the_map_of_a_vector_is_that_of_the_states_it_was_made_of(model: Model, vector: SteeringVector) -> None:
    positive, negative = completion_states(model, PAIRS)
    for layer in range(vector.n_layers):
        slope, offset = fit_neuron_map(negative[:, layer], positive[:, layer])
        torch.testing.assert_close(vector.statistics["transport_slope"][layer], slope, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(vector.statistics["transport_offset"][layer], offset, atol=1e-3, rtol=1e-3)


def test_steering_by_transport_is_the_map_at_every_pushed_token(model: Model, vector: SteeringVector) -> None:
    slope, offset = (vector.statistics[name][1] for name in ("transport_slope", "transport_offset"))
    pair = model.encode(PAIRS.pairs[:1], "text")[0]
    cell = SteeringSetting("transport").intervention(vector, Cell((1,), 0.4))
    logits, plain = forward(BACKBONE, pair.positive)[0], forward(BACKBONE, pair.positive)[1][1]
    states = forward(BACKBONE, pair.positive, cell, pair.prompt_length)[1][1]
    torch.testing.assert_close(states[1:], 0.6 * plain[1:] + 0.4 * (slope * plain[1:] + offset), atol=1e-4, rtol=1e-4)
    with model.steer(vector, layer=1, strength=0.4, scale="transport"), torch.no_grad():
        hooked = BACKBONE.model(torch.tensor([list(pair.positive)])).logits[0]
    expected = forward(BACKBONE, pair.positive, cell, pair.prompt_length)[0]
    torch.testing.assert_close(hooked, expected, atol=1e-4, rtol=1e-4)
    assert float((hooked - logits).abs().max()) > 1e-2


def test_a_file_keeps_the_map_and_arithmetic_that_changes_the_sides_drops_it(
    vector: SteeringVector, tmp_path: Path
) -> None:
    again = SteeringVector.load(vector.save(tmp_path / "v.safetensors"))
    assert set(again.statistics) == {"negative_mean", "transport_slope", "transport_offset"}
    assert torch.equal(again.statistics["transport_slope"], vector.statistics["transport_slope"])
    with pytest.raises(SettingError, match="extract --transport"):
        SteeringSetting("transport").intervention(-vector, Cell((1,), 0.4))


def test_two_lists_without_pairs_have_a_map_too(model: Model, tmp_path: Path) -> None:
    for name, count in (("good", 5), ("bad", 3)):
        (tmp_path / f"{name}.txt").write_text("".join(f"It was a {name} day, the {n}th\n" for n in range(count)))
    lists = contrast(f"{tmp_path / 'good.txt'} vs {tmp_path / 'bad.txt'}")
    assert isinstance(lists, SetContrast)
    found = with_transport(extract(model, lists, progress=False), model, lists, progress=False)
    assert bool((found.statistics["transport_slope"] != 1).any())


def test_a_trained_vector_has_the_map_of_its_pairs_and_not_of_its_direction(
    model: Model, vector: SteeringVector
) -> None:
    trained = extract(
        model, PAIRS, method="ssv", layers=[1], training={"steps": 1, "held_back": 0.0}, progress=False
    )  # fmt: skip
    found = with_transport(trained, model, PAIRS, progress=False).statistics
    torch.testing.assert_close(found["transport_slope"], vector.statistics["transport_slope"])


def test_a_vector_of_another_model_is_refused(model: Model, vector: SteeringVector) -> None:
    made = replace(vector.provenance, first_token_ratio=())
    shorter = SteeringVector(vector.direction[:2], None, made)
    with pytest.raises(VectorError, match="2 layers"):
        with_transport(shorter, model, PAIRS, progress=False)
