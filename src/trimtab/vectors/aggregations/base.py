"""What every aggregation is: differences of pairs in, one direction for each layer out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor

from trimtab.data import Pair, PromptPair
from trimtab.errors import SettingError

Item = Pair | PromptPair
"""What a difference is of."""


class Differences(Protocol):
    """Differences of positive and negative states of some pairs."""

    @property
    def mean(self) -> Tensor:
        """Letter-balanced weighted mean, [n_layers, d_model] float64."""
        ...

    @property
    def pairs(self) -> Sequence[Item]:
        """The pairs."""
        ...

    def at(self, layer: int) -> Tensor:
        """One letter-balanced difference for each pair at a layer, [pairs, d_model] float64."""
        ...


class Sets(Protocol):
    """States of two lists of examples without pairs."""

    @property
    def mean(self) -> Tensor:
        """Difference of the lists' means, [n_layers, d_model] float64."""
        ...

    def at(self, layer: int) -> tuple[Tensor, Tensor]:
        """Positive and negative states at a layer, [examples, d_model] float64 each."""
        ...


class Aggregation(ABC):
    """A way to make one direction at each layer of the differences of many pairs. Instances hold no state."""

    name: ClassVar[str]
    source: ClassVar[str]
    """Where it comes from, for the docs."""
    length: ClassVar[Literal["difference", "mean along", "mean", "bound"]] = "mean along"
    """How long a vector is: as a difference of states is; as the mean difference along it, for directions without a
    length of their own; as the whole mean difference; or, of trained ones, up to a bound."""
    draws: ClassVar[bool] = False
    """Whether the seed decides; comparisons then take several draws."""
    trained: ClassVar[bool] = False
    """Whether it is trained on the model, and cannot be computed from differences of states."""

    @abstractmethod
    def directions(self, differences: Differences, seed: int) -> Tensor:
        """One direction at each layer, [n_layers, d_model]; zeros where the differences are zero, or cancel."""

    def of_sets(self, sets: Sets, seed: int) -> Tensor:
        """One direction at each layer between two lists without pairs, [n_layers, d_model].

        Raises:
            SettingError: where the aggregation is made of the differences of pairs.
        """
        raise self._needs_pairs()

    def require_sets(self) -> None:
        """Refuse lists without pairs where there is no `of_sets`.

        Raises:
            SettingError: with the methods that take lists.
        """
        if not self.takes_sets:
            raise self._needs_pairs()

    @property
    def takes_sets(self) -> bool:
        """Whether it makes a direction of two lists without pairs, too."""
        return type(self).of_sets is not Aggregation.of_sets

    def _needs_pairs(self) -> SettingError:
        return SettingError(
            f"method {self.name}: it is made of the differences of pairs, and these two lists have none; use mean, "
            "probe or lda"
        )

    def drawn_pair(self, pairs: Sequence[Item], seed: int) -> Item | None:
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

    def of_sets(self, sets: Sets, seed: int) -> Tensor:
        """From the difference of the means."""
        return self.from_mean(sets.mean, seed)


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


class SetAggregation(SpanAggregation):
    """A `SpanAggregation` that tells two lists apart as well as the two sides of pairs."""

    @abstractmethod
    def in_span_of_sets(self, positive: Tensor, negative: Tensor, width: int) -> Tensor:
        """A unit vector in an orthonormal basis of the states' span, [rank], towards the positive side.

        Args:
            positive: Coordinates of the positive states about the middle of both means, [n, rank] float64.
            negative: Likewise, [m, rank].
            width: Dimensions of the whole space.
        """

    def of_sets(self, sets: Sets, seed: int) -> Tensor:
        """Layer by layer, as long as the difference of the means along the direction."""
        found = [self._between(*sets.at(layer), mean) for layer, mean in enumerate(sets.mean)]
        return torch.stack(found)

    def _between(self, positive: Tensor, negative: Tensor, mean: Tensor) -> Tensor:
        middle = (positive.mean(0) + negative.mean(0)) / 2
        centred = torch.cat([positive, negative]) - middle
        if not bool(centred.any()):
            return torch.zeros_like(mean)
        basis, places = torch.linalg.qr(centred.T)
        ours, theirs = places.T[: len(positive)], places.T[len(positive) :]
        axis = basis @ self.in_span_of_sets(ours, theirs, centred.shape[1])
        along: Tensor = axis * (axis @ mean).abs()
        return along


def unit(axis: Tensor) -> Tensor:
    """A vector at norm 1; zeros stay zeros."""
    normed: Tensor = axis / axis.norm().clamp_min(torch.finfo(axis.dtype).tiny)
    return normed
