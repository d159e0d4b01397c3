"""Layer × strength in one pass: every pair's score in every cell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

import pandas as pd
from torch import Tensor

from trimtab._util.callbacks import Progress
from trimtab._util.plot_registry import Plottable
from trimtab._util.progress_bars import progress_of
from trimtab._util.summaries import Summarized, Summary
from trimtab._util.wording import plural
from trimtab.analysis import best_cells, effects
from trimtab.analysis.cells import sized
from trimtab.analysis.formatting import decimals_for, fixed, signed_strength, with_interval
from trimtab.data import Balance, Behavior, Form, Presentation, present
from trimtab.engines import Model, Scored, Scoring
from trimtab.errors import SettingError
from trimtab.evaluation._sample_rows import samples_frame
from trimtab.evaluation.grid import Grid, layers_of, parse_strengths
from trimtab.steering import (
    DEFAULT_SCALE,
    Positions,
    SteeringSetting,
    layers_label,
    require_fit,
    usual_strengths,
)
from trimtab.vectors import SteeringVector, resolve_form


@dataclass(frozen=True, repr=False)
class Best(Summarized):
    """The best cell of a sweep, and what it was measured on."""

    layer: int
    strength: float
    compared: str
    """What delta compares: "−α to +α", or "0 to +α" or "−α to 0" where some strength was swept at one sign only."""
    delta: float
    """Difference of the mean scores at its two ends."""
    glass: float
    """Glass's Δ: delta ÷ standard deviation of the unsteered scores."""
    glass_interval: tuple[float, float]
    """95% bootstrap interval of Glass's Δ, prompts resampled."""
    depth: float
    prompts: int
    held_out: bool
    """Whether the numbers come from other prompts than those the cell was chosen on. If not, they flatter it."""
    scale: str = DEFAULT_SCALE
    positions: Positions = "all"
    first_token: bool = False
    layers: tuple[int, ...] = ()
    """All of its layers, where several are steered together."""

    @property
    def options(self) -> dict[str, Any]:
        """What `model.steer` and the checks take: `model.steer(vectors, **best.options)`."""
        return {
            "layer": self.layers if len(self.layers) > 1 else self.layer, "strength": self.strength,
            "scale": self.scale, "positions": self.positions, "first_token": self.first_token,
        }  # fmt: skip

    def __str__(self) -> str:
        """One line for people."""
        low, high = self.glass_interval
        source = "held-out prompts" if self.held_out else "the prompts it was chosen on: optimistic"
        return (
            f"layer {layers_label(self.layers) or self.layer} (depth {self.depth:.2f}), "
            f"strength {sized(self.strength, self.compared)}: delta "
            f"{fixed(self.delta, decimals_for([self.delta]))}, Glass's Δ {with_interval(self.glass, low, high)}, "
            f"{plural(self.prompts, 'prompt')} ({source})"
        )

    def _summary(self) -> Summary:
        return Summary({"cell": str(self)})


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(Summarized, Plottable):
    """A finished sweep: its samples and what they say."""

    _plots: ClassVar[str] = "sweep"
    samples: pd.DataFrame
    """One row for each prompt, option order and cell; columns in `trimtab.analysis.COLUMNS`."""
    first_token: bool = False
    """Whether the first token was pushed too."""

    @cached_property
    def effects(self) -> pd.DataFrame:
        """Delta and Glass's Δ with intervals, one row for each cell and split."""
        return effects(self.samples)

    @cached_property
    def chosen(self) -> pd.DataFrame:
        """The best cell of each model, behavior and scoring, one row for each; see `trimtab.analysis.best_cells`."""
        return best_cells(self.effects)

    def best(self) -> Best:
        """The cell with the largest Glass's Δ on `select`, with its numbers on the `test` prompts if there are any.

        Raises:
            SettingError: when no cell can be chosen, since none has a score on any prompt.
        """
        cells = self.chosen
        if cells.empty:
            raise SettingError(
                "no cell of this sweep has an effect to choose by: it needs scores that are numbers at a strength "
                "other than 0, on the same prompts as without steering"
            )
        row = cells.iloc[0]
        return Best(
            layer=int(row["layer"]),
            strength=float(row["strength"]),
            compared=str(row["compared"]),
            delta=float(row["delta"]),
            glass=float(row["glass"]),
            glass_interval=(float(row["glass_low"]), float(row["glass_high"])),
            depth=float(row["depth"]),
            prompts=int(row["n"]),
            held_out=bool(row["held_out"]),
            scale=str(row["scale"]),
            positions=row["positions"],
            first_token=self.first_token,
            layers=tuple(int(layer) for layer in str(row["layers"]).split("+")),
        )

    def _summary(self) -> Summary:
        samples = self.samples
        behaviors, models = (" and ".join(map(str, samples[name].unique())) for name in ("behavior", "model"))
        steered = samples[samples["strength"] != 0]
        strengths = ", ".join(signed_strength(strength) for strength in sorted(steered["strength"].unique()))
        splits = samples.drop_duplicates(["split", "prompt_id"])["split"].value_counts(sort=False)
        facts = {
            "behavior": repr(behaviors),
            "model": f"in {models}",
            "layers": plural(steered["layers"].nunique(), "layer"),
            "strengths": f"strengths {strengths} ({' and '.join(map(str, steered['scale'].unique()))})",
            "prompts": " + ".join(f"{count} {split}" for split, count in splits.items()) + " prompts",
        }
        best = () if self.chosen.empty else (f"best: {self.best()}",)
        return Summary(facts, below=best)


