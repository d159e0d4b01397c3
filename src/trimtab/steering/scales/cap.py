"""`cap`: h − max(h·v̂ − α·‖v‖, 0)·v̂."""

from __future__ import annotations

from torch import Tensor

from trimtab.errors import SettingError
from trimtab.steering.scales.base import Scale, add, unit


class Cap(Scale):
    """Lowers the projection on v̂ to α·‖v‖ where it is higher."""

    name = "cap"
    formula = "h − max(h·v̂ − α·‖v‖, 0)·v̂"
    source = "activation capping, arXiv 2601.10387, with the bound τ = α·‖v‖"
    shares_strength = False
    may_rest = True

    def check(self, strength: float) -> None:
        """Refuse 0, which stands for the unsteered model in every table."""
        if strength == 0:
            raise SettingError("cap: strength 0 stands for the unsteered model; for a bound of 0 give 0.001 or -0.001")

    def aim(self, direction: Tensor, strength: float, **_: Tensor) -> tuple[Tensor, float]:
        """v̂ in float32, and τ: α in units of ‖v‖."""
        return unit(direction), strength * float(direction.float().norm())

    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """The projection of the marked tokens becomes `strength` where it is above."""
        excess = ((hidden.float() * direction).sum(-1) - strength).clamp(min=0)
        return add(hidden, -excess * steered.float(), direction)


CAP = Cap()
