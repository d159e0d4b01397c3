"""`random`: a Gaussian direction, the control."""

from __future__ import annotations

import torch
from torch import Tensor

from trimtab.vectors.aggregations.base import Aggregation, Differences, Sets


class Random(Aggregation):
    """A Gaussian direction drawn by the seed, as long as the mean difference. Its sign means nothing."""

    name = "random"
    source = "a control"
    length = "mean"
    draws = True

    def directions(self, differences: Differences, seed: int) -> Tensor:
        """Independent directions at each layer."""
        return self._as_long_as(differences.mean, seed)

    def of_sets(self, sets: Sets, seed: int) -> Tensor:
        """The same."""
        return self._as_long_as(sets.mean, seed)

    def _as_long_as(self, mean: Tensor, seed: int) -> Tensor:
        drawn = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        scaled: Tensor = drawn * (mean.norm(dim=1) / drawn.norm(dim=1))[:, None]
        return scaled


RANDOM = Random()
