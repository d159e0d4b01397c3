"""State differences of every pair, in memory: for aggregations beyond the mean, and vectors of many subsets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from trimtab._util.callbacks import Progress
from trimtab._util.summaries import Summarized, Summary
from trimtab.data import Balance, Behavior, Form, Pair, Presentation, letter_sign, present
from trimtab.errors import DataError, shortened
from trimtab.models import EncodedPair, TokenPosition
from trimtab.vectors._difference_sums import DifferenceSums, require_direction
from trimtab.vectors._provenance import Provenance
from trimtab.vectors.aggregations import AGGREGATIONS
from trimtab.vectors.state_reading import Source, prepare
from trimtab.vectors.steering_vector import SteeringVector

_BLOCK = 16
"""Rows summed at once, as sums are in float64 and the differences are not."""


@dataclass(frozen=True, eq=False, repr=False)
class StateDifferences(Summarized):
    """Positive minus negative state of every row at every layer. A row is one pair as presented."""

    difference: Tensor
    """[rows, n_layers, d_model] float32."""
    norm: Tensor
    """Mean norm of a row's two states, [rows, n_layers] float32."""
    presented: tuple[Presentation, ...]
    """The rows; presentations of one pair are adjacent, the first with its options as given."""
    encoded: tuple[EncodedPair, ...]
    """The rows as tokens."""
    balance: Balance
    seed: int
    """Of `balance="subsample"`."""
    provenance: Provenance
    """That of the mean vector."""
    negative_mean: Tensor | None = None
    """Weighted mean of the negative states, [n_layers, d_model] float32; None of a subset whose states are not held."""
    negative: Tensor | None = None
    """Negative state of every row, like `difference`; None where they are not held."""

    def _summary(self) -> Summary:
        made, (rows, layers, width) = self.provenance, self.difference.shape
        shape = f"{rows} rows × {layers} layers × {width}"
        return Summary(
            {
                "behavior": repr(made.behavior),
                "pairs": f"{made.pairs:,} pairs",
                "shape": shape,
                "model": f"from {made.model}",
            }
        )

    @property
    def has_pairs(self) -> bool:
        """Always: these are differences of pairs."""
        return True

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs as given, in the order of their numbers."""
        return tuple(s.pair for s in self.presented if s.order == 0)

    @cached_property
    def pair(self) -> Tensor:
        """Number of each row's pair, [rows]: both option orders of a pair have the same."""
        numbers: dict[str, int] = {}
        return torch.tensor([numbers.setdefault(s.pair.id, len(numbers)) for s in self.presented])

    @cached_property
    def weight(self) -> Tensor:
        """Weight of each row in the mean, [rows] float64."""
        return torch.tensor([s.weight for s in self.presented], dtype=torch.float64)

    @cached_property
    def sign(self) -> Tensor:
        """+1 where the positive answer is the first letter, -1 where it is the other, else 0; [rows] float64."""
        return torch.tensor([letter_sign(s) for s in self.presented], dtype=torch.float64)

    @property
    def residual_norm(self) -> Tensor:
        """Mean norm of the states, [n_layers] float32."""
        return _mean_norm(self.norm, self.presented)

    def balanced(self) -> Tensor:
        """One letter-balanced difference for each pair, [pairs, n_layers, d_model] float32.

        Weighted as the pairs are, their mean is that of the rows. A pair seen in both orders leans to no letter; from
        the others what the letter explains of the difference between pairs is taken away.
        """
        layers = [self.at(layer).float() for layer in range(self.difference.shape[1])]
        return torch.stack(layers, dim=1)

    def subset(self, ids: Collection[str]) -> StateDifferences:
        """The differences of some pairs, as if only they had been read.

        The first token's norm is taken over from the whole: it is the same if all prompts begin with the same token, as
        they do under a chat template.

        Raises:
            DataError: when there is no such pair, or `balance="subsample"` left it out of the whole.
        """
        wanted = set(ids)
        part = Behavior(self.provenance.behavior, tuple(pair for pair in self.pairs if pair.id in wanted))
        missing = sorted(wanted - {pair.id for pair in part})
        if missing or not wanted:
            listed = "no ids" if not wanted else ", ".join(shortened(missing, 5))
            raise DataError(f"{part.name}: there are no differences of these pairs: {listed}")
        places = {(s.pair.id, s.order): row for row, s in enumerate(self.presented)}
        presented = present(part, self.presented[0].form, self.balance, self.seed)
        rows = [places[s.pair.id, s.order] for s in presented]
        made = replace(self.provenance, pairs_hash=part.hash, pairs=len(part))
        found = replace(
            self,
            difference=self.difference[rows],
            norm=self.norm[rows],
            presented=tuple(presented),
            encoded=tuple(self.encoded[row] for row in rows),
            provenance=made,
            negative_mean=None,
            negative=None if self.negative is None else self.negative[rows],
        )
        if found.negative is not None:
            found = replace(found, negative_mean=_mean_state(found.negative, found.weight))
        sink = torch.tensor(made.first_token_ratio) * self.residual_norm
        return replace(found, provenance=replace(made, first_token_ratio=tuple((sink / found.residual_norm).tolist())))

    def vector(self, method: str, seed: int = 0) -> SteeringVector:
        """The vector that `extract` gives for these pairs.

        Args:
            method: A name of `trimtab.vectors.AGGREGATIONS`.
            seed: Of the methods that draw, such as `single` and `random`.

        Raises:
            SettingError: For an unknown method.
            VectorError: When positive and negative states are the same everywhere.
        """
        aggregation = AGGREGATIONS.get(method)
        found = aggregation.directions(self, seed)
        drawn = aggregation.drawn_pair(self.pairs, seed)
        made = replace(
            self.provenance,
            method=method,
            letter=self._sums.letter_leakage(found),
            seed=seed if aggregation.draws else None,
            pair_id=None if drawn is None else drawn.id,
        )
        known = {} if self.negative_mean is None else {"negative_mean": self.negative_mean}
        return SteeringVector(require_direction(found), self.residual_norm, made, known)

    @property
    def mean(self) -> Tensor:
        """Letter-balanced weighted mean of the differences, [n_layers, d_model] float64."""
        return self._sums.mean

    @cached_property
    def _sums(self) -> DifferenceSums:
        sums = DifferenceSums([s.weight for s in self.presented], [letter_sign(s) for s in self.presented])
        for start in range(0, len(self.presented), _BLOCK):
            rows = range(start, min(start + _BLOCK, len(self.presented)))
            sums.add(list(rows), self.difference[rows.start : rows.stop], self.norm[rows.start : rows.stop])
        return sums

    def at(self, layer: int) -> Tensor:
        """One letter-balanced difference for each pair at a layer, [pairs, d_model] float64."""
        number, weight = self.pair, self.weight
        rows = self.difference[:, layer].double()
        count = int(number.max()) + 1
        total, lean = (
            torch.zeros(count, dtype=torch.float64).index_add_(0, number, w) for w in (weight, weight * self.sign)
        )
        summed = torch.zeros(count, rows.shape[1], dtype=torch.float64).index_add_(0, number, weight[:, None] * rows)
        away = lean / total - self._sums.lean
        return summed / total[:, None] - away[:, None] * self._sums.letter_axis[layer]


