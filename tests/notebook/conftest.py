"""A tiny model with vectors, and the parts of a small behavior."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import trimtab as tt
from study.conftest import WhimSettings
from trimtab.data import Behavior
from trimtab.judges import JUDGES

if TYPE_CHECKING:
    from trimtab.models import Backbone

Parts = tuple[Behavior, Behavior, Behavior]
TUNED: dict[str, Any] = {
    "layers": [1, 2], "strengths": [-0.4, 0.4], "judges": ["whim"], "prompts": 3, "max_new_tokens": 6,
    "min_coherence": 0.0, "dose": False,
}  # fmt: skip
"""Little to reply to."""
SETTING: dict[str, Any] = {"layer": 1, "strength": 0.4, "scale": "relative"}


@pytest.fixture(scope="module")
def model(llama: Backbone) -> tt.Model:
    return tt.Model(llama)


@pytest.fixture(scope="module")
def parts() -> Parts:
    return tt.dataset("permissive", limit=16).split(seed=0)


@pytest.fixture(scope="module")
def vectors(model: tt.Model, parts: Parts) -> tt.SteeringVector:
    return tt.extract(model, parts[0])


@pytest.fixture(scope="module")
def tuned(model: tt.Model, vectors: tt.SteeringVector, parts: Parts) -> Iterator[tt.Tuning]:
    train, select, test = parts
    with JUDGES.temporarily("whim", WhimSettings):
        yield tt.tune(model, vectors, select, test=test, train=train, **TUNED)
