"""Running sums over differences of positive and negative states: the differences themselves are not stored.

The answer letter swamps choice data, so means are letter-balanced: under weights by which both letters count alike, the
letter cancels from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.errors import VectorError
from trimtab.vectors._provenance import LetterLeakage


class DifferenceSums:
    """Running weighted sums over rows; a row is one pair as presented."""

    def __init__(self, weights: Sequence[float], signs: Sequence[int]):
        """Nothing summed yet.

        Args:
            weights: of the rows.
            signs: of the rows: +1 where the positive answer is the first letter, -1 where it is the other, else 0.
        """
        self._weights = torch.tensor(weights, dtype=torch.float64)
        self._signs = torch.tensor(signs, dtype=torch.float64)
        self._total = self._weights.sum()
        self._difference, self._letter, self._square, self._norm = (torch.zeros(()) for _ in range(4))
        self._negative: Tensor | None = None

    def add(self, rows: Sequence[int], difference: Tensor, norm: Tensor, negative: Tensor | None = None) -> None:
        """Take in some rows.

        Args:
            rows: which.
            difference: positive − negative, [rows, n_layers, d_model].
            norm: mean norm of the two states, [rows, n_layers].
            negative: negative states, like `difference`; without them there is no `negative_mean`.
        """
        difference, index = difference.double(), torch.tensor(rows)
        weights, signs = self._weights[index], self._signs[index]
        self._difference = self._difference + torch.einsum("r,rld->ld", weights, difference)
        self._letter = self._letter + torch.einsum("r,rld->ld", weights * signs, difference)
        self._square = self._square + torch.einsum("r,rl->l", weights, difference.square().sum(-1))
        self._norm = self._norm + torch.einsum("r,rl->l", weights, norm.double())
        if negative is not None:
            total = torch.einsum("r,rld->ld", weights, negative.double())
            self._negative = total if self._negative is None else self._negative + total

    @property
    def mean(self) -> Tensor:
        """Weighted mean difference [n_layers, d_model] float64."""
        return self._difference / self._total

    @property
    def negative_mean(self) -> Tensor:
        """Weighted mean of the negative states [n_layers, d_model] float32."""
        assert self._negative is not None
        return (self._negative / self._total).float()

    @property
    def residual_norm(self) -> Tensor:
        """Mean norm of the states [n_layers] float32."""
        return (self._norm / self._total).float()

    @property
    def lean(self) -> float:
        """Weighted mean of the signs: 0 where both letters count alike."""
        return float((self._weights * self._signs).sum() / self._total)

    @property
    def letter_axis(self) -> Tensor:
        """What the letter adds to a difference: slope of the differences over the signs, [n_layers, d_model] float64.

        Where both letters occur it is half the mean difference between rows of the one and the other. Where only one
        occurs, letter and behavior cannot be separated, and it is the mean difference itself.
        """
        varies = float((self._weights * self._signs.square()).sum() / self._total) - self.lean**2
        if varies < 1e-9:
            return self.lean * self.mean
        return (self._letter / self._total - self.lean * self.mean) / varies

    def letter_leakage(self, direction: Tensor) -> LetterLeakage | None:
        """How much of the letter is in a vector and was in the data; None where no letter was asked for."""
        if not bool(self._signs.any()):
            return None
        axis = self.letter_axis
        cosine = torch.nn.functional.cosine_similarity(direction.double(), axis, dim=1).abs()
        share = axis.square().sum(1) / (self._square / self._total)
        return LetterLeakage(tuple(cosine.tolist()), tuple(share.tolist()))


def require_direction(direction: Tensor) -> Tensor:
    """The vector of each layer as float32 [n_layers, d_model].

    Raises:
        VectorError: when it is zero everywhere.
    """
    if not bool(direction.any()):
        raise VectorError("positive and negative completions give the same states; there is no direction to find")
    return direction.float()