def read_differences(
    model: Source,
    behavior: Behavior,
    *,
    token_position: TokenPosition | Literal["auto"] = "auto",
    form: Form | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    progress: Progress | None = None,
    hold_negative: bool = True,
) -> StateDifferences:
    """Every row's difference at every layer, from one forward pass over the pairs.

    They take rows × layers × width × 4 bytes: for 300 rows 21 MB in the bundled model, 0.8 GB at 80 layers × 8192. The
    negative states take as much again.

    Args:
        model: from `trimtab.load`.
        behavior: the pairs.
        token_position: as in `extract`, like `form` and `balance`.
        form: see there.
        balance: see there.
        seed: for `balance="subsample"`.
        progress: called with (rows done, rows in all).
        hold_negative: whether the negative states are held, too, so that vectors of a `subset` have `negative_mean`.

    Raises:
        SettingError: for form `choice` for open pairs.
        DataError: when a pair's completions become the same tokens.
    """
    reading = prepare(model, behavior, token_position, form, balance, seed)
    difference = norm = held = torch.zeros(0)
    weights = torch.tensor(reading.weights, dtype=torch.float64)
    negative = torch.zeros((), dtype=torch.float64)
    for batch in reading.batches(progress):
        negative = negative + torch.einsum("r,rld->ld", weights[batch.rows], batch.negative.double())
        if not len(norm):
            difference = torch.empty(len(reading.presented), *batch.difference.shape[1:])
            norm = torch.empty(difference.shape[:2])
            held = torch.empty(difference.shape if hold_negative else 0)
        difference[batch.rows], norm[batch.rows] = batch.difference, batch.norm
        if hold_negative:
            held[batch.rows] = batch.negative
    made = reading.provenance(_mean_norm(norm, reading.presented))
    mean = (negative / weights.sum()).float()
    return StateDifferences(
        difference, norm, reading.presented, reading.encoded, balance, seed, made, mean, held if hold_negative else None
    )


def _mean_state(states: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over the rows, [n_layers, d_model] float32."""
    layers = [weight @ states[:, layer].double() for layer in range(states.shape[1])]
    mean: Tensor = (torch.stack(layers) / weight.sum()).float()
    return mean


def _mean_norm(norm: Tensor, presented: Sequence[Presentation]) -> Tensor:
    """Weighted mean over the rows, [n_layers] float32."""
    weight = torch.tensor([s.weight for s in presented], dtype=torch.float64)
    mean: Tensor = (weight @ norm.double() / weight.sum()).float()
    return mean
