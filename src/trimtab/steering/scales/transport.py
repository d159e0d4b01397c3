"""`transport`: h + α·(ω ⊙ h + β − h)."""

from __future__ import annotations

import torch
from torch import Tensor

from trimtab.steering.scales.base import Scale, add


class Transport(Scale):
    """Moves each neuron by the share α of the way along the affine map from the negative side's states to the positive.

    The direction of the vector is not used, so vectors of all methods push alike.
    """

    name = "transport"
    formula = "h + α·(ω ⊙ h + β − h)"
    source = (
        "Linear-AcT, arXiv 2410.23054: for each neuron the affine map x ↦ ω·x + β from the negative side's values to "
        "the positive side's, fitted by least squares through the sorted values"
    )
    per_neuron = True
    needs = ("transport_slope", "transport_offset")

    def aim(self, direction: Tensor, strength: float, **statistics: Tensor) -> tuple[Tensor, float]:
        """ω − 1 and β behind each other, [2·d_model], and α."""
        slope, offset = (statistics[name].float().to(direction.device) for name in self.needs)
        return torch.cat([slope - 1, offset], dim=-1), strength

    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """H + α·((ω − 1) ⊙ h + β) at the marked tokens."""
        gain, offset = direction.chunk(2, dim=-1)
        return add(hidden, steered.float() * strength, gain * hidden.float() + offset)


TRANSPORT = Transport()
