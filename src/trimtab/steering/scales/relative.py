"""`relative`: h + α·‖h‖·v̂."""

from __future__ import annotations

from torch import Tensor

from trimtab.steering.scales.base import Scale, add


class Relative(Scale):
    """Adds α times the norm of each token's own state, so that α carries over between layers and models."""

    name = "relative"
    formula = "h + α·‖h‖·v̂"
    source = "as `raw`, with α in units of each token's norm"
    length = "residual"
    usual_strength = 0.1
    usual_range = (0.05, 0.5)

    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """H + α·‖h‖·v̂ at the marked tokens."""
        return add(hidden, self.amount(hidden, strength, steered), direction)


RELATIVE = Relative()
