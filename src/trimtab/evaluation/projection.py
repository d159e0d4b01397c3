"""Held-out examples projected on a vector, layer by layer: what can be measured of a contrast without completions.

Such a contrast has nothing whose probability could be compared. What can be measured of its vector without generating
is whether it tells held-out examples apart: that is reading, and no evidence that pushing works. Pairs of completions
are read in the same way, so that vectors of any contrast can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pandas as pd
import torch
from torch import Tensor

from trimtab._util.callbacks import Progress
from trimtab._util.progress_bars import progress_of
from trimtab._util.summaries import Summarized, Summary
from trimtab.analysis.formatting import fixed, with_interval
from trimtab.analysis.projections import PROJECTION_COLUMNS, best_layer, separation
from trimtab.data import AnyContrast, Balance, Behavior, Form, PromptContrast, SetContrast
from trimtab.data.hash_order import prompt_key
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.models import ExamplePosition
from trimtab.steering import require_fit
from trimtab.vectors import ContrastStates, SteeringVector, possible_positions, read_contrast
from trimtab.vectors.residual_norms import with_residual_norms
from trimtab.vectors.state_reading import Reading, prepare


@dataclass(frozen=True)
class BestSeparation:
    """The layer whose direction tells held-out examples apart best."""

    layer: int
    depth: float
    auroc: float
    """Probability that a positive example projects further along the vector than a negative one; 0.5 is chance."""
    interval: tuple[float, float]
    """95% bootstrap interval, items resampled."""
    gap: float
    """Difference of the means in standard deviations within the sides."""
    examples: tuple[int, int]
    """Positive and negative ones."""
    held_out: bool
    """Whether other examples chose the layer. If not, the numbers flatter it."""

    def __str__(self) -> str:
        """One line for people."""
        source = "held-out examples" if self.held_out else "the examples it was chosen on: optimistic"
        around = with_interval(self.auroc, *self.interval, limits=(0.5, 1.0))
        return (
            f"layer {self.layer} (depth {self.depth:.2f}): AUROC {around}, gap {fixed(self.gap)} sd, "
            f"{self.examples[0]} + {self.examples[1]} examples ({source})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Projection(Summarized):
    """Held-out examples on a vector."""

    samples: pd.DataFrame
    """One row for each example and layer; columns in `trimtab.analysis.projections.PROJECTION_COLUMNS`."""
    name: str

    @cached_property
    def layers(self) -> pd.DataFrame:
        """How well each layer tells the sides apart; see `trimtab.analysis.projections.separation`."""
        return separation(self.samples)

    def best(self) -> BestSeparation:
        """The layer that tells `select` apart best, with its numbers on `test` where there is one."""
        row = best_layer(self.layers)
        return BestSeparation(
            int(row["layer"]), float(row["depth"]), float(row["auroc"]),
            (float(row["auroc_low"]), float(row["auroc_high"])), float(row["gap"]),
            (int(row["n_positive"]), int(row["n_negative"])), bool(row["held_out"]),
        )  # fmt: skip

    def _summary(self) -> Summary:
        splits = self.samples.drop_duplicates(["split", "example", "side"])["split"].value_counts(sort=False)
        facts = {
            "behavior": repr(self.name),
            "layers": f"{self.samples['layer'].nunique()} layers",
            "examples": " + ".join(f"{count} {split}" for split, count in splits.items()) + " examples",
        }
        return Summary(facts, below=(f"best: {self.best()}",))


def project(
    model: Model,
    vectors: SteeringVector,
    select: AnyContrast,
    *,
    test: AnyContrast | None = None,
    progress: Progress | bool = True,
) -> Projection:
    """Project held-out examples on the vector at every layer; of pairs of completions both completions.

    Args:
        model: from `trimtab.load`, unsteered.
        vectors: from `trimtab.extract`, of the training part.
        select: the examples that choose the layer.
        test: the examples that report; without them the numbers flatter the layer.
        progress: True: a bar where somebody watches; False: none; or what is called with (texts read, texts in all).

    Raises:
        VectorError: when the vectors are for a model of another shape.
        SettingError: when the parts are the same.
        PromptError, DataError: as of `trimtab.vectors.read_contrast`.
    """
    vectors = require_fit(vectors, model.backbone)
    if test is not None and test.hash == select.hash:
        raise SettingError(f"{select.name}: test and select are the same examples, so none would be held out")
    frames = []
    for split, part in (("select", select), ("test", test)):
        if part is None:
            continue
        with progress_of(progress, f"reading {part.name} ({split}) in {model.name}") as advance:
            frames.append(projected(model, vectors, part, split, progress=advance))
    return Projection(pd.concat(frames, ignore_index=True), select.name)


def projected(
    model: Model,
    vectors: SteeringVector,
    part: AnyContrast,
    split: str,
    *,
    form: Form | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Read the examples of a contrast of any shape and project them on the vector at every layer.

    They are read where the vector was, if they have that place.

    Args:
        model: From `trimtab.load`, unsteered.
        vectors: For the model.
        part: The examples.
        split: Name of the part in the table.
        form: How pairs of completions are asked. By default choice pairs as such if those of the vector were, and all
            others by text.
        balance: How choice pairs are shown; an example counts as the weighted mean over its showings.
        seed: Of what `balance` draws.
        progress: Called with (texts read, texts in all); of pairs with (showings read, showings in all).

    Returns:
        Columns in `trimtab.analysis.projections.PROJECTION_COLUMNS`.

    Raises:
        PromptError, DataError: as of `trimtab.vectors.read_contrast`.
    """
    if not isinstance(part, Behavior):
        states = read_contrast(model, part, token_position=reading_position(vectors, part), progress=progress)
        return projections(states, vectors, split)
    vectors = with_residual_norms(vectors, model)
    reading = reading_of(model, vectors, part, form=form, balance=balance, seed=seed)
    means = _pair_means(model, reading, vectors, progress)
    rows = [
        row
        for side, sign in enumerate((1, -1))
        for pair in part
        if pair.id in means
        for row in _rows(split, pair.id, prompt_key(pair), sign, means[pair.id][side], vectors.layers)
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(PROJECTION_COLUMNS))
    return table


