"""The arguments by which a harness names a model and its steering, as `-M` and `--model_args` give them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from trimtab._util.suggest import hint
from trimtab.errors import SettingError
from trimtab.steering import SteeringOptions

PLACE_KEYS = ("vector", "layer", "strength", "run", "behavior", "vectors")
"""Which vector is pushed, where and how far."""
OPTION_KEYS = tuple(SteeringOptions.__annotations__)
"""How it is pushed: the fields of `SteeringSetting`."""
LOAD_KEYS = (
    "dtype", "device", "quantization", "stream", "memory_bytes", "trust_remote_code", "engine", "engine_options",
    "template", "thinking", "system_role",
)  # fmt: skip
"""How the model is loaded: the arguments of `trimtab.load`."""

_NAMED = re.compile(r"(?P<model>.+):(?P<vector>[^:/@]+)@(?P<strength>[^:/@]+)")


class NamedSetting(NamedTuple):
    """A model's name with a setting: `smollm2-135m:cheerful@0.3`."""

    model: str
    vector: str = ""
    strength: float | None = None
    """None where the recommended setting is named."""


def parse_name(name: str) -> NamedSetting:
    """Read `MODEL`, `MODEL:VECTOR@recommended` or `MODEL:VECTOR@STRENGTH`.

    Raises:
        SettingError: For a strength that is no number.
    """
    match = _NAMED.fullmatch(name)
    if match is None:
        return NamedSetting(name)
    text = match["strength"]
    if text == "recommended":
        return NamedSetting(match["model"], match["vector"])
    try:
        return NamedSetting(match["model"], match["vector"], float(text))
    except ValueError:
        raise SettingError(
            f"{name}: {text!r} is no strength; behind the @ stands a number, or the word recommended"
        ) from None


@dataclass(frozen=True)
class Arguments:
    """Arguments sorted by what they are for."""

    place: Mapping[str, Any]
    options: Mapping[str, Any]
    load: Mapping[str, Any]

    @classmethod
    def sort(cls, given: Mapping[str, Any], more: Collection[str] = ()) -> Arguments:
        """Sort what was given; `more` are keys that the harness itself has.

        Raises:
            SettingError: For a key that does not exist.
        """
        known = (*PLACE_KEYS, *OPTION_KEYS, *LOAD_KEYS)
        for key in given:
            if key not in known:
                raise SettingError(f"unknown model argument {key!r}{hint(key, (*known, *more), 'arguments')}")
        return cls(
            *({key: given[key] for key in keys if key in given} for keys in (PLACE_KEYS, OPTION_KEYS, LOAD_KEYS))
        )


def parse_layers(value: Any) -> tuple[int, ...]:
    """One layer or several: 17, "9+10", [9, 10].

    Raises:
        SettingError: For anything else.
    """
    parts = value if isinstance(value, list | tuple) else str(value).replace(",", "+").split("+")
    try:
        return tuple(_whole_number(part) for part in parts)
    except ValueError:
        raise SettingError(f"layer: {str(value)[:80]!r} is no layer; give a number, or several as 9+10") from None


def _whole_number(part: Any) -> int:
    if isinstance(part, bool) or not isinstance(part, int | str):
        raise ValueError(part)
    return int(part)


def parse_strength(value: Any) -> float:
    """A number.

    Raises:
        SettingError: For anything else.
    """
    try:
        if isinstance(value, bool):
            raise ValueError(value)
        return float(value)
    except (TypeError, ValueError, OverflowError):  # an integer can be too large for one
        raise SettingError(f"strength: {str(value)[:80]!r} is not a number") from None
