"""Which settings make a run another run: an allow-list, field by field, on the settings classes themselves.

Every field of a class below `Marked` carries one of three marks:

    layers: Annotated[str, SHAPES] = "all"

`SHAPES` takes part in the identity of a run: with another value its numbers are others, so it is another run. `ADDS`
only adds rows or tables to a run, and chooses among them; each table is identified by what it was computed from.
`NO_NUMBERS` is a name, a group, a resource. A key that is added later names the value that
reproduces runs from before it existed, and is left out of the identity while it has that value:

    layer_norm: Annotated[bool, Shapes(unless=False)] = False
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from pydantic import BaseModel

from trimtab.store.yaml_file import Strict


class Effect(Enum):
    """Marks of settings that are no part of a run's identity."""

    ADDS = "adds rows or tables to a run"
    NO_NUMBERS = "no number depends on it"


class _Always:
    """No value of any setting."""


@dataclass(frozen=True)
class Shapes:
    """Mark of a setting that is part of a run's identity."""

    unless: Any = _Always
    """The value that reproduces runs from before the key existed; while a setting has it, it is left out."""


SHAPES = Shapes()
ADDS, NO_NUMBERS = Effect.ADDS, Effect.NO_NUMBERS


class Marked(Strict):
    """Settings of which every field is marked with its effect on the numbers of a run."""

    numbers: ClassVar[int] = 1
    """Raised when the same settings give tables with other numbers or columns than before, so that a run of an earlier
    version is not continued: its rows and the new ones would not compare."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse unmarked fields: a forgotten one would mix results, or turn every run into another one."""
        super().__pydantic_init_subclass__(**kwargs)
        for name in cls.model_fields:
            if effect_of(cls, name) is None:
                raise TypeError(
                    f"{cls.__name__}.{name}: mark it with SHAPES, ADDS or NO_NUMBERS (trimtab.study.settings.identity)"
                )


def effect_of(settings: type[BaseModel], name: str) -> Shapes | Effect | None:
    """The mark of a field; None where there is not exactly one."""
    marks = [mark for mark in settings.model_fields[name].metadata if isinstance(mark, Shapes | Effect)]
    return marks[0] if len(marks) == 1 else None


def shaping_part(settings: BaseModel) -> dict[str, Any]:
    """The fields that shape numbers, as JSON holds them, in settings inside of these settings too."""
    dumped = settings.model_dump(mode="json")
    found = {}
    for name in type(settings).model_fields:
        effect, value = effect_of(type(settings), name), getattr(settings, name)
        if isinstance(effect, Shapes) and value != effect.unless:
            found[name] = _shaping_value(value, dumped[name])
    if isinstance(settings, Marked) and settings.numbers > 1:
        found["numbers"] = settings.numbers
    return found


def _shaping_value(value: Any, dumped: Any) -> Any:
    if isinstance(value, Marked):
        return shaping_part(value)
    if isinstance(value, tuple) and any(isinstance(inner, Marked) for inner in value):
        return [_shaping_value(inner, part) for inner, part in zip(value, dumped, strict=True)]
    return dumped
