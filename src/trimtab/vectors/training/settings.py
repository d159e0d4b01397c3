"""How a vector is trained: the settings that all trained methods have, and how they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from trimtab._util.suggest import suggestion
from trimtab.errors import SettingError

SCHEDULES = ("constant", "linear", "cosine")

Settings = TypeVar("Settings", bound="TrainingSettings")


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a training. Methods add their own and have other defaults.

    Lengths and learning rates are in units of the residual stream, so that one value serves all layers and models: a
    vector's coordinates are trained in units of r/√d, where r is the layer's mean residual norm and d its width.
    """

    steps: int = 48
    """Steps of the optimiser at most, one batch each."""
    learning_rate: float = 0.02
    """Of AdamW, in units of r/√d: what a coordinate moves in a step at most, about."""
    batch_size: int = 8
    """Pairs in a batch; a choice pair brings both of its option orders."""
    norm_bound: float = 0.2
    """The longest that a vector may be, as a part of its layer's mean residual norm; a longer one is scaled back after
    each step (as Dunefsky & Cohan 2025 bound theirs). 0.2 is the middle of the relative strengths at which replies stay
    coherent (0.1 to 0.3), so that a vector as trained (scale `raw`, strength 1) is a usual push in every layer."""
    weight_decay: float = 0.0
    """Decoupled, of AdamW."""
    warmup: int = 0
    """Steps in which the learning rate rises to its value."""
    schedule: str = "linear"
    """How the learning rate falls to zero over the steps behind the warm-up: `constant` (not), `linear`, `cosine`."""
    held_back: float = 0.2
    """Part of the training pairs that decides when to stop, and is not fitted."""
    check_every: int = 4
    """Steps between two looks at the pairs that were held back."""
    patience: int = 3
    """Looks without a better loss after which a layer stops."""
    positions: str = "all"
    """Which tokens are pushed while training, as in steering."""
    first_token: bool = False
    """Whether the first token, the attention sink, is pushed too."""

    def __post_init__(self) -> None:
        """Refuse values that cannot train."""
        for name, least in (("steps", 1), ("batch_size", 1), ("check_every", 1), ("patience", 1), ("warmup", 0)):
            if getattr(self, name) < least:
                raise SettingError(f"training: {name} is {getattr(self, name)}; it is at least {least}")
        for name in ("learning_rate", "norm_bound"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingError(
                    f"training: {name} is {getattr(self, name):g}; it must be above 0, or no vector can be trained"
                )
        if not 0 <= self.weight_decay < math.inf:
            raise SettingError(f"training: weight_decay is {self.weight_decay:g}; it is 0 or more")
        if not 0 <= self.held_back <= 0.5:
            raise SettingError(f"training: held_back is {self.held_back:g}; it is a share of the pairs from 0 to 0.5")
        if self.schedule not in SCHEDULES:
            raise SettingError(
                f"training: schedule {self.schedule!r} is unknown{suggestion(self.schedule, SCHEDULES)}; it is one of "
                f"{', '.join(SCHEDULES)}"
            )

    @property
    def as_record(self) -> dict[str, bool | float | int | str]:
        """All values by name."""
        return asdict(self)

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        factor = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[self.schedule]
        return self.learning_rate * factor


def read_settings(kind: type[Settings], given: Mapping[str, Any], method: str) -> Settings:
    """Make the settings of a method from names and values.

    Args:
        kind: The settings of the method.
        given: Values by name; what is not named has its default.
        method: Its name, for messages.

    Raises:
        SettingError: For a name that the method does not have, or a value out of range or of another type.
    """
    types: dict[str, type] = {field.name: type(getattr(kind, field.name)) for field in fields(kind)}
    for name, value in given.items():
        if name not in types:
            raise SettingError(
                f"training: method {method} has no setting {name!r}{suggestion(str(name), list(types))}; they are "
                f"{', '.join(types)}"
            )
        allowed: tuple[type, ...] = (int, float) if types[name] is float else (types[name],)
        if not isinstance(value, allowed) or (isinstance(value, bool) and types[name] is not bool):
            raise SettingError(f"training: {name} is {value!r}, not {_NAMES.get(types[name], 'text')}")
    return kind(**{name: types[name](value) for name, value in given.items()})


_NAMES = {int: "a whole number", float: "a number", bool: "true or false"}
