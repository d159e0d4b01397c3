"""Settings for what is to be known of a vector before it is relied on: diagnosis, side effects, robustness."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from trimtab.runs.asking import Asking, given_layers


class Diagnosis(Asking):
    """Are the pairs good, and which layer would heuristics pick."""

    methods: bool = False
    """Whether vectors by every other method of extraction are swept beside the study's own."""


class SideEffects(Asking):
    """What else a vector moves."""

    measure: tuple[str, ...] | None = None
    """Behaviors to measure, built-in names or files; by default the study's others, and built-in ones if there are
    fewer than four."""
    prompts: int = Field(default=16, ge=4, le=10_000)
    """So many prompts of each, test prompts where the study splits them."""
    layers: str | None = None
    """As the study's; all of those by default."""
    random: int = Field(default=20, ge=0, le=1000)
    """Random directions of each kind that the vector's effect is compared with; 0: none."""
    max_new_tokens: int = Field(default=48, ge=1, le=4096)
    """Of each reply to a neutral prompt."""

    _layers = field_validator("layers", mode="before")(lambda value: value if value is None else given_layers(value))


class Robustness(Asking):
    """Whether the effect survives other ways of asking, and other prompts."""

    prompts: int | None = Field(default=None, ge=4)
    """So many of the test prompts; all by default."""
    transfer: tuple[str, ...] = ()
    """Other behaviors that the same vectors should move: built-in names or files, such as items by other people."""
    translations: bool = True
    """Whether built-in behaviors are also asked in the other languages that they come in."""


def switched(value: Any) -> Any:
    """Allow `true` for the default settings of a check, and `false` for none."""
    if isinstance(value, bool):
        return {} if value else None
    return value


Switched = BeforeValidator(switched)
DiagnosisSetting = Annotated[Diagnosis | None, Switched]
SideEffectsSetting = Annotated[SideEffects | None, Switched]
RobustnessSetting = Annotated[Robustness | None, Switched]
