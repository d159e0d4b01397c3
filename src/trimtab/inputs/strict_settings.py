"""The base of all settings that users write: unknown keys and values of another kind are refused."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Strict(BaseModel):
    """Base of everything read from a file: unknown keys are refused, as a misspelled one would have no effect."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _of_the_right_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse `true` for a number, and a number for `true` or `false`: pydantic accepts either."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        if problem := _kind_mismatch(value, annotation):
            raise ValueError(problem)
        return value


def _kind_mismatch(value: Any, annotation: Any) -> str:
    """What is wrong with a scalar, or with those of a list, for the kinds of scalars that a field takes."""
    if isinstance(value, list | tuple):
        inner = [part for kind in parts_of(annotation) for part in get_args(kind) if get_origin(kind) is tuple]
        return next((problem for v in value for part in inner if (problem := _kind_mismatch(v, part))), "")
    kinds = set(parts_of(annotation))
    if isinstance(value, bool) and bool not in kinds and kinds & {int, float, str}:
        return f"is a {'number' if kinds & {int, float} else 'text'}, not {str(value).lower()}"
    if isinstance(value, int | float | str) and not isinstance(value, bool) and kinds - {type(None)} == {bool}:
        return f"is true or false, not {value!r}"
    return ""


def parts_of(annotation: Any) -> Iterator[Any]:
    """The kinds that a type is made of: those of a union, each without its annotations."""
    if get_origin(annotation) is Annotated:
        yield from parts_of(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from parts_of(part)
    elif get_origin(annotation) is Literal:
        yield str
    else:
        yield annotation
