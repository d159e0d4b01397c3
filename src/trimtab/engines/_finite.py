"""No number that a model gives is NaN or infinite: what is, is an error that says where it began."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from trimtab.engines.base import Captured, Engine, Scored, TextScores
from trimtab.errors import ModelError, SettingError
from trimtab.models import EncodedPair, Identity, Text
from trimtab.models.overflow import is_finite, not_finite
from trimtab.steering import Intervention


class FiniteResults:
    """Passes on what an engine gives, as long as it is finite."""

    def __init__(self, engine: Engine, identity: Identity):
        self.engine, self.identity = engine, identity

    def captured(self, found: Iterator[Captured], pairs: Sequence[EncodedPair]) -> Iterator[Captured]:
        """States of pairs."""
        for batch in found:
            for place, index in enumerate(batch.indices):
                if not is_finite(batch.positive[place]) or not is_finite(batch.negative[place]):
                    raise self._unsteered(f"pair {pairs[index].id}", [pairs[index].positive, pairs[index].negative])
            yield batch

    def states(self, found: Iterator[tuple[int, Tensor]], texts: Sequence[Text]) -> Iterator[tuple[int, Tensor]]:
        """States of texts."""
        for index, states in found:
            if not is_finite(states):
                raise self._unsteered(f"text {index + 1}", [texts[index].tokens])
            yield index, states

    def scored(
        self, found: Iterator[Scored], pairs: Sequence[EncodedPair], cells: Sequence[Intervention]
    ) -> Iterator[Scored]:
        """Scores of pairs in cells."""
        for batch in found:
            if not is_finite(batch.scores):
                cell, place = _first(batch.scores)
                pair = pairs[batch.indices[place]]
                raise self._error(f"pair {pair.id}", [pair.positive, pair.negative], cell, cells)
            yield batch

    def text_scores(
        self, found: Iterator[TextScores], texts: Sequence[Text], cells: Sequence[Intervention]
    ) -> Iterator[TextScores]:
        """Texts in cells."""
        for batch in found:
            numbers = torch.cat([batch.log_prob, batch.divergence])
            if not is_finite(numbers):
                row, place = _first(numbers)
                cell = row if row <= len(cells) else row - len(cells)
                index = batch.indices[place]
                raise self._error(f"text {index + 1}", [texts[index].tokens], cell, cells)
            yield batch

    def first_token_norm(self, norms: Tensor) -> Tensor:
        """Norms at the first token, by layer."""
        if not is_finite(norms):
            raise ModelError(self._about("the states of the first token", _first_layer(norms[None, :, None])))
        return norms

    def _error(
        self, what: str, sequences: Sequence[tuple[int, ...]], cell: int, cells: Sequence[Intervention]
    ) -> ModelError | SettingError:
        """`cell` counts from 1; 0 is the unsteered model."""
        if cell == 0 or self._overflowing(sequences) is not None:
            return self._unsteered(what, sequences)
        steered = cells[cell - 1]
        dtype = str(self.identity.dtype).removeprefix("torch.")
        layers = ", ".join(map(str, steered.layers))
        return SettingError(
            f"{what}: steered at layer {layers} with strength {steered.strength:g} ({steered.scale}), the states of "
            f"{self.identity.name} overflow in {dtype}; use smaller strengths"
            + (", or load it with dtype bfloat16 or float32" if self.identity.dtype == torch.float16 else "")
        )

    def _unsteered(self, what: str, sequences: Sequence[tuple[int, ...]]) -> ModelError:
        return ModelError(f"{what}: {self._about('the states', self._overflowing(sequences))}")

    def _about(self, states: str, layer: int | None) -> str:
        where = f"{states} of {self.identity.name} behind layer {layer}"
        if layer is None:
            where = f"the logits of {self.identity.name}"
        return not_finite(where, self.identity.dtype)

    def _overflowing(self, sequences: Sequence[tuple[int, ...]]) -> int | None:
        """The first layer whose states are not finite, at any token; None if all are."""
        found = []
        every = range(self.identity.facts.layers)
        for tokens in sequences:
            pair = EncodedPair("", tokens, tokens, 1, 1)
            found.append(_first_layer(self.engine.first_token_norm([pair])[None, :, None]))
            if len(tokens) > 1:  # the first token is no text's own, and has just been looked at
                found += [_first_layer(states) for _, states in self.engine.states([Text(tokens, 1)], every)]
        return min((layer for layer in found if layer is not None), default=None)


def _first_layer(states: Tensor) -> int | None:
    """The first layer of [tokens, layers, d_model] that is not finite."""
    wrong = ~torch.isfinite(states).all(-1).all(0)
    return int(wrong.nonzero()[0]) if bool(wrong.any()) else None


def _first(numbers: Tensor) -> tuple[int, int]:
    """Row and column of the first number that is not finite."""
    row, column = (~torch.isfinite(numbers)).nonzero()[0].tolist()
    return row, column
