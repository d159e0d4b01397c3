"""`mean`: the mean difference."""

from __future__ import annotations

from torch import Tensor

from trimtab.vectors.aggregations.base import StreamedAggregation


class Mean(StreamedAggregation):
    """The mean of the pairs' differences."""

    name = "mean"
    source = "contrastive activation addition, Panickssery et al. 2023, section 3"
    length = "difference"

    def from_mean(self, mean: Tensor, seed: int) -> Tensor:
        """The mean itself."""
        return mean


MEAN = Mean()
