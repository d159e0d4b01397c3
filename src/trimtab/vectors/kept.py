"""The differences themselves, kept: what methods beyond the mean need, and vectors of many parts from one pass."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from trimtab.data import Balance, Behavior, Form, Pair, Shown, letter_sign, show
from trimtab.data.seeded import prompt_key, rank
from trimtab.errors import DataError, shortened
from trimtab.models import EncodedPair, TokenPosition
from trimtab.vectors.aggregations import Method, check_method, direction, random_direction
from trimtab.vectors.differences import DifferenceSums, require_direction
from trimtab.vectors.reading import Progress, Source, prepare
from trimtab.vectors.steering_vector import Provenance, SteeringVector

_BLOCK = 16
"""Rows summed at once, as sums are in float64 and the differences are not."""


@dataclass(frozen=True, eq=False)
class KeptDifferences:
    """Positive minus negative state of every row at every layer. A row is one pair as shown."""

    difference: Tensor
    """[rows, n_layers, d_model] float32."""
    norm: Tensor
    """Mean norm of a row's two states, [rows, n_layers] float32."""
    shown: tuple[Shown, ...]
    """The rows; the showings of one pair stand side by side, the first with its options as given."""
    encoded: tuple[EncodedPair, ...]
    """The rows as tokens."""
    balance: Balance
    seed: int
    """Of `balance="subsample"`."""
    provenance: Provenance
    """That of the mean vector."""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs as given, in the order of their numbers."""
        return tuple(s.pair for s in self.shown if s.order == 0)

    @cached_property
    def pair(self) -> Tensor:
        """Number of each row's pair, [rows]: both option orders of a pair have the same."""
        numbers: dict[str, int] = {}
        return torch.tensor([numbers.setdefault(s.pair.id, len(numbers)) for s in self.shown])

    @cached_property
    def weight(self) -> Tensor:
        """Weight of each row in the mean, [rows] float64."""
        return torch.tensor([s.weight for s in self.shown], dtype=torch.float64)

    @cached_property
    def sign(self) -> Tensor:
        """+1 where the positive answer is the first letter, -1 where it is the other, else 0; [rows] float64."""
        return torch.tensor([letter_sign(s) for s in self.shown], dtype=torch.float64)

    @property
    def residual_norm(self) -> Tensor:
        """Mean norm of the states, [n_layers] float32."""
        return _mean_norm(self.norm, self.shown)

    def balanced(self) -> Tensor:
        """One letter-balanced difference for each pair, [pairs, n_layers, d_model] float32.

        Weighted as the pairs are, their mean is that of the rows. A pair seen in both orders leans to no letter; from
        the others what the letter explains of the difference between pairs is taken away.
        """
        layers = [self._balanced_at(layer).float() for layer in range(self.difference.shape[1])]
        return torch.stack(layers, dim=1)

    def subset(self, ids: Collection[str]) -> KeptDifferences:
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
            raise DataError(f"{part.name}: no differences are kept of these pairs: {listed}")
        places = {(s.pair.id, s.order): row for row, s in enumerate(self.shown)}
        shown = show(part, self.shown[0].form, self.balance, self.seed)
        rows = [places[s.pair.id, s.order] for s in shown]
        made = replace(self.provenance, pairs_hash=part.hash, pairs=len(part))
        found = replace(
            self,
            difference=self.difference[rows],
            norm=self.norm[rows],
            shown=tuple(shown),
            encoded=tuple(self.encoded[row] for row in rows),
            provenance=made,
        )
        sink = torch.tensor(made.first_token_ratio) * self.residual_norm
        return replace(found, provenance=replace(made, first_token_ratio=tuple((sink / found.residual_norm).tolist())))

    def vector(self, method: Method, seed: int = 0) -> SteeringVector:
        """The vector that `extract` gives for these pairs.

        Args:
            method: see `trimtab.vectors.Method`.
            seed: of the methods that draw, `single` and `random`.

        Raises:
            SettingError: for an unknown method.
            VectorError: when positive and negative states are the same everywhere.
        """
        check_method(method)
        if method == "mean":
            found = self._sums.mean
        elif method == "random":
            found = random_direction(self._sums.mean, seed)
        elif method == "single":
            number = [pair.id for pair in self.pairs].index(self.drawn(seed).id)
            found = torch.stack([self._balanced_at(at)[number] for at in range(self.difference.shape[1])])
        else:
            means = enumerate(self._sums.mean)
            found = torch.stack([direction(method, self._balanced_at(at), mean) for at, mean in means])
        made = replace(
            self.provenance,
            method=method,
            letter=self._sums.letter_leakage(found),
            seed=seed if method in ("single", "random") else None,
            pair_id=self.drawn(seed).id if method == "single" else None,
        )
        return SteeringVector(require_direction(found), self.residual_norm, made)

    def drawn(self, seed: int) -> Pair:
        """The pair that `single` takes: by its content, so that neither its place nor its letter matters."""
        return min(
            self.pairs,
            key=lambda pair: rank(seed, "single", json.dumps([prompt_key(pair), pair.positive, pair.negative])),
        )

    @cached_property
    def _sums(self) -> DifferenceSums:
        sums = DifferenceSums([s.weight for s in self.shown], [letter_sign(s) for s in self.shown])
        for start in range(0, len(self.shown), _BLOCK):
            rows = range(start, min(start + _BLOCK, len(self.shown)))
            sums.add(list(rows), self.difference[rows.start : rows.stop], self.norm[rows.start : rows.stop])
        return sums

    def _balanced_at(self, layer: int) -> Tensor:
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


def keep_differences(
    model: Source,
    behavior: Behavior,
    *,
    token_position: TokenPosition | Literal["auto"] = "auto",
    form: Form | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    progress: Progress | None = None,
) -> KeptDifferences:
    """Every row's difference at every layer, from one forward pass over the pairs.

    They take rows × layers × width × 4 bytes: for 300 rows 21 MB in the bundled model, 0.8 GB at 80 layers × 8192.

    Args:
        model: from `trimtab.load`.
        behavior: the pairs.
        token_position: as in `extract`, like `form` and `balance`.
        form: see there.
        balance: see there.
        seed: for `balance="subsample"`.
        progress: called with (rows done, rows in all).

    Raises:
        SettingError: for form `choice` for open pairs.
        DataError: when a pair's completions become the same tokens.
    """
    reading = prepare(model, behavior, token_position, form, balance, seed)
    difference = norm = torch.zeros(0)
    for batch in reading.batches(progress):
        if not len(norm):
            difference = torch.empty(len(reading.shown), *batch.difference.shape[1:])
            norm = torch.empty(difference.shape[:2])
        difference[batch.rows], norm[batch.rows] = batch.difference, batch.norm
    made = reading.provenance(_mean_norm(norm, reading.shown))
    return KeptDifferences(difference, norm, reading.shown, reading.encoded, balance, seed, made)


def _mean_norm(norm: Tensor, shown: Sequence[Shown]) -> Tensor:
    """Weighted mean over the rows, [n_layers] float32."""
    weight = torch.tensor([s.weight for s in shown], dtype=torch.float64)
    mean: Tensor = (weight @ norm.double() / weight.sum()).float()
    return mean
