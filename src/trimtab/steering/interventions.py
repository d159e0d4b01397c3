"""Interventions: which layers, which way, how far, at which tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce

import torch
from torch import Tensor

from trimtab.errors import SettingError
from trimtab.steering.gates import Gate, PromptGate
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
    gate: Gate | PromptGate | None = None
    """Push only the tokens whose state, before anything is pushed at that layer, opens it; or only texts whose prompt
    does."""
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
            if isinstance(self.gate, PromptGate):
                self.gate.require_width(len(direction))
            elif self.gate is not None:
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
        """Both pushes at once: at one layer those that add something are added up, others act in order."""
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
        gated = "gated by the prompt" if isinstance(self.gate, PromptGate) else "gated"
        options = ["first token too"] * self.first_token + [gated] * (self.gate is not None)
        what = ", ".join([f"strength {self.strength:g} {self.scale}", f"positions {self.positions}", *options])
        one = f"Intervention(layer{'s' * (len(self.directions) > 1)} {layers}: {what})"
        return one if self.also is None else f"{one} + {self.also!r}"

    @property
    def prompt_gates(self) -> tuple[PromptGate, ...]:
        """Conditions on the prompt that are not decided yet."""
        return tuple(part.gate for part in self.parts() if isinstance(part.gate, PromptGate))

    def decided(self, opened: Callable[[PromptGate], bool]) -> Intervention | None:
        """The pushes of a text whose prompt has decided: those whose gate on the prompt is shut are gone."""
        parts = [
            replace(part, gate=None if isinstance(part.gate, PromptGate) else part.gate, also=None)
            for part in self.parts()
            if not isinstance(part.gate, PromptGate) or opened(part.gate)
        ]
        return reduce(Intervention.and_also, parts) if parts else None

    def aims(self, layer: int) -> list[Aim]:
        """The pushes at a layer, in order.

        Raises:
            SettingError: where a gate on the prompt has not been decided.
        """
        if self.prompt_gates:
            raise SettingError("a gate on the prompt is decided for each text: run it by the methods of trimtab.Model")
        return [aim for aim, _ in self.aims_and_gates(layer)]

    def aims_and_gates(self, layer: int) -> list[tuple[Aim, PromptGate | None]]:
        """The pushes at a layer, in order, each with the condition on the prompt that it has."""
        own: list[tuple[Aim, PromptGate | None]] = []
        if layer in self.directions:
            gate = self.gate if isinstance(self.gate, PromptGate) else None
            condition = self.gate.condition(layer) if isinstance(self.gate, Gate) else None
            known = {name: self.statistics[name][layer] for name in self.scaling.needs}
            aimed = self.scaling.aim(self.directions[layer], self.strength, **known)
            own = [(Aim(*aimed, self.scaling, condition), gate)]
        return own + (self.also.aims_and_gates(layer) if self.also else [])


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
