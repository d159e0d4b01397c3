"""`kl`: strengths in nats of KL divergence from the unsteered model."""

from __future__ import annotations

from torch import Tensor

from trimtab.errors import SettingError
from trimtab.steering.scales.base import Scale

_REMEDY = "strengths in KL are found for each model first: trimtab.evaluation.calibrated"


class Kl(Scale):
    """A sweep finds the `relative` strength by which each cell diverges by |α| nats; this scale itself cannot push."""

    name = "kl"
    formula = "as `relative`, by as much as moves the next-token distributions by |α| nats"
    source = "KL divergence of steered from unsteered on neutral prompts; see `trimtab.evaluation.dose`"
    calibrated = True
    pushed_as = "relative"
    in_nats = True

    def check(self, strength: float) -> None:
        """Refuse every strength."""
        raise SettingError(_REMEDY)

    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """Refuse to push."""
        raise SettingError(_REMEDY)


KL = Kl()
