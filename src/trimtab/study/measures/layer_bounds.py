"""Percentiles of projections as the strengths of a study's cells, measured once and recorded in its run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Literal

from trimtab._util.callbacks import NamedProgress
from trimtab.data import AnyContrast, Balance, Form
from trimtab.engines import Model
from trimtab.evaluation import Grid, projection_bounds
from trimtab.steering import SCALES, Cell
from trimtab.store.manifest import BoundEntry
from trimtab.study.settings.bound_setting import Bound
from trimtab.study.step_names import bounding
from trimtab.vectors import SteeringVector


def measured_bounds(
    model: Model, vector: SteeringVector, data: AnyContrast, behavior: str, grid: Grid, bound: Bound,
    progress: NamedProgress, *, form: Form | Literal["auto"], balance: Balance, seed: int,
) -> BoundEntry:  # fmt: skip
    """Read the projections of the data that the vector is made of, and take the bounds of a grid's layers from them.

    `form`, `balance` and `seed` are those that the vector was extracted with.

    Raises:
        SettingError: For a token position that the data lack.
    """
    layers = sorted({layer for layers in grid.layers for layer in layers})
    what = bounding(behavior, model.name)
    found = projection_bounds(
        model, vector, data, layers=layers, token_position=bound.token_position,
        form=form, balance=balance, seed=seed, progress=partial(progress, what),
    )  # fmt: skip
    values = [found.at(percentile, bound.side) for percentile in bound.at]
    return BoundEntry(
        model=model.name,
        behavior=behavior,
        scale=SCALES.get(grid.scale).pushed_as,
        side=bound.side,
        token_position=found.token_position,
        positive=len(found.positive),
        negative=len(found.negative),
        layers=tuple(layers),
        percentiles=bound.at,
        strengths=tuple(tuple(float(f"{value[layer]:.6g}") for layer in layers) for value in values),
    )


def bounded(grid: Grid, entry: BoundEntry) -> Grid:
    """The grid with the bound of each layer as the strength of its cells.

    Raises:
        SettingError: For a bound of 0, which stands for the unsteered model.
    """
    alphas = {Cell(layers, p): entry.strength_at(layers[0], p) for layers in grid.layers for p in entry.percentiles}
    for alpha in alphas.values():
        SCALES.get(entry.scale).check(alpha)
    return replace(grid, alphas=alphas)
