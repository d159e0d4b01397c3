"""`cap_percentile`, `floor_percentile`, `clamp_percentile`: bounds that are percentiles of projections on data."""

from __future__ import annotations

from torch import Tensor

from trimtab.errors import SettingError
from trimtab.steering.scales.base import Scale

_REMEDY = "percentiles are calibrated for each layer first: trimtab.projection_bounds, or `bound` in a study"


class Percentile(Scale):
    """A study reads the projections of its training part and pushes by another scale, at a percentile of them.

    The strength is the percentile: in tables all layers have the same one, although each layer has its own bound.
    """

    calibrated = True

    def check(self, strength: float) -> None:
        """Refuse every strength."""
        raise SettingError(_REMEDY)

    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """Refuse to push."""
        raise SettingError(_REMEDY)


class CapPercentile(Percentile):
    """`cap` at the percentile α of projections."""

    name = "cap_percentile"
    formula = "as `cap`, at the percentile α of the projections of the training part"
    source = "activation capping, arXiv 2601.10387"
    pushed_as = "cap"


class FloorPercentile(Percentile):
    """`floor` at the percentile α of projections."""

    name = "floor_percentile"
    formula = "as `floor`, at the percentile α of the projections of the training part"
    source = "activation capping, arXiv 2601.10387: its projection on the axis stays above the 25th percentile"
    pushed_as = "floor"


class ClampPercentile(Percentile):
    """`clamp` at the percentile α of projections."""

    name = "clamp_percentile"
    formula = "as `clamp`, at the percentile α of the projections of the training part"
    source = "see `clamp`"
    pushed_as = "clamp"


CAP_PERCENTILE, FLOOR_PERCENTILE, CLAMP_PERCENTILE = CapPercentile(), FloorPercentile(), ClampPercentile()
PERCENTILE_OF = {scale.pushed_as: scale.name for scale in (CAP_PERCENTILE, FLOOR_PERCENTILE, CLAMP_PERCENTILE)}
"""Scale → the one whose strengths are percentiles."""