def sweep(
    model: Model,
    vectors: SteeringVector,
    select: Behavior,
    *,
    test: Behavior | None = None,
    layers: str | Sequence[int] | Sequence[str] | None = None,
    strengths: str | Sequence[float] | None = None,
    scale: str = DEFAULT_SCALE,
    positions: Positions = "all",
    scoring: Scoring | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    first_token: bool = False,
    seed: int = 0,
    progress: Progress | bool = True,
) -> Sweep:
    """Steer at every layer and strength and score every prompt, in one pass through the model for each batch.

    Args:
        model: from `trimtab.load`.
        vectors: from `trimtab.extract`, or from a file.
        select: prompts on which the best cell is chosen; none of those the vector was made from.
        test: other prompts on which the chosen cell is reported.
        layers: see `parse_layers`; by default every layer at which the vector has a direction.
        strengths: α, each with both signs; where one lacks its mirror, effects are measured against unsteered. By
            default what is usual for the scale: ±0.1 for `relative`, ±1 for `raw`.
        scale: what α means, such as `relative`: h + α·‖h‖·v̂, or `raw`: h + α·v; see `trimtab.steering.scales`.
        positions: `all`, `after_prompt`, `prompt` or `generated`.
        scoring: `choice`: logit difference at the first differing token. `text`: log-probability per token of the whole
            completion, `text_sum` without division by length. `auto`: `choice` for choice pairs, else `text`.
        balance: option orders of choice pairs; see `trimtab.data.present`.
        first_token: whether to push the first token, the attention sink, too.
        seed: for `balance="subsample"`.
        progress: True: a bar where somebody watches, in a terminal or a notebook; False: none; or what is called with
            (rows done, rows in all).

    Raises:
        SettingError: for a layer out of range, a strength that is not finite, or positions that steer nothing scored.
        VectorError: when the vectors are for a model of another shape.
    """
    setting = SteeringSetting(scale, positions, first_token)
    vectors = require_fit(vectors, model.backbone)
    alphas = parse_strengths(usual_strengths(scale) if strengths is None else strengths)
    grid = Grid(layers_of(layers, model.facts.layers, vectors), alphas, setting)
    how = resolve_scoring(select, scoring)
    rows = shown_rows([("select", select), ("test", test)], how, balance, seed)
    frames = []
    done = 0
    with progress_of(progress, f"sweeping {select.name} in {model.name}") as advance:
        if advance:
            advance(0, len(rows))
        for _, frame in sweep_batches(model, vectors, rows, grid, how, select.name):
            frames.append(frame)
            done += len(frame) // (1 + len(grid.steered))
            if advance:
                advance(done, len(rows))
    return Sweep(pd.concat(frames, ignore_index=True), first_token)


@dataclass(frozen=True)
class Row:
    """One pair as shown, and the part it belongs to."""

    shown: Presentation
    split: str


