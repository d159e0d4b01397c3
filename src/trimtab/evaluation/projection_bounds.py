"""Strengths of `cap`, `floor` and `clamp` from percentiles of the projections that data have on a vector.

These scales take a bound as α·‖v‖. Activation capping (arXiv 2601.10387) takes its bound from the distribution of
projections on training data, such as their 25th percentile: read here, and given as the α that the scales take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from trimtab._util.callbacks import Progress
from trimtab._util.progress_bars import progress_of
from trimtab._util.summaries import Summarized, Summary
from trimtab.data import AnyContrast, Balance, Behavior, Form, PromptContrast, SetContrast
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.evaluation.projection import reading_of, reading_position
from trimtab.models import ExamplePosition, Text, TokenPosition
from trimtab.steering import require_fit
from trimtab.vectors import SteeringVector, layer_ranges
from trimtab.vectors.contrast_states import resolve_position
from trimtab.vectors.state_reading import Reading

BoundSide = Literal["positive", "negative", "both"]
"""Whose projections: of the examples that show the behavior, of the others, or of all."""
BoundPosition = TokenPosition | ExamplePosition | Literal["auto"]

_EACH = "each_token"
_Row = tuple[bool, Tensor]
"""Whether it is of the positive side, and its projections [rows, n_layers]."""


@dataclass(frozen=True, eq=False, repr=False)
class ProjectionBounds(Summarized):
    """Projections of data on a vector, in units of its norm: h·v̂ / ‖v‖, the strength at which a cap begins to act."""

    name: str
    """Of the data."""
    layers: tuple[int, ...]
    positive: Tensor
    """[rows, layers] float32; a row is a text as read, or with `each_token` a token."""
    negative: Tensor
    """Like `positive`."""
    token_position: str
    """Where the texts were read."""

    def at(self, percentile: float = 25, side: BoundSide = "both") -> dict[int, float]:
        """The strength for each layer: layer → α, so that α·‖v‖ is the percentile of the projections.

        Args:
            percentile: From 0 to 100; between two values it is interpolated linearly.
            side: Whose projections. `both` takes all rows together, a side with more rows counting for more.

        Raises:
            SettingError: For a percentile out of range, or no such side.
        """
        self.require_percentile(percentile)
        if side not in get_args(BoundSide):
            raise SettingError(f"there is no side {side!r}; choose one of {', '.join(get_args(BoundSide))}")
        parts = {"positive": [self.positive], "negative": [self.negative]}
        rows = torch.cat(parts.get(side, [self.positive, self.negative])).double().numpy()
        values = np.percentile(rows, percentile, axis=0)
        return {layer: float(value) for layer, value in zip(self.layers, values, strict=True)}

    @staticmethod
    def require_percentile(percentile: float) -> None:
        """Refuse what is no percentile.

        Raises:
            SettingError: With the number.
        """
        if not 0 <= percentile <= 100:
            raise SettingError(f"percentile {percentile:g} is out of range: give a number from 0 to 100, such as 25")

    def _summary(self) -> Summary:
        rows = f"{len(self.positive)} positive and {len(self.negative)} negative rows"
        where = f"layers {layer_ranges(self.layers)}"
        return Summary({"data": repr(self.name), "rows": rows, "read": f"at {self.token_position}", "layers": where})


def projection_bounds(
    model: Model,
    vector: SteeringVector,
    data: AnyContrast,
    *,
    layers: Iterable[int] | None = None,
    token_position: BoundPosition = "auto",
    form: Form | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    progress: Progress | bool = True,
) -> ProjectionBounds:
    """Read the projections of both sides of a contrast on a vector, for bounds of `cap`, `floor` and `clamp`.

    States are streamed; what is held is a number for each row and layer.

        bounds = tt.projection_bounds(model, vector, train, token_position="each_token")
        with model.steer(vector, layer=17, strength=bounds.at(75, "negative")[17], scale="cap"):
            ...

    Args:
        model: From `trimtab.load`, unsteered.
        vector: For the model.
        data: Pairs of completions, a contrast between prompts, or two lists of texts.
        layers: Which; by default all at which the vector has a direction.
        token_position: Where the texts are read. `auto`: where the vector was, if these data have that place. A scale
            pushes token by token, and tokens are spread more widely than means over texts: `each_token` makes a row of
            every token of the completions, so that a percentile is a share of tokens.
        form: How pairs of completions are asked. `auto`: choice pairs as such if those of the vector were, and all
            others by text.
        balance: How choice pairs are shown, each showing a row; by default in both orders of their options.
        seed: Of what `balance` draws.
        progress: True: a bar where somebody watches; False: none; or what is called with (texts read, texts in all);
            of pairs read elsewhere than at each token with (pairs as shown, those in all).

    Raises:
        VectorError: When the vector is for a model of another shape.
        SettingError: For layers at which the vector has no direction, or a token position that the data lack.
        PromptError, DataError: As of `trimtab.extract`.
    """
    vector = require_fit(vector, model.backbone)
    chosen = vector.layers if layers is None else tuple(dict.fromkeys(layers))
    vector.require_directions(chosen)
    if not chosen:
        raise SettingError("no layers are named; give some, such as layers=[17], or leave layers out for all")
    rows = list(chosen)
    # h·v̂ / ‖v‖ is h·v / ‖v‖²; v̂ first, as ‖v‖² of a short vector would underflow.
    norm = vector.norm[rows]
    unit = vector.direction[rows] / norm[:, None]
    with progress_of(progress, f"reading {data.name} in {model.name}") as advance:
        if isinstance(data, Behavior):
            pairs = reading_of(
                model, vector, data, position="auto" if token_position == _EACH else token_position,
                form=form, balance=balance, seed=seed,
            )  # fmt: skip
            where, read = _pairs(model, pairs, token_position == _EACH, chosen, unit, advance)
        else:
            where, read = _examples(model, vector, data, token_position, chosen, unit, advance)
        sides: dict[bool, list[Tensor]] = {True: [], False: []}
        for is_positive, along in read:
            sides[is_positive].append(along / norm)
    return ProjectionBounds(data.name, chosen, torch.cat(sides[True]), torch.cat(sides[False]), where)


def _examples(
    model: Model,
    vector: SteeringVector,
    data: PromptContrast | SetContrast,
    token_position: str,
    layers: tuple[int, ...],
    unit: Tensor,
    progress: Progress | None,
) -> tuple[str, Iterator[_Row]]:
    """Where examples are read, and their projections on `unit` [layers, d_model], streamed."""
    position = _position(vector, data, token_position)
    encoded = model.encode_examples((*data.positive, *data.negative))
    texts = [one.read(position) for one in encoded]
    return position, _texts(model, texts, len(data.positive), layers, unit, position == _EACH, progress)


def _position(vector: SteeringVector, data: PromptContrast | SetContrast, token_position: str) -> ExamplePosition:
    """Where examples are read. Each token can be read of pairs, too, though no vector is made of pairs so."""
    if token_position == _EACH and data.has_completions:
        return "each_token"
    return resolve_position(data, reading_position(vector, data) if token_position == "auto" else token_position)


def _texts(
    model: Model,
    texts: list[Text],
    border: int,
    layers: tuple[int, ...],
    unit: Tensor,
    each: bool,
    progress: Progress | None,
) -> Iterator[_Row]:
    for done, (index, states) in enumerate(model.states(texts, layers), start=1):
        along = torch.einsum("tld,ld->tl", states.float(), unit)
        yield index < border, along if each else along.mean(0, keepdim=True)
        if progress:
            progress(done, len(texts))


def _pairs(
    model: Model,
    reading: Reading,
    each: bool,
    layers: tuple[int, ...],
    unit: Tensor,
    progress: Progress | None,
) -> tuple[str, Iterator[_Row]]:
    """Where pairs of completions are read, and their projections on `unit` [layers, d_model], streamed."""
    if each:
        texts = [Text(one.positive, one.prompt_length) for one in reading.encoded]
        texts += [Text(one.negative, one.prompt_length) for one in reading.encoded]
        return _EACH, _texts(model, texts, len(reading.encoded), layers, unit, True, progress)

    def read() -> Iterator[_Row]:
        done = 0
        for captured in model.capture(reading.encoded, reading.token_position):
            for is_positive, states in ((True, captured.positive), (False, captured.negative)):
                yield is_positive, torch.einsum("rld,ld->rl", states[:, list(layers)].float(), unit)
            done += len(captured.indices)
            if progress:
                progress(done, len(reading.encoded))

    return reading.token_position, read()
