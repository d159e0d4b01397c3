"""States of contrasts between prompts and between lists: read once, for any aggregation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from trimtab._util.callbacks import Progress
from trimtab._util.summaries import Summarized, Summary
from trimtab.data import PromptContrast, PromptPair, SetContrast
from trimtab.errors import DataError, SettingError
from trimtab.models import EncodedExample, EncodedPair, ExamplePosition
from trimtab.vectors._difference_sums import require_direction
from trimtab.vectors._provenance import Provenance
from trimtab.vectors.aggregations import AGGREGATIONS
from trimtab.vectors.state_reading import Source, versions
from trimtab.vectors.steering_vector import SteeringVector

MAX_BYTES = 4 << 30
"""States of more than this are refused: `each_token` holds one for every token."""


@dataclass(frozen=True, eq=False)
class Side:
    """States of the examples on one side of a contrast."""

    states: Tensor
    """[rows, n_layers, d_model] float32; a row is an example, or with `each_token` a token."""
    example: Tensor
    """Which example each row belongs to, [rows]."""

    def mean(self) -> Tensor:
        """Mean of the rows, [n_layers, d_model] float64."""
        return torch.stack([self.states[:, layer].double().mean(0) for layer in range(self.states.shape[1])])

    def rows_of(self, examples: Sequence[int]) -> Side:
        """The rows of some examples, an example as often as it is named: a resampled list."""
        found = [torch.nonzero(self.example == one).flatten() for one in examples]
        numbers = [torch.full_like(rows, place) for place, rows in enumerate(found)]
        return Side(self.states[torch.cat(found)], torch.cat(numbers))


@dataclass(frozen=True, eq=False, repr=False)
class ContrastStates(Summarized):
    """States of both sides of a contrast at every layer."""

    contrast: PromptContrast | SetContrast
    positive: Side
    negative: Side
    """Of a contrast between prompts in the order of the positive side."""
    provenance: Provenance
    """That of the mean vector."""

    def _summary(self) -> Summary:
        made = self.provenance
        rows, layers, width = self.positive.states.shape
        shape = f"{rows} and {len(self.negative.states)} rows × {layers} layers × {width}"
        return Summary({"behavior": repr(made.behavior), "shape": shape, "model": f"from {made.model}"})

    @property
    def has_pairs(self) -> bool:
        """Whether it is known which two examples belong together."""
        return isinstance(self.contrast, PromptContrast)

    @property
    def pairs(self) -> tuple[PromptPair, ...]:
        """The pairs; none of two lists."""
        return self.contrast.pairs if isinstance(self.contrast, PromptContrast) else ()

    @cached_property
    def mean(self) -> Tensor:
        """Difference of the sides' means, [n_layers, d_model] float64; of pairs it is the mean of their differences."""
        return self.positive.mean() - self.negative.mean()

    @cached_property
    def residual_norm(self) -> Tensor:
        """Mean norm of the states, both sides counting alike, [n_layers] float32."""
        sides = (self.positive.states, self.negative.states)
        norms = torch.stack([states.norm(dim=-1).double().mean(0) for states in sides])
        return norms.mean(0).float()

    def vector(self, method: str = "mean", seed: int = 0) -> SteeringVector:
        """The vector that `extract` gives for this contrast.

        Args:
            method: A name of `trimtab.vectors.AGGREGATIONS`.
            seed: Of the methods that draw, such as `single` and `random`.

        Raises:
            SettingError: For an unknown method, or one that needs pairs where there are none.
            VectorError: When both sides have the same states everywhere.
        """
        aggregation = AGGREGATIONS.get(method)
        if isinstance(self.contrast, SetContrast):
            found, drawn = aggregation.of_sets(_Sets(self), seed), None
        else:
            found = aggregation.directions(_Differences(self, self.contrast.pairs), seed)
            drawn = aggregation.drawn_pair(self.contrast.pairs, seed)
        made = replace(
            self.provenance,
            method=method,
            seed=seed if aggregation.draws else None,
            pair_id=None if drawn is None else drawn.id,
        )
        known = {"negative_mean": self.negative.mean().float()}
        return SteeringVector(require_direction(found), self.residual_norm, made, known)


@dataclass(frozen=True, eq=False)
class _Differences:
    """A contrast between prompts as aggregations of pairs take it."""

    whole: ContrastStates
    pairs: tuple[PromptPair, ...]

    @property
    def mean(self) -> Tensor:
        return self.whole.mean

    def at(self, layer: int) -> Tensor:
        positive, negative = self.whole.positive.states[:, layer], self.whole.negative.states[:, layer]
        return positive.double() - negative.double()


@dataclass(frozen=True, eq=False)
class _Sets:
    """A contrast between lists as aggregations take it."""

    whole: ContrastStates

    @property
    def mean(self) -> Tensor:
        return self.whole.mean

    def at(self, layer: int) -> tuple[Tensor, Tensor]:
        return self.whole.positive.states[:, layer].double(), self.whole.negative.states[:, layer].double()


