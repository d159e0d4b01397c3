"""`pca`: the first principal component about each pair's center."""

from __future__ import annotations

import torch
from torch import Tensor

from trimtab.vectors.aggregations.base import SpanAggregation


class Pca(SpanAggregation):
    """The first principal component of the states about each pair's center, as long as the mean along it."""

    name = "pca"
    source = "representation engineering, Zou et al. 2023, section 3.1"

    def in_span(self, coordinates: Tensor, center: Tensor, width: int) -> Tensor:
        """The axis, turned to the side of the mean."""
        axis = principal_axis(coordinates)
        return axis * (axis @ center)


def principal_axis(rows: Tensor) -> Tensor:
    """Unit vector along which `rows` [n, d] have the largest sum of squared projections [d].

    The same as the first principal component of the 2n points ±row/2: each pair about its own centre.
    """
    axis: Tensor = torch.linalg.eigh(rows.T @ rows)[1][:, -1]
    return axis


PCA = Pca()
