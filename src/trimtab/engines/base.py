"""What an engine does: the one contract that extraction, sweeps and generation are written against."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from trimtab.engines.queries import Scoring
from trimtab.engines.requests import Reply, Request, Writing
from trimtab.models import EncodedPair, Text, TokenPosition
from trimtab.steering import Intervention
from trimtab.vectors.training import GradientPasses, TrainingItem


@dataclass(frozen=True, eq=False)
class Captured:
    """States of some pairs behind every layer, where the vector is taken."""

    indices: list[int]
    """Which of the pairs asked for."""
    positive: Tensor
    """[pairs, n_layers, d_model] float32."""
    negative: Tensor


class BatchClaims(Collection[int]):
    """Pairs that others score, in place of `done` where several processes share a sweep: asked about batch by batch."""

    @abstractmethod
    def taken(self, indices: Sequence[int]) -> bool:
        """Whether a batch that would run now is left out; one that is not belongs to the caller from then on."""


def leave_out(indices: Sequence[int], done: Collection[int]) -> bool:
    """Whether a batch of a sweep is left out."""
    return done.taken(indices) if isinstance(done, BatchClaims) else all(index in done for index in indices)


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of some pairs in every cell."""

    indices: list[int]
    scores: Tensor
    """[1 + cells, pairs] float32, unsteered first."""


@dataclass(frozen=True, eq=False)
class TextScores:
    """Given texts as each cell's model sees them."""

    indices: list[int]
    """Which of the texts asked for."""
    log_prob: Tensor
    """Mean log-probability per token behind the prompt, [1 + cells, texts] float32, unsteered first."""
    divergence: Tensor
    """Mean KL divergence of steered from unsteered next-token distributions, [cells, texts] float32, in nats."""


class Watched(Protocol):
    """Steering that lasts for a context, and knows what came of it."""

    def warn_of_nothing(self, used: bool) -> None:
        """At its end: say if nothing was pushed; `used`: requests have carried it."""
        ...


class Writer(Protocol):
    """Continues texts that join and leave at any token. One thread at a time may use it."""

    @property
    def rows(self) -> int:
        """Texts that are written or wait."""
        ...

    def has_room(self, request: Request) -> bool:
        """Whether a text can join without waiting for others to end."""
        ...

    def add(self, request: Request) -> int:
        """Take in a text and return its key.

        Raises:
            SettingError: for a layer the model does not have, positions of thinking for a model that has none, or a
                gate on the prompt that has not been decided.
        """
        ...

    def cancel(self, key: int) -> None:
        """Give up a text, from the next pass on; nothing happens where it has ended."""
        ...

    def step(self) -> list[tuple[int, Writing]]:
        """Run one pass; returns (key, what is written) of every text that moved.

        Those that have `ended` are finished or have failed, each by itself, and are not heard of again.
        """
        ...

    def close(self) -> None:
        """Give up all texts: an engine that others drive too is to work on none of them any more."""
        ...


class Engine(Protocol):
    """Runs a model: each row may have its own intervention."""

    name: str

    def steered(
        self, intervention: Intervention, prompt_lengths: Sequence[int] | None = None
    ) -> AbstractContextManager[Watched]:
        """Steer whatever this thread or task runs of the model otherwise, while the context lasts.

        Requests carry their own steering.
        """
        ...

    def capture(self, pairs: Sequence[EncodedPair], token_position: TokenPosition) -> Iterator[Captured]:
        """Stream the pairs' states behind every layer, batch by batch."""
        ...

    def states(self, texts: Sequence[Text], layers: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        """Stream (text, its states behind some layers [tokens, layers, d_model]), token by token behind its prompt."""
        ...

    def too_long(self, tokens: int) -> str:
        """Why this machine has no memory for a text of that length; "" if it has, or where the engine checks itself."""
        ...

    def sweep(
        self,
        pairs: Sequence[EncodedPair],
        cells: Sequence[Intervention],
        scoring: Scoring,
        *,
        done: Collection[int] = (),
    ) -> Iterator[Scored]:
        """Stream the scores of every pair in every cell, leaving out batches whose pairs are all in `done`.

        Args:
            pairs: What is scored.
            cells: Of the sweep; without any, only the unsteered model scores.
            scoring: What is compared.
            done: Indices of pairs; or `BatchClaims`, asked by `leave_out` right before each batch runs.
        """
        ...

    def score_texts(self, texts: Sequence[Text], cells: Sequence[Intervention]) -> Iterator[TextScores]:
        """Stream how likely given texts are in every cell, and how far its distributions are from the unsteered."""
        ...

    def final_states(self, texts: Sequence[Text], cells: Sequence[Intervention]) -> Iterator[tuple[int, Tensor]]:
        """Stream (text, states that decide about each token behind its prompt [1 + cells, tokens, d_model]).

        Raises:
            SettingError: where the engine does not have them.
        """
        ...

    def write(self, requests: Sequence[Request]) -> Iterator[tuple[int, Writing]]:
        """Continue texts, each under its own intervention; yield (request, what is written of it) token by token."""
        ...

    def writer(self, *, lasting: bool = False) -> Writer:
        """Writes texts that join and leave at any token; `lasting` where callers come and go for long.

        Raises:
            SettingError: where the engine has none.
        """
        ...

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Continue texts and yield (request, reply) as they are finished."""
        ...

    def first_token_norm(self, pairs: Sequence[EncodedPair]) -> Tensor:
        """Mean norm of the residual stream at the sequences' first token, [n_layers]."""
        ...

    def gradient_passes(
        self, items: Sequence[TrainingItem], positions: str, first_token: bool, turn: AbstractContextManager[object]
    ) -> GradientPasses:
        """Passes through which vectors can be trained, holding `turn` while the model runs; see `GradientPasses`.

        Raises:
            SettingError: where the engine computes no gradients.
        """
        ...

    def fault(self) -> str:
        """Why nothing can be run any more until the model is loaded again, in words without paths; "" while it can.

        Any thread may ask, at any time.
        """
        ...

    def close(self) -> None:
        """Free what the engine holds outside of this process."""
        ...
