"""`median`: the geometric median."""

from __future__ import annotations

from torch import Tensor

from trimtab.vectors.aggregations.base import SpanAggregation

MAX_STEPS = 2000
CONVERGED = 1e-10
"""The step, relative to the size of the differences, at which the median is reached."""


class Median(SpanAggregation):
    """The geometric median of the differences: up to half of the pairs may be wrong."""

    name = "median"
    source = "Lopuhaä & Rousseeuw 1991"
    length = "difference"

    def in_span(self, coordinates: Tensor, center: Tensor, width: int) -> Tensor:
        """The point itself."""
        return geometric_median(coordinates)


def geometric_median(rows: Tensor) -> Tensor:
    """Point with the least sum of distances to `rows` [n, d], [d].

    Unlike the coordinate-wise median it does not depend on the axes. By Weiszfeld's steps as Vardi & Zhang (2000, PNAS
    97(4), section 2) put them right where a step lands on one of the rows.
    """
    scale = rows.norm(dim=1).max()
    point = rows.mean(0)
    for _ in range(MAX_STEPS):
        away = rows - point
        distance = away.norm(dim=1)
        elsewhere = distance > 1e-12 * scale
        if not bool(elsewhere.any()):
            return point
        pull = (away[elsewhere] / distance[elsewhere, None]).sum(0)
        here, strength = float((~elsewhere).sum()), float(pull.norm())
        if strength <= here:  # the rows at this point hold it against all others
            return point
        step = (1 - here / strength) * pull / (1 / distance[elsewhere]).sum()
        point = point + step
        if step.norm() <= CONVERGED * scale:
            break
    return point


MEDIAN = Median()
