"""`raw`: h + α·v."""

from __future__ import annotations

from torch import Tensor

from trimtab.steering.scales.base import Scale, add


class Raw(Scale):
    """Adds the vector as it is, α times."""

    name = "raw"
    formula = "h + α·v"
    source = "contrastive activation addition, Panickssery et al. 2023, section 3"
    length = "vector"
    normalizes = False

    def aim(self, direction: Tensor, strength: float, **_: Tensor) -> tuple[Tensor, float]:
        """V itself in float32, and α."""
        return direction.float(), strength

    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """H + α·v at the marked tokens."""
        return add(hidden, self.amount(hidden, strength, steered), direction)


RAW = Raw()
