"""`clamp`: h + (α·‖v‖ − h·v̂)·v̂."""

from __future__ import annotations

from torch import Tensor

from trimtab.errors import SettingError
from trimtab.steering.scales.base import Scale, add, unit


class Clamp(Scale):
    """Sets the projection on v̂ to α·‖v‖."""

    name = "clamp"
    formula = "h + (α·‖v‖ − h·v̂)·v̂"
    source = "the projection set to a value, as Templeton et al. 2024 do with features"
    shares_strength = False
    may_rest = True

    def check(self, strength: float) -> None:
        """Refuse 0, which has a scale of its own."""
        if strength == 0:
            raise SettingError("clamping to 0 removes the direction: use project_out with strength 1")

    def aim(self, direction: Tensor, strength: float, **_: Tensor) -> tuple[Tensor, float]:
        """v̂ in float32, and α in units of ‖v‖."""
        return unit(direction), strength * float(direction.float().norm())

    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """The projection of the marked tokens becomes `strength`."""
        along = (hidden.float() * direction).sum(-1)
        return add(hidden, (strength - along) * steered.float(), direction)


CLAMP = Clamp()
