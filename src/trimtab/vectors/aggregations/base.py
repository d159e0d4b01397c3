"""What every aggregation is: differences of pairs in, one direction for each layer out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

from trimtab.data import Pair


class Differences(Protocol):
    """Differences of positive and negative states of some pairs."""

    @property
    def mean(self) -> Tensor:
        """Letter-balanced weighted mean, [n_layers, d_model] float64."""
        ...

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs."""
        ...

    def at(self, layer: int) -> Tensor:
        """One letter-balanced difference for each pair at a layer, [pairs, d_model] float64."""
        ...


class Aggregation(ABC):
    """A way to make one direction at each layer of the differences of many pairs. Instances hold no state."""

    name: ClassVar[str]
    source: ClassVar[str]
    """Where it comes from, for the docs."""
    length: ClassVar[Literal["difference", "mean along", "mean"]] = "mean along"
    """How long a vector is: as a difference of states is; as the mean difference along it, for directions without a
    length of their own; or as the whole mean difference."""
    draws: ClassVar[bool] = False
    """Whether the seed decides; comparisons then take several draws."""

    @abstractmethod
    def directions(self, differences: Differences, seed: int) -> Tensor:
        """One direction at each layer, [n_layers, d_model]; zeros where the differences are zero, or cancel."""

    def drawn_pair(self, pairs: Sequence[Pair], seed: int) -> Pair | None:
        """The pair that the vector is made of, where it is made of one."""
        return None


class StreamedAggregation(Aggregation):
    """An aggregation that needs no more than the mean, so that nothing but sums is held while states are read."""

    @abstractmethod
    def from_mean(self, mean: Tensor, seed: int) -> Tensor:
        """Directions [n_layers, d_model] from the mean difference of each layer, [n_layers, d_model] float64."""

    def directions(self, differences: Differences, seed: int) -> Tensor:
        """From the mean of the differences."""
        return self.from_mean(differences.mean, seed)


class LayerAggregation(Aggregation):
    """An aggregation that works on one layer at a time."""

    @abstractmethod
    def direction(self, rows: Tensor, mean: Tensor) -> Tensor:
        """The direction of one layer, [d_model].

        Args:
            rows: Letter-balanced difference of each pair, [pairs, d_model] float64; not all of them zero.
            mean: Their mean as `mean` weights them, [d_model] float64.
        """

    def directions(self, differences: Differences, seed: int) -> Tensor:
        """Layer by layer."""
        return torch.stack([self._at(differences.at(layer), mean) for layer, mean in enumerate(differences.mean)])

    def _at(self, rows: Tensor, mean: Tensor) -> Tensor:
        return self.direction(rows, mean) if bool(rows.any()) else torch.zeros_like(mean)


class SpanAggregation(LayerAggregation):
    """An aggregation computed in the span of the differences: no more dimensions than pairs, however wide the model."""

    @abstractmethod
    def in_span(self, coordinates: Tensor, center: Tensor, width: int) -> Tensor:
        """The direction in an orthonormal basis of the span, [rank].

        Args:
            coordinates: The rows, [pairs, rank] float64.
            center: Their mean, [rank] float64.
            width: Dimensions of the whole space.
        """

    def direction(self, rows: Tensor, mean: Tensor) -> Tensor:
        """Into the span and back."""
        basis, places = torch.linalg.qr(rows.T)  # rows = places.T @ basis.T
        vector: Tensor = basis @ self.in_span(places.T, basis.T @ mean, rows.shape[1])
        return vector


def unit(axis: Tensor) -> Tensor:
    """A vector at norm 1; zeros stay zeros."""
    normed: Tensor = axis / axis.norm().clamp_min(torch.finfo(axis.dtype).tiny)
    return normed
