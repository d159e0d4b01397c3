"""Vectors as bytes: what a client sends to the workers."""

from __future__ import annotations

import pickle

import pytest
import torch
from safetensors.torch import save

from trimtab.engines.vllm.plugin.vector_table import content_name, packed, unpacked
from trimtab.errors import SettingError, VectorError
from trimtab.steering import Gate

WIDTH = 6


def gate(*layers: int) -> Gate:
    return Gate({layer: torch.randn(WIDTH) for layer in layers}, {layer: 0.1 + layer for layer in layers}, 0.3)


def test_directions_come_back_as_they_were_packed() -> None:
    directions = {2: torch.randn(WIDTH), 0: torch.randn(WIDTH)}
    known = unpacked(packed(directions, None))
    assert known.gate is None
    assert sorted(known.directions) == [0, 2]
    assert all(torch.equal(known.directions[layer], directions[layer]) for layer in directions)


def test_gates_come_back_as_they_were_packed() -> None:
    asked = gate(0, 2)
    found = unpacked(packed({0: torch.randn(WIDTH), 2: torch.randn(WIDTH)}, asked)).gate
    assert found is not None
    assert (found.bias, found.threshold) == (asked.bias, asked.threshold)
    assert all(torch.equal(found.weight[layer], asked.weight[layer]) for layer in (0, 2))


def test_what_scales_need_comes_back_as_it_was_packed() -> None:
    mean = {0: torch.randn(WIDTH), 2: torch.randn(WIDTH)}
    known = unpacked(packed({0: torch.randn(WIDTH), 2: torch.randn(WIDTH)}, None, {"negative_mean": mean}))
    assert all(torch.equal(known.statistics["negative_mean"][layer], mean[layer]) for layer in mean)
    assert not unpacked(packed({0: torch.randn(WIDTH)}, None)).statistics


def test_one_tensor_can_stand_for_several_layers() -> None:
    direction = torch.randn(4, WIDTH)[1]
    known = unpacked(packed({0: direction, 3: direction}, None))
    assert torch.equal(known.directions[0], direction)
    assert torch.equal(known.directions[3], direction)


def test_vectors_travel_as_float32() -> None:
    known = unpacked(packed({0: torch.randn(WIDTH, dtype=torch.bfloat16)}, None))
    assert known.directions[0].dtype == torch.float32


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a vector at all",
        pickle.dumps({"direction.0": [1.0]}),
        save({}),
        save({"weight": torch.ones(WIDTH)}),
        save({"direction": torch.ones(WIDTH)}),
        save({"direction.first": torch.ones(WIDTH)}),
        save({"direction.0.1": torch.ones(WIDTH)}),
        save({"threshold": torch.tensor(0.5)}),
        save({"direction.0": torch.ones(WIDTH), "threshold": torch.ones(2)}),
        save({"direction.0": torch.ones(WIDTH), "threshold": torch.tensor(0.5), "gate.0": torch.ones(WIDTH)}),
        save({"direction.0": torch.ones(WIDTH), "threshold": torch.tensor(7.0)}),
        packed({0: torch.ones(WIDTH)}, None)[:-4],
    ],
)
def test_bytes_that_are_no_vector_are_refused(content: bytes) -> None:
    with pytest.raises((VectorError, SettingError)):
        unpacked(content)


def test_the_name_by_content_tells_directions_layers_and_gates_apart() -> None:
    direction, opening = torch.randn(WIDTH), gate(0)
    names = [
        content_name(packed({0: direction}, None)),
        content_name(packed({1: direction}, None)),
        content_name(packed({0: direction * 2}, None)),
        content_name(packed({0: direction}, opening)),
        content_name(packed({0: direction}, Gate(opening.weight, opening.bias, 0.4))),
    ]
    assert len(set(names)) == len(names)
    assert content_name(packed({0: direction.clone()}, None)) == names[0]
