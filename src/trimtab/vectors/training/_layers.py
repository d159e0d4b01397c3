"""The vectors of all layers while they are trained: parameters, norm bound, and the best step of each layer."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from trimtab.vectors.training.settings import TrainingSettings

_START = 0.05
"""Length of a random beginning, as a part of the norm bound."""


@dataclass
class LayerCurve:
    """What has happened at one layer."""

    losses: list[float] = field(default_factory=list)
    checked_at: list[int] = field(default_factory=list)
    checked: list[float] = field(default_factory=list)
    best_step: int = 0
    best: Tensor | None = None
    """The vector of the best step, [d_model]."""
    finite: tuple[int, Tensor] | None = None
    """The last step of which loss and gradient were finite, and the vector before it; until there is a best one."""
    stopped: str = ""
    worse: int = 0
    """Looks since the best one."""


class LayerVectors:
    """One vector for each trained layer, in units of r/√d; each is optimised independently of the others.

    Args:
        layers: the layers, lowest first.
        residual_norm: r of each of them, [layers].
        width: d.
        zero: whether they begin as zeros; else as random directions drawn by seed and layer.
        seed: of the draw.
        settings: of the training.
    """

    def __init__(
        self,
        layers: Sequence[int],
        residual_norm: Tensor,
        width: int,
        *,
        zero: bool,
        seed: int,
        settings: TrainingSettings,
    ):
        self.layers, self.settings = tuple(layers), settings
        self.unit = (residual_norm.float() / math.sqrt(width))[:, None]
        start = torch.zeros(len(layers), width) if zero else torch.stack([_drawn(n, seed, width) for n in layers])
        self.free = torch.nn.Parameter(start * (_START * settings.norm_bound))
        self._optimiser = torch.optim.AdamW([self.free], lr=0.0, weight_decay=settings.weight_decay)
        self.curves = {layer: LayerCurve() for layer in layers}

    @property
    def active(self) -> tuple[int, ...]:
        """Layers that are still trained."""
        return tuple(layer for layer in self.layers if not self.curves[layer].stopped)

    @property
    def reasons(self) -> str:
        """Why layers have stopped, each reason once."""
        return "; ".join(dict.fromkeys(curve.stopped or "the vector is zero" for curve in self.curves.values()))

    def best(self, n_layers: int) -> Tensor:
        """The best vector of each layer, zeros where there is none, [n_layers, d_model] float32."""
        found = torch.zeros(n_layers, self.free.shape[1])
        for layer, curve in self.curves.items():
            if curve.best is not None:
                found[layer] = curve.best
        return found

    def rows(self, layers: Sequence[int]) -> list[int]:
        """Places of some layers."""
        return [self.layers.index(layer) for layer in layers]

    def vectors(self, layers: Sequence[int]) -> Tensor:
        """Vectors of some layers in the model's units, [layers, d_model]; differentiable in `free`."""
        places = self.rows(layers)
        return self.free[places] * self.unit[places]

    def step(self, gradient: Tensor, step: int) -> None:
        """Take a step against a gradient [layers, d_model] of `free`, and scale back what is too long."""
        for group in self._optimiser.param_groups:
            group["lr"] = self.settings.rate_at(step)
        self.free.grad = gradient
        self._optimiser.step()
        with torch.no_grad():
            size = self.free.square().mean(dim=1, keepdim=True).sqrt()  # ‖v‖ / r
            self.free.mul_((self.settings.norm_bound / size.clamp_min(1e-30)).clamp_max(1.0))

    def note(self, layer: int, loss: float, step: int) -> None:
        """Write down the loss of a step, counted from 0, that is about to be taken."""
        curve = self.curves[layer]
        curve.losses.append(loss)
        curve.finite = (step, self.vectors([layer])[0].detach().clone()) if curve.best is None else None

    def end(self, layer: int, why: str) -> None:
        """Train a layer no further, its vector being the best one, or the last that is known to give numbers."""
        curve = self.curves[layer]
        curve.stopped = why
        if curve.best is None and curve.finite is not None and bool(curve.finite[1].any()):
            curve.best_step, curve.best = curve.finite

    def keep(self, layer: int, step: int) -> None:
        """Take a layer's vector as the best so far."""
        curve = self.curves[layer]
        curve.best_step, curve.best, curve.worse = step, self.vectors([layer])[0].detach().clone(), 0


def _drawn(layer: int, seed: int, width: int) -> Tensor:
    """A random direction of norm √width that depends on seed and layer alone."""
    key = int.from_bytes(hashlib.sha256(f"{seed} {layer}".encode()).digest()[:7], "big")
    drawn = torch.randn(width, generator=torch.Generator().manual_seed(key))
    found: Tensor = drawn / drawn.norm() * math.sqrt(width)
    return found
