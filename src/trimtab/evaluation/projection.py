"""Held-out examples projected on a vector: how a contrast without completions is swept over layers.

Such a contrast has nothing whose probability could be compared. What can be measured of its vector without generating
is whether it tells held-out examples apart, layer by layer: that is reading, and no evidence that pushing works.
"""

from __future__ import annotations

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
from trimtab.data import PromptContrast, SetContrast
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.models import ExamplePosition
from trimtab.steering import require_fit
from trimtab.vectors import ContrastStates, SteeringVector, possible_positions, read_contrast


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
    select: PromptContrast | SetContrast,
    *,
    test: PromptContrast | SetContrast | None = None,
    progress: Progress | bool = True,
) -> Projection:
    """Project held-out examples on the vector at every layer.

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
            states = read_contrast(model, part, token_position=_position(vectors, part), progress=advance)
        frames.append(projections(states, vectors, split))
    return Projection(pd.concat(frames, ignore_index=True), select.name)


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
    unit = torch.nn.functional.normalize(vectors.direction, dim=1)
    norms = states.residual_norm if vectors.residual_norm is None else vectors.residual_norm
    scale = norms.clamp_min(torch.finfo(torch.float32).tiny)
    n_layers = vectors.n_layers
    rows = []
    paired = isinstance(contrast, PromptContrast)
    groups = [pair.key for pair in contrast.pairs] if isinstance(contrast, PromptContrast) else []
    for sign, side, examples in (
        (1, states.positive, contrast.positive), (-1, states.negative, contrast.negative)
    ):  # fmt: skip
        along = torch.einsum("rld,ld->rl", side.states, unit) / scale
        for number, example in enumerate(examples):
            mean: Tensor = along[side.example == number].mean(0)
            group = groups[number] if paired else example.key
            rows += [
                (split, example.id, group, sign, layer, (layer + 1) / n_layers, float(mean[layer]))
                for layer in vectors.layers
            ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(PROJECTION_COLUMNS))
    return table


def _position(vectors: SteeringVector, part: PromptContrast | SetContrast) -> ExamplePosition | Literal["auto"]:
    """Where the vector was read, if this contrast has that place."""
    made = vectors.provenance
    there = possible_positions(part) if made.form == part.shape else {}
    return there.get(made.token_position, "auto")
