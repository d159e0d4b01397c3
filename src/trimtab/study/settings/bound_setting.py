"""The study key `bound`: strengths of `cap`, `floor` and `clamp` as percentiles of projections on the training part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from trimtab.evaluation import BoundSide
from trimtab.models import ExamplePosition, TokenPosition
from trimtab.study.settings.identity import SHAPES, Marked

_PERCENTILE = re.compile(r"p(\d{1,2}(\.\d{1,6})?)", re.ASCII)


def _percentiles(value: Any) -> Any:
    """P25, or several of them, as numbers."""
    if isinstance(value, str | int | float):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    return tuple(_percentile(one) for one in value)


def _percentile(value: Any) -> Any:
    if isinstance(value, bool):  # True is 1 to Python, and no percentile to a person
        raise ValueError(f"{str(value).lower()} is no percentile; write p25")
    if isinstance(value, str):
        found = _PERCENTILE.fullmatch(value)
        if found is None:
            raise ValueError(f"{value[:80]!r} is no percentile; write p25")
        return float(found[1])
    return value


class Bound(Marked):
    """Percentiles of projections, at which each layer is bounded."""

    at: Annotated[tuple[float, ...], BeforeValidator(_percentiles), SHAPES] = Field(min_length=1, max_length=20)
    """`p25`, or several."""
    side: Annotated[BoundSide, SHAPES] = "both"
    """Whose projections: of the examples that show the behavior, of the others, or of all."""
    token_position: Annotated[TokenPosition | ExamplePosition | Literal["auto"], SHAPES] = "auto"
    """Where the texts are read; `auto`: where the vector was. `each_token`: every token of the completions counts."""

    @field_validator("at")
    @classmethod
    def _between(cls, at: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < one < 100 for one in at) or len(set(at)) < len(at):
            raise ValueError("are different percentiles between p0 and p100, neither of them included")
        return tuple(sorted(at))


def named_bound(value: Any) -> Any:
    """Allow percentiles alone for an object that needs no more."""
    return {"at": value} if isinstance(value, str | int | float | list | tuple) else value


def percentiles_of(content: Mapping[str, Any]) -> tuple[float, ...] | None:
    """The strengths of a study with a bound; None where it has none, or one that validation will refuse."""
    if content.get("bound") is None:
        return None
    try:
        return Bound.model_validate(named_bound(content["bound"])).at
    except ValueError:
        return None
