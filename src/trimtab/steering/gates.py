"""Gates: a push only where a linear probe of the state says so.

At a pushed layer the probe of that layer reads the residual stream of a token before anything is pushed there, and the
push is applied where its probability is above a threshold. Same layer, same token: whether a token is pushed follows
from its hidden state alone, so caches, batches and the one-pass sweep stay exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from trimtab.errors import SettingError


class Condition(NamedTuple):
    """What a gate asks of the state of a token at one layer."""

    weight: Tensor
    """w [d_model], or one for each token [..., d_model]; float32."""
    bias: float | Tensor
    """b less the threshold's logit, or one for each token [...]. The condition holds where w·h + b is above 0."""

    def holds(self, hidden: Tensor) -> Tensor:
        """Which tokens fulfil it: boolean [...] for states [..., d_model] of any float type, worked out in float32."""
        bias = self.bias.to(hidden.device) if isinstance(self.bias, Tensor) else self.bias
        met: Tensor = (hidden.float() * self.weight.to(hidden.device)).sum(-1) + bias > 0
        return met


@dataclass(frozen=True, eq=False)
class Gate:
    """A linear probe for each of some layers, and the probability above which a push goes through."""

    weight: Mapping[int, Tensor]
    """Layer → w [d_model]. The probe's probability at a state h is 1 / (1 + exp(−(w·h + b)))."""
    bias: Mapping[int, float]
    threshold: float = 0.5
    """0 lets every push through, 1 none."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        if not 0 <= self.threshold <= 1:
            raise SettingError(f"threshold {self.threshold} is not a probability; give a number from 0 to 1")
        if set(self.weight) != set(self.bias):
            raise SettingError("a gate needs a weight and a bias for each of its layers")
        for layer, weight in self.weight.items():
            if weight.dim() != 1 or not (bool(torch.isfinite(weight).all()) and math.isfinite(self.bias[layer])):
                raise SettingError(f"the gate's probe at layer {layer} is not a direction and a bias of finite numbers")

    def __repr__(self) -> str:
        """In one line, without the probes."""
        layers = ", ".join(map(str, sorted(self.weight)))
        return f"Gate(layer{'s' * (len(self.weight) > 1)} {layers}: threshold {self.threshold:g})"

    def require_probe(self, layer: int, width: int) -> None:
        """Refuse a pushed layer that the gate cannot read.

        Raises:
            SettingError: when it has no probe there, or one of another width.
        """
        if layer not in self.weight:
            raise SettingError(f"the gate has no probe at layer {layer}, so it cannot tell when to push there")
        if len(self.weight[layer]) != width:
            raise SettingError(
                f"the gate's probe at layer {layer} is {len(self.weight[layer])} wide, the direction {width}; "
                "both must come from the same model"
            )

    def condition(self, layer: int) -> Condition:
        """What it asks at a layer, threshold included."""
        t = self.threshold
        bar = math.log(t / (1 - t)) if 0 < t < 1 else math.copysign(math.inf, t - 0.5)
        return Condition(self.weight[layer].float(), self.bias[layer] - bar)
