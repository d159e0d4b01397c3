"""Settings of projections."""

from __future__ import annotations

from typing import Any

from pydantic import BeforeValidator, model_serializer

from trimtab.study.measures.settings import MeasureSettings


class Projections(MeasureSettings):
    """Project held-out examples on the vector at every layer, and see how well it tells them apart."""

    def check_study(self, key: str, *, sweep: bool) -> None:
        """Accept every study: nothing is steered."""


class NoProjections(Projections):
    """`projection: false`: not even where nothing can be scored, which is projected without being asked for."""

    def covers(self, model: str, behavior: str, is_choice: bool) -> bool:
        """Whether a behavior is measured in a model: never."""
        return False

    @model_serializer
    def _as_written(self) -> bool:
        return False


def _switched(value: Any) -> Any:
    if isinstance(value, bool):
        return {} if value else NoProjections()
    return value


OnByItself = BeforeValidator(_switched)
"""Lets `true` and `false` be written; without the key, behaviors without pairs to score are projected."""
