"""What extraction reads from a model: pairs as presented, and their states, streamed."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, get_args

from torch import Tensor

from trimtab._util.callbacks import Progress
from trimtab.data import Balance, Behavior, Example, Form, Presentation, letter_sign, present
from trimtab.errors import SettingError
from trimtab.models import EncodedExample, EncodedPair, Facts, Text, TokenPosition
from trimtab.vectors._provenance import Provenance


class Source(Protocol):
    """What extraction needs of a model."""

    name: str
    fingerprint: str
    template_hash: str

    def encode(self, pairs: Sequence[Any], form: Form) -> list[EncodedPair]:
        """Tokenize pairs."""
        ...

    def capture(self, pairs: Sequence[EncodedPair], token_position: TokenPosition) -> Iterator[Any]:
        """Stream states behind every layer."""
        ...

    @property
    def facts(self) -> Facts:
        """What the model is made of."""
        ...

    def encode_examples(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Tokenize examples of contrasts."""
        ...

    def states(self, texts: Sequence[Text], layers: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        """Stream (text, its states behind some layers [tokens, layers, d_model]) behind its prompt."""
        ...

    def first_token_norm(self, pairs: Sequence[EncodedPair]) -> Tensor:
        """Norm of the attention sink at every layer."""
        ...


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows, read."""

    rows: list[int]
    """Which."""
    difference: Tensor
    """Positive − negative state, [rows, n_layers, d_model] float32."""
    norm: Tensor
    """Mean norm of the two states, [rows, n_layers] float32."""
    negative: Tensor
    """Negative state, like `difference`."""


@dataclass(frozen=True, eq=False)
class Reading:
    """The rows to read, and where."""

    model: Source
    behavior: Behavior
    token_position: TokenPosition
    form: Form
    balance: Balance
    presented: tuple[Presentation, ...]
    encoded: tuple[EncodedPair, ...]

    @property
    def weights(self) -> list[float]:
        """Of the rows."""
        return [one.weight for one in self.presented]

    @property
    def signs(self) -> list[int]:
        """Of the rows; see `trimtab.data.letter_sign`."""
        return [letter_sign(one) for one in self.presented]

    def batches(self, progress: Progress | None) -> Iterator[Batch]:
        """Run the model and stream what is read."""
        done = 0
        if progress:
            progress(0, len(self.encoded))
        for captured in self.model.capture(self.encoded, self.token_position):
            norm = (captured.positive.norm(dim=-1) + captured.negative.norm(dim=-1)) / 2
            yield Batch(captured.indices, captured.positive - captured.negative, norm, captured.negative)
            done += len(captured.indices)
            if progress:
                progress(done, len(self.encoded))

    def provenance(self, residual_norm: Tensor) -> Provenance:
        """Where a mean vector of these rows comes from."""
        return Provenance(
            model=self.model.name,
            fingerprint=self.model.fingerprint,
            behavior=self.behavior.name,
            pairs_hash=self.behavior.hash,
            pairs=len(self.behavior),
            method="mean",
            token_position=self.token_position,
            form=self.form,
            balance=self.balance,
            template_hash=self.model.template_hash,
            versions=versions(),
            first_token_ratio=tuple((self.model.first_token_norm(self.encoded) / residual_norm).tolist()),
        )


def prepare(
    model: Source,
    behavior: Behavior,
    token_position: str,
    form: Form | Literal["auto"],
    balance: Balance,
    seed: int,
) -> Reading:
    """Decide what is read, and tokenize it; arguments and errors as in `trimtab.extract`."""
    asked = resolve_form(behavior, form)
    named = require_pairs_position(behavior, token_position)
    where: TokenPosition = default_position(asked) if named == "auto" else named
    presented = present(behavior, asked, balance, seed)
    encoded = model.encode([s.pair for s in presented], asked)
    return Reading(model, behavior, where, asked, balance, tuple(presented), tuple(encoded))


def resolve_form(behavior: Behavior, form: Form | Literal["auto"]) -> Form:
    """What `auto` means for these pairs.

    Raises:
        SettingError: when open pairs are to be asked as choices.
    """
    if form == "auto":
        return "choice" if behavior.is_choice else "text"
    if form == "choice" and not behavior.is_choice:
        raise SettingError(f"{behavior.name} has open pairs without options; use text instead of choice")
    return form


def default_position(form: Form) -> TokenPosition:
    """Where `auto` takes the vector: the answer letter, or the whole completion."""
    return "answer" if form == "choice" else "mean_completion"


def versions() -> dict[str, str]:
    """Versions of what shapes the numbers."""
    from importlib.metadata import version

    return {"python": platform.python_version()} | {p: version(p) for p in ("trimtab", "torch", "transformers")}


def require_pairs_position(behavior: Behavior, token_position: str) -> TokenPosition | Literal["auto"]:
    """A token position of pairs of completions.

    Raises:
        SettingError: for another one.
    """
    if token_position not in ("auto", *get_args(TokenPosition)):
        raise SettingError(
            f"{behavior.name}: there is no token_position {token_position!r} in pairs of completions; choose one of "
            f"{', '.join(get_args(TokenPosition))}"
        )
    return cast(TokenPosition, token_position)
