"""`affine`: h + (μ⁻·v̂ + α·‖v‖ − h·v̂)·v̂."""

from __future__ import annotations

from torch import Tensor

from trimtab.errors import SettingError
from trimtab.steering.scales.base import Scale, add, unit


class Affine(Scale):
    """Sets the projection on v̂ to that of the negative side's mean state, and adds α·v from there."""

    name = "affine"
    formula = "h + (μ⁻·v̂ + α·‖v‖ − h·v̂)·v̂"
    source = "affine concept editing, arXiv 2411.09003; μ⁻ is the mean state of the negative side"
    shares_strength = False
    may_rest = True
    needs = ("negative_mean",)

    def check(self, strength: float) -> None:
        """Refuse 0, which stands for the unsteered model in every table."""
        if strength == 0:
            raise SettingError(
                "affine: strength 0 stands for the unsteered model; for the negative side's mean give 0.001"
            )

    def aim(self, direction: Tensor, strength: float, **statistics: Tensor) -> tuple[Tensor, float]:
        """v̂ in float32, and the projection that is set."""
        axis = unit(direction)
        baseline = float((statistics["negative_mean"].float().to(axis.device) * axis).sum())
        return axis, baseline + strength * float(direction.float().norm())

    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """The projection of the marked tokens becomes `strength`."""
        along = (hidden.float() * direction).sum(-1)
        return add(hidden, (strength - along) * steered.float(), direction)


AFFINE = Affine()
