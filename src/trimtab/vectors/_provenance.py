"""Where a vector came from: extracted by trimtab, or read from a file that something else wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from trimtab.errors import shortened
from trimtab.vectors._training_record import TrainingRecord
from trimtab.vectors.tensor_file import NO_OTHER_FIELDS


@dataclass(frozen=True)
class LetterLeakage:
    """Where the vector lies to the answer letter, and how much of the data the letter was, by layer."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    cosine: tuple[float, ...]
    """|cos(v, v_letter)|, v_letter being half the mean difference of "A is positive" and "B is positive" rows.

    Where both letters count alike (`balance`), the letter of the data has cancelled, and what is left is the angle
    between the behavior's own direction and the letter's: steering can then move the letter too. It is relative to the
    length of the vector, so that it does not rank ways of balancing: without `both_orders`, pairs whose letters happen
    to be even give a longer vector, by what the letter does differently in each pair, and with about as much of the
    letter in it a smaller cosine.
    """
    share: tuple[float, ...]
    """The letter's share of the squared norm of the pairs' differences, before balancing; high in most A/B data, and no
    fault of a vector whose letters are balanced."""


@dataclass(frozen=True)
class Origin:
    """How a vector that trimtab did not extract came in."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    made_by: str
    """What wrote the file, a name of `trimtab.vectors.formats.VECTOR_FORMATS`; `hand`: directions given in Python."""
    file: str
    """Name of the file; "" for directions given in Python."""
    sha256: str
    """Of the file, or of the directions given in Python."""
    layer_map: str
    """How layers of the file became layers of trimtab, in words."""
    notes: tuple[str, ...] = ()
    """What was left out, and what else matters, in sentences."""
    is_whole: bool = True
    """Whether there is a row for each layer of the model. If not, the model may have more layers than the vector."""


@dataclass(frozen=True)
class Provenance:
    """Where a vector came from: enough to make it again and to know what it fits.

    Of a vector that was made elsewhere, texts that are empty and a `pairs` of None are not known.
    """

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    model: str
    fingerprint: str
    behavior: str
    pairs_hash: str
    pairs: int | None
    method: str
    token_position: str
    form: str
    balance: str
    template_hash: str
    versions: dict[str, str] = field(default_factory=dict)
    first_token_ratio: tuple[float, ...] = ()
    """Norm of the first token's residual stream (the attention sink) ÷ the mean residual norm, by layer."""
    letter: LetterLeakage | None = None
    seed: int | None = None
    """Of the methods that draw, `single` and `random`, and of trained ones."""
    pair_id: str | None = None
    """Which pair `single` took."""
    origin: Origin | None = None
    """Of a vector that trimtab did not extract."""
    training: TrainingRecord | None = None
    """Of a trained vector: settings, loss curves, steps and seconds."""

    @property
    def origin_key(self) -> list[str]:
        """What tells apart vectors that were made elsewhere, for the identity of runs; empty for trimtab's own."""
        return [] if self.origin is None else [self.origin.sha256, self.origin.layer_map]


def layer_ranges(layers: Sequence[int]) -> str:
    """Layers for a message: `layers 3 to 9, 12`, at most ten ranges of them."""
    ranges: list[tuple[int, int]] = []
    for layer in layers:
        if ranges and layer == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], layer)
        else:
            ranges.append((layer, layer))
    named = [str(first) if first == last else f"{first} to {last}" for first, last in ranges]
    return f"layer{'s' * (len(layers) != 1)} {', '.join(shortened(named, 10))}"
