"""Vectors are registered with the workers once, by content, and forgotten when they become many."""

from __future__ import annotations

import pytest
import torch

from trimtab.engines.vllm import _vector_registry
from trimtab.engines.vllm._vector_registry import VectorRegistry
from trimtab.engines.vllm.plugin.vector_table import content_name
from trimtab.engines.vllm.wire.spec import Read
from trimtab.steering import Gate, Intervention


class Workers:
    """What they were told."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}
        self.forgotten: list[str] = []

    def register(self, name: str, content: bytes) -> None:
        assert name not in self.known, "told twice"
        self.known[name] = content

    def forget(self, names: list[str]) -> None:
        self.forgotten += names
        for name in names:
            del self.known[name]


@pytest.fixture
def workers() -> Workers:
    return Workers()


@pytest.fixture
def registry(workers: Workers) -> VectorRegistry:
    return VectorRegistry(workers.register, workers.forget)


def push(value: float, layer: int = 1, **more: object) -> Intervention:
    return Intervention({layer: torch.full((4,), value)}, 0.5, "relative", **more)  # type: ignore[arg-type]


def test_equal_vectors_are_registered_once_whatever_they_are_used_for(
    registry: VectorRegistry, workers: Workers
) -> None:
    one, again = registry.spec(push(1.0)), registry.spec(push(1.0, positions="generated"))
    assert one.pushes == again.pushes
    assert (one.positions, again.positions) == ("all", "generated")
    assert [content_name(content) for content in workers.known.values()] == list(workers.known)


def test_each_vector_of_several_is_registered_in_order(registry: VectorRegistry, workers: Workers) -> None:
    gate = Gate({1: torch.ones(4)}, {1: 0.0}, 0.5)
    spec = registry.spec(push(1.0).and_also(push(2.0, gate=gate)))
    assert [p.vector for p in spec.pushes] == list(workers.known)
    assert len(workers.known) == 2


def test_what_is_only_read_pushes_nothing(registry: VectorRegistry, workers: Workers) -> None:
    spec = registry.spec(None, 5, Read(4, 6))
    assert (spec.pushes, spec.prompt_length, spec.read) == ((), 5, Read(4, 6))
    assert registry.spec(None, 5).prompt_length is None
    assert not workers.known


def test_workers_forget_all_when_it_has_become_much_and_are_told_again(
    registry: VectorRegistry, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_vector_registry, "_MAX_BYTES", 200)
    first = registry.spec(push(1.0)).pushes[0].vector
    registry.tidy()
    assert first in workers.known
    registry.spec(push(2.0))
    registry.spec(push(3.0))
    registry.tidy()
    assert workers.known == {}
    assert first in workers.forgotten
    assert registry.spec(push(1.0)).pushes[0].vector == first
    assert first in workers.known
