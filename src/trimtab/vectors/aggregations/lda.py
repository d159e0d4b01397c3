"""`lda`: Fisher's discriminant, shrunk."""

from __future__ import annotations

import torch
from torch import Tensor

from trimtab.vectors.aggregations.base import SetAggregation, unit


class Lda(SetAggregation):
    """The mean difference whitened by the differences' covariance, as long as the mean along it."""

    name = "lda"
    source = "Fisher 1936, as in the mass-mean probe of Marks & Tegmark 2023; shrunk by Chen et al. 2010"

    def in_span(self, coordinates: Tensor, center: Tensor, width: int) -> Tensor:
        """The discriminant, turned to the side of the mean."""
        axis = discriminant(coordinates, center, width)
        return axis * (axis @ center)

    def in_span_of_sets(self, positive: Tensor, negative: Tensor, width: int) -> Tensor:
        """The difference of the means, whitened by what varies within the lists."""
        means = positive.mean(0), negative.mean(0)
        within = torch.cat([positive - means[0], negative - means[1]])
        return discriminant(within, means[0] - means[1], width)


def discriminant(rows: Tensor, mean: Tensor, width: int) -> Tensor:
    """Fisher's discriminant of the points ±row/2, a unit vector: shrunk covariance of the rows, inverted, times `mean`.

    The covariance S is shrunk to (1 − ρ)·S + ρ·m·I, m being its mean eigenvalue, with ρ by Chen et al. 2010, equation
    23, in the form that scikit-learn gives it (`sklearn.covariance.oas`): without the terms in 2/width. It needs the
    traces of S and S² only, and so no more than the span of the rows; and unlike Ledoit & Wolf's ρ, which is 0 for two
    pairs, it always leaves a covariance that can be inverted.

    Args:
        rows: coordinates in an orthonormal basis of the rows' span, [n, rank].
        mean: likewise, [rank].
        width: dimensions of the whole space, in which S has its zeros too.
    """
    centred = rows - rows.mean(0)
    covariance = centred.T @ centred / len(rows)
    trace, trace_of_square = covariance.trace(), covariance.square().sum()
    if trace <= 1e-12 * mean.square().sum():  # one pair, or the same again and again: nothing to whiten by
        return unit(mean)
    spread = trace_of_square - trace**2 / width
    share = (trace_of_square + trace**2) / ((len(rows) + 1) * spread) if spread > 0 else torch.ones(())
    rho = float(share.clamp(max=1.0))
    shrunk = (1 - rho) * covariance + rho * trace / width * torch.eye(len(covariance), dtype=rows.dtype)
    return unit(torch.linalg.solve(shrunk, mean))


LDA = Lda()
