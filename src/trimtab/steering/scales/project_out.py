"""`project_out`: h − α·(h·v̂)·v̂."""

from __future__ import annotations

from torch import Tensor

from trimtab.steering.scales.base import Scale, add


class ProjectOut(Scale):
    """Removes the share α of the projection on v̂; α = 1 removes all of it."""

    name = "project_out"
    formula = "h − α·(h·v̂)·v̂"
    source = "directional ablation, Arditi et al. 2024, section 2.4; α = 1 removes all of it"
    shares_strength = False
    may_rest = True

    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """H − α·(h·v̂)·v̂ at the marked tokens."""
        along = (hidden.float() * direction).sum(-1)
        return add(hidden, -strength * along * steered.float(), direction)


PROJECT_OUT = ProjectOut()