def reading_of(
    model: Model,
    vectors: SteeringVector,
    part: Behavior,
    *,
    position: str = "auto",
    form: Form | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
) -> Reading:
    """Pairs of completions as they are read for a vector: asked as its own were and read where they were, if possible.

    Args:
        model: From `trimtab.load`.
        vectors: For the model.
        part: The pairs.
        position: Where they are read; `auto`: where the vector was, if it was asked in this form.
        form: How they are asked; `auto`: as those of the vector were, if they can be.
        balance: How choice pairs are shown.
        seed: Of what `balance` draws.

    Raises:
        PromptError, SettingError: As of `trimtab.extract`.
    """
    made = vectors.provenance
    asked: Form = ("choice" if made.form == "choice" and part.is_choice else "text") if form == "auto" else form
    if position == "auto" and made.form == asked:
        position = made.token_position or "auto"
    return prepare(model, part, position, asked, balance, seed)


def _pair_means(
    model: Model, reading: Reading, vectors: SteeringVector, progress: Progress | None
) -> dict[str, Tensor]:
    """Projections of both completions of each pair, the weighted mean over its showings [2, n_layers], by id."""
    unit, scale = _axes(vectors, vectors.require_residual_norm())
    sums: dict[str, Tensor] = {}
    weights: dict[str, float] = {}
    done = 0
    for captured in model.capture(reading.encoded, reading.token_position):
        both = torch.stack([captured.positive, captured.negative], dim=1)  # [rows, 2, n_layers, d_model]
        along = torch.einsum("rsld,ld->rsl", both, unit) / scale
        for row, values in zip(captured.indices, along, strict=True):
            shown = reading.presented[row]
            name = shown.pair.id
            sums[name] = sums.get(name, torch.zeros_like(values)) + shown.weight * values
            weights[name] = weights.get(name, 0.0) + shown.weight
        done += len(captured.indices)
        if progress:
            progress(done, len(reading.encoded))
    return {name: whole / weights[name] for name, whole in sums.items()}


def projections(states: ContrastStates, vectors: SteeringVector, split: str = "select") -> pd.DataFrame:
    """The projections of a contrast's states, as a table.

    Args:
        states: from `trimtab.vectors.read_contrast`.
        vectors: of as many layers. Lengths are in units of their residual norms, or where they have none of the
            states' own.
        split: name of the part.

    Returns:
        Columns in `trimtab.analysis.projections.PROJECTION_COLUMNS`, for the layers that have a direction. An
        example that is read token by token counts as the mean over its tokens.
    """
    contrast = states.contrast
    unit, scale = _axes(vectors, states.residual_norm)
    rows: list[tuple[object, ...]] = []
    paired = isinstance(contrast, PromptContrast)
    groups = [pair.key for pair in contrast.pairs] if isinstance(contrast, PromptContrast) else []
    for sign, side, examples in (
        (1, states.positive, contrast.positive), (-1, states.negative, contrast.negative)
    ):  # fmt: skip
        along = torch.einsum("rld,ld->rl", side.states, unit) / scale
        for number, example in enumerate(examples):
            mean: Tensor = along[side.example == number].mean(0)
            group = groups[number] if paired else example.key
            rows += _rows(split, example.id, group, sign, mean, vectors.layers)
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(PROJECTION_COLUMNS))
    return table


def reading_position(vectors: SteeringVector, part: PromptContrast | SetContrast) -> ExamplePosition | Literal["auto"]:
    """Where the vector was read, if this contrast has that place."""
    made = vectors.provenance
    there = possible_positions(part) if made.form == part.shape else {}
    return there.get(made.token_position, "auto")


def _axes(vectors: SteeringVector, measured: Tensor) -> tuple[Tensor, Tensor]:
    """Unit directions [n_layers, d_model], and norms of the residual stream [n_layers], the vector's own if known."""
    unit = torch.nn.functional.normalize(vectors.direction, dim=1)
    norms = measured if vectors.residual_norm is None else vectors.residual_norm
    return unit, norms.clamp_min(torch.finfo(torch.float32).tiny)


def _rows(
    split: str, example: str, group: str, sign: int, along: Tensor, layers: Sequence[int]
) -> Iterator[tuple[object, ...]]:
    """A row for each layer that has a direction; `along` [n_layers]."""
    for layer in layers:
        yield split, example, group, sign, layer, (layer + 1) / len(along), float(along[layer])
