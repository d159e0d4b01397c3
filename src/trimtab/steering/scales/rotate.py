"""`rotate`: a turn toward v in the plane of h and v that keeps the norm."""

from __future__ import annotations

import torch
from torch import Tensor

from trimtab.steering.scales.base import Scale, add


class Rotate(Scale):
    """Pushes as `relative` does, then restores the norm of the state."""

    name = "rotate"
    formula = "‖h‖·u/‖u‖ with u = h + α·‖h‖·v̂"
    source = "a turn toward v in the plane of h and v that keeps the norm"
    usual_strength = 0.1

    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """‖h‖·u/‖u‖ at the marked tokens."""
        amount = steered.float() * strength
        amount = amount * torch.linalg.vector_norm(hidden, dim=-1, dtype=torch.float32)
        return _rescaled(add(hidden, amount, direction), hidden, amount != 0)


def _rescaled(moved: Tensor, hidden: Tensor, where: Tensor) -> Tensor:
    """`moved` with the norms of `hidden`; rounding must not touch what was not moved."""
    before, after = (torch.linalg.vector_norm(h, dim=-1, keepdim=True, dtype=torch.float32) for h in (hidden, moved))
    scaled = (moved.float() * (before / after.clamp_min(torch.finfo(torch.float32).tiny))).to(hidden.dtype)
    return torch.where(where.unsqueeze(-1), scaled, hidden)


ROTATE = Rotate()
