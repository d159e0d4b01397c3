"""Layers and strengths as users write them: a number, a list or a text."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from trimtab.errors import SettingError
from trimtab.evaluation import check_layer_text, parse_strengths


def layers_text(value: Any) -> Any:
    """Layers as text; a number and a list are accepted as well."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, list | tuple):
        value = ",".join(map(str, value))
    try:
        return check_layer_text(value) if isinstance(value, str) else value
    except SettingError as error:
        raise ValueError(str(error)) from None


def strength_values(value: Any) -> Any:
    """Strengths as numbers, at least one of them other than 0."""
    try:
        strengths = parse_strengths([value] if isinstance(value, int | float) else value)
    except TypeError:
        raise ValueError("is a list of numbers, such as [-1, 1]") from None
    except SettingError as error:
        raise ValueError(str(error)) from None
    if not any(strengths):
        raise ValueError("needs at least one strength other than 0, such as [-1, 1]")
    return strengths


Layers = Annotated[str, BeforeValidator(layers_text)]
Strengths = Annotated[tuple[float, ...], BeforeValidator(strength_values)]
