"""Interventions: which layers, which way, how far, at which tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from trimtab.errors import SettingError
from trimtab.steering.gates import Gate
from trimtab.steering.positions import Positions, parse_positions, require_first_token
from trimtab.steering.pushes import Aim
from trimtab.steering.scales import DEFAULT_SCALE, SCALES, Scale

MAX_STRENGTH = 1e9
"""Far beyond it states are no numbers any more in any dtype, and nothing that is measured means anything."""


@dataclass(frozen=True, eq=False)
class Intervention:
    """One way to push the residual stream: which layers, which way, how far, at which tokens."""

    directions: Mapping[int, Tensor]
    """Layer → raw direction [d_model]. Pushed is the output of that decoder layer (`resid_post`)."""
    strength: float
    scale: str = DEFAULT_SCALE
    """What the strength means: a name of `trimtab.steering.scales.SCALES`."""
    positions: Positions = "all"
    first_token: bool = False
    """Whether the sequence's very first token is pushed too. It is the attention sink: its norm can be a thousand
    times the others', so a relative push there is a sledgehammer."""
    gate: Gate | None = None
    """Push only the tokens whose state, before anything is pushed at that layer, opens it."""
    also: Intervention | None = None
    """A second push, behind this one where both are at the same layer: several vectors at once; see `and_also`."""
    statistics: Mapping[str, Mapping[int, Tensor]] = field(default_factory=dict)
    """What the scale `needs`: name of `trimtab.vectors.STATISTICS` → layer → [d_model]."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        check_strength(self.strength)
        self.scaling.check(self.strength)
        where = parse_positions(self.positions)
        object.__setattr__(self, "positions", where.text)
        require_first_token(where, self.first_token)
        if not self.directions:
            raise SettingError("no layer to steer at was given")
        require_layers(self.directions)
        for layer, direction in self.directions.items():
            if not bool(torch.isfinite(direction).all()):
                raise SettingError(f"the direction at layer {layer} holds NaN or infinite values")
            if (self.scaling.normalizes or self.strength) and not bool(direction.any()):
                raise SettingError(
                    f"the direction at layer {layer} is zero: it has no direction to push in. Leave that layer out"
                )
            if self.gate is not None:
                self.gate.require_probe(layer, len(direction))
            self._require_statistics(layer, direction)
        if self.also is not None and (self.also.positions, self.also.first_token) != (self.positions, self.first_token):
            raise SettingError("vectors that are pushed together steer the same positions")

    def _require_statistics(self, layer: int, direction: Tensor) -> None:
        for name in self.scaling.needs:
            found = self.statistics.get(name, {}).get(layer)
            if found is None:
                raise SettingError(f"the scale {self.scale} needs the {name} of layer {layer}, which was not given")
            if found.shape != direction.shape or not bool(torch.isfinite(found).all()):
                raise SettingError(f"the {name} of layer {layer} is not {len(direction)} finite numbers")

    def and_also(self, other: Intervention) -> Intervention:
        """Both pushes at once: this one, then `other` where both are at the same layer."""
        return replace(self, also=other if self.also is None else self.also.and_also(other))

    @cached_property
    def scaling(self) -> Scale:
        """The scale itself."""
        return SCALES.get(self.scale)

    @cached_property
    def layers(self) -> tuple[int, ...]:
        """All layers that are pushed, lowest first."""
        return tuple(sorted({*self.directions, *(self.also.layers if self.also else ())}))

    def parts(self) -> tuple[Intervention, ...]:
        """This push and those that go with it, in the order of pushing."""
        return (self, *(self.also.parts() if self.also else ()))

    def __repr__(self) -> str:
        """In one line, without the tensors."""
        layers = ", ".join(map(str, sorted(self.directions)))
        options = ["first token too"] * self.first_token + ["gated"] * (self.gate is not None)
        what = ", ".join([f"strength {self.strength:g} {self.scale}", f"positions {self.positions}", *options])
        one = f"Intervention(layer{'s' * (len(self.directions) > 1)} {layers}: {what})"
        return one if self.also is None else f"{one} + {self.also!r}"

    def aims(self, layer: int) -> list[Aim]:
        """The pushes at a layer, in order."""
        own = []
        if layer in self.directions:
            condition = None if self.gate is None else self.gate.condition(layer)
            known = {name: self.statistics[name][layer] for name in self.scaling.needs}
            aimed = self.scaling.aim(self.directions[layer], self.strength, **known)
            own = [Aim(*aimed, self.scaling, condition)]
        return own + (self.also.aims(layer) if self.also else [])


def check_strength(strength: float) -> float:
    """Refuse what is no number to steer with: NaN, infinity, and what no state has room for."""
    if not math.isfinite(strength):
        raise SettingError(f"strength {strength} is not a number to steer with; give a finite one, such as 1 or -0.5")
    if abs(strength) > MAX_STRENGTH:
        raise SettingError(
            f"strength {strength:g} is out of range: strengths are from {-MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
        )
    return strength


def check_layers(interventions: Iterable[Intervention | None], n_layers: int) -> None:
    """Refuse layers that the model does not have."""
    for intervention in interventions:
        if intervention is not None:
            require_layers(intervention.layers, n_layers)


def require_layers(layers: Iterable[int], n_layers: int | None = None) -> None:
    """Refuse layers that are not there.

    Args:
        layers: Numbers of layers.
        n_layers: How many the model has; where it is unknown, only layers below 0 are refused.

    Raises:
        SettingError: With the layer.
    """
    for layer in layers:
        if layer < 0 or (n_layers is not None and layer >= n_layers):
            known = "layers count from 0" if n_layers is None else f"this model has layers 0 to {n_layers - 1}"
            raise SettingError(f"layer {layer} is out of range: {known}")