def shown_rows(
    parts: Sequence[tuple[str, Behavior | None]], scoring: Scoring, balance: Balance, seed: int
) -> list[Row]:
    """Every row that a sweep scores."""
    form = form_of(scoring)
    return [Row(s, split) for split, part in parts if part is not None for s in present(part, form, balance, seed)]


def sweep_batches(
    model: Model,
    vectors: SteeringVector,
    rows: Sequence[Row],
    grid: Grid,
    scoring: Scoring,
    behavior: str,
    done: Collection[int] = (),
) -> Iterator[tuple[list[int], pd.DataFrame]]:
    """Stream (indices of rows, their samples) batch by batch.

    The batches depend only on the rows and the grid; those whose rows are all in `done` are left out, so an interrupted
    sweep that continues computes what it would have computed.
    """
    for scored in _scored(model, [vectors], rows, grid, scoring, done):
        yield scored.indices, _frames(model, rows, scored.indices, scored.scores, grid, scoring, behavior)


def unsteered_batches(model: Model, rows: Sequence[Row], scoring: Scoring, behavior: str) -> Iterator[pd.DataFrame]:
    """Stream the samples of some rows as the model scores them without any steering, batch by batch."""
    encoded = model.encode([row.shown.pair for row in rows], form_of(scoring))
    for scored in model.score(encoded, (), scoring):
        yield _frames(model, rows, scored.indices, scored.scores, None, scoring, behavior)


def vectors_batches(
    model: Model,
    vectors: Mapping[str, SteeringVector],
    rows: Sequence[Row],
    grid: Grid,
    scoring: Scoring,
    behavior: str,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Stream (name of a vector, samples of some rows): every vector in every cell, all of them in one pass.

    Each vector's samples are what its own sweep would give, unsteered rows included.
    """
    cells = len(grid.steered)
    for scored in _scored(model, list(vectors.values()), rows, grid, scoring, ()):
        for place, name in enumerate(vectors):
            own = [0, *range(1 + place * cells, 1 + (place + 1) * cells)]
            yield name, _frames(model, rows, scored.indices, scored.scores[own], grid, scoring, behavior)


def _scored(
    model: Model,
    vectors: Sequence[SteeringVector],
    rows: Sequence[Row],
    grid: Grid,
    scoring: Scoring,
    done: Collection[int],
) -> Iterator[Scored]:
    """Scores unsteered and in every cell of every vector, one vector after the other."""
    fitted = [require_fit(vector, model.backbone) for vector in vectors]
    encoded = model.encode([row.shown.pair for row in rows], form_of(scoring))
    cells = [cell for vector in fitted for cell in grid.interventions(vector)]
    return model.score(encoded, cells, scoring, done=done)


def _frames(
    model: Model,
    rows: Sequence[Row],
    indices: list[int],
    scores: Tensor,
    grid: Grid | None,
    scoring: str,
    behavior: str,
) -> pd.DataFrame:
    parts = []
    for split in dict.fromkeys(rows[i].split for i in indices):
        columns = [column for column, i in enumerate(indices) if rows[i].split == split]
        parts.append(
            samples_frame(
                scores[:, columns],
                [rows[indices[column]].shown for column in columns],
                split,
                grid,
                model=model.name,
                behavior=behavior,
                engine=model.engine.name,
                scoring=scoring,
                n_layers=model.facts.layers,
            )
        )
    return pd.concat(parts, ignore_index=True)


def form_of(scoring: Scoring) -> Form:
    """How pairs are asked under a scoring."""
    return "choice" if scoring == "choice" else "text"


def resolve_scoring(behavior: Behavior, scoring: Scoring | Literal["auto"]) -> Scoring:
    """What `auto` means for these pairs.

    Raises:
        SettingError: for an unknown scoring, or choice scoring of open pairs.
    """
    if scoring == "auto":
        return "choice" if behavior.is_choice else "text"
    if scoring not in get_args(Scoring):
        raise SettingError(f"scoring {scoring!r} is unknown; it is auto or one of {', '.join(get_args(Scoring))}")
    resolve_form(behavior, form_of(scoring))
    return scoring