def read_contrast(
    model: Source,
    contrast: PromptContrast | SetContrast,
    *,
    token_position: ExamplePosition | Literal["auto"] = "auto",
    progress: Progress | None = None,
) -> ContrastStates:
    """The states of both sides at every layer, from one forward pass over each distinct text.

    Args:
        model: from `trimtab.load`.
        contrast: what to read.
        token_position: `last`: the last token; `mean_completion`, `mean_prompt`: the mean over the completion (of raw
            text all but its first token, the attention sink) or over the prompt; `mean_thinking`, `mean_response`: over
            the thinking in the completion, or over what is behind it; `each_token`: every token of the
            completion is a row, so that long texts weigh more; for lists only. `auto`: `mean_completion` where there
            are completions or raw texts, else `last`.
        progress: called with (texts read, texts in all).

    Raises:
        PromptError: with every example that the model cannot be given, and why.
        DataError: for examples that have nothing at that position, or too many rows to hold.
        SettingError: for a token position that this contrast does not have.
    """
    position = resolve_position(contrast, token_position)
    examples = (*contrast.positive, *contrast.negative)
    encoded = model.encode_examples(examples)
    texts = [one.read(position) for one in encoded]
    rows = [len(text.tokens) - text.prompt_length if position == "each_token" else 1 for text in texts]
    owners = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor(rows))
    starts = torch.tensor([0, *rows]).cumsum(0)
    layers = range(model.facts.layers)
    _require_room(sum(rows), len(layers), model.facts.width, contrast.name)
    states = torch.empty(0)
    for done, (index, read) in enumerate(model.states(texts, layers), start=1):
        if not len(states):
            states = torch.empty(len(owners), *read.shape[1:])
        states[starts[index] : starts[index + 1]] = read if position == "each_token" else read.mean(0)
        if progress:
            progress(done, len(texts))
    border, cut = len(contrast.positive), int(starts[len(contrast.positive)])
    positive = Side(states[:cut], owners[:cut])
    negative = Side(states[cut:], owners[cut:] - border)
    made = _provenance(model, contrast, position)
    found = ContrastStates(contrast, positive, negative, made)
    sink = model.first_token_norm([_as_pair(one) for one in encoded]) / found.residual_norm
    return replace(found, provenance=replace(made, first_token_ratio=tuple(sink.tolist())))


def resolve_position(contrast: PromptContrast | SetContrast, token_position: str) -> ExamplePosition:
    """What `auto` means for this contrast.

    Raises:
        SettingError: for a position that it does not have.
    """
    if token_position == "auto":
        return "mean_completion" if contrast.has_completions else "last"
    possible = possible_positions(contrast)
    if token_position not in possible:
        raw = contrast.positive[0].is_raw
        kind = "raw text" if raw else "prompts with completions" if contrast.has_completions else "prompts alone"
        pairs = "" if isinstance(contrast, SetContrast) else " in pairs"
        raise SettingError(
            f"{contrast.name}: there is no token_position {token_position!r} in a contrast of {kind}{pairs}; choose "
            f"one of {', '.join(possible)}"
        )
    return possible[token_position]


def possible_positions(contrast: PromptContrast | SetContrast) -> dict[str, ExamplePosition]:
    """Where a contrast can be read, by name."""
    found: list[ExamplePosition] = ["last"]
    if contrast.has_completions:
        found.append("mean_completion")
        if isinstance(contrast, SetContrast):
            found.append("each_token")
        if not contrast.positive[0].is_raw:
            found += ["mean_thinking", "mean_response"]
    if not contrast.positive[0].is_raw:
        found.append("mean_prompt")
    return {name: name for name in found}


def _require_room(rows: int, layers: int, width: int, name: str) -> None:
    size = rows * layers * width * 4
    if size > MAX_BYTES:
        raise DataError(
            f"{name}: {rows:,} states at {layers} layers take {size / 2**30:.1f} GiB, more than "
            f"{MAX_BYTES / 2**30:.0f}; use fewer examples, or instead of each_token another token_position"
        )


def _as_pair(one: EncodedExample) -> EncodedPair:
    """An example where only its first token matters."""
    return EncodedPair(one.id, one.tokens, one.tokens, 1, 1)


def _provenance(model: Source, contrast: PromptContrast | SetContrast, position: ExamplePosition) -> Provenance:
    return Provenance(
        model=model.name,
        fingerprint=model.fingerprint,
        behavior=contrast.name,
        pairs_hash=contrast.hash,
        pairs=len(contrast),
        method="mean",
        token_position=position,
        form=contrast.shape,
        balance="off",
        template_hash=model.template_hash,
        versions=versions(),
    )
