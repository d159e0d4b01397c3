"""Whether the layer map of a vector from elsewhere is right: its directions at their layers, one earlier, one later.

At each layer the same push is tried along the direction that the map puts there and along its two neighbours, all of
the same length. So the maps differ in the direction only, not in how much a push at that layer moves the model. And
the states of pairs at that layer are read along the same three directions: a difference of states lies best along the
direction that was made of states of that layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from trimtab._util.callbacks import Progress
from trimtab.data import Balance, Behavior, Form
from trimtab.engines import Model, Scoring
from trimtab.errors import SettingError
from trimtab.evaluation.grid import Grid
from trimtab.evaluation.layer_maps._map_verdict import LATER, MAPS, LayerMapTest, judged
from trimtab.evaluation.sweeping import Row, resolve_scoring, shown_rows, vectors_batches
from trimtab.steering import SteeringSetting, require_fit
from trimtab.vectors import StateDifferences, SteeringVector, read_differences

MIN_LAYERS, MAX_LAYERS = 6, 10
"""Layers that are tried, evenly over those that can be; fewer say too little about layers."""


def check_layer_map(
    model: Model,
    vector: SteeringVector,
    behavior: Behavior,
    *,
    strength: float = 0.1,
    prompts: int = 24,
    balance: Balance = "both_orders",
    seed: int = 0,
    progress: Progress | None = None,
) -> LayerMapTest:
    """Compare a vector's directions at their layers, one layer earlier and one later, by steering and by reading.

    Takes one pass over the pairs for each.

    Args:
        model: from `trimtab.load`.
        vector: with directions at eight neighbouring layers at least.
        behavior: pairs of the vector's behavior that it was not made from.
        strength: how far to push both ways, relative to the residual stream.
        prompts: how many pairs are scored.
        balance: option orders of choice pairs; see `trimtab.data.present`.
        seed: of the resamples, and for `balance="subsample"`.
        progress: called with (rows done, rows in all), the rows of both passes together.

    Raises:
        SettingError: where too few layers have a direction and two neighbours, or for a strength of 0.
        VectorError: when the vector is for a model of another shape.
    """
    vector = require_fit(vector, model.backbone)
    layers = _layers(vector)
    used = replace(behavior, pairs=behavior.pairs[:prompts])
    scoring = resolve_scoring(used, "auto")
    grid = Grid(tuple((n,) for n in layers), (-abs(strength), abs(strength)), SteeringSetting("relative"))
    shifted = {name: _shifted(vector, layers, shift) for name, shift in MAPS.items()}
    rows = shown_rows([("select", used)], scoring, balance, seed)
    both = None if progress is None else lambda done, _: progress(done, 2 * len(rows))
    behind = None if progress is None else lambda done, _: progress(len(rows) + done, 2 * len(rows))
    effects = _effects(model, shifted, rows, grid, scoring, used.name, both)
    form: Form = "choice" if scoring == "choice" else "text"
    states = read_differences(model, used, form=form, balance=balance, seed=seed, progress=behind, hold_negative=False)
    return judged(effects, _readings(states, shifted, layers), layers, vector.provenance.behavior, seed)


def _layers(vector: SteeringVector) -> list[int]:
    """Layers with a direction at both neighbours, evenly over them."""
    there = set(vector.layers)
    inner = [layer for layer in vector.layers if {layer - 1, layer + 1} <= there]
    if len(inner) < MIN_LAYERS:
        raise SettingError(
            f"the layer map of {vector.provenance.behavior!r} cannot be tested: directions are compared with those of "
            f"their neighbours at {MIN_LAYERS} layers at least, and there are {len(inner)} with both; what a direction "
            "does at several layers says nothing, as layers differ in how far a push moves the model"
        )
    return [inner[round(i)] for i in np.linspace(0, len(inner) - 1, min(len(inner), MAX_LAYERS))]


def _shifted(vector: SteeringVector, layers: Sequence[int], shift: int) -> SteeringVector:
    """The vector as if its directions belonged that many layers further on, at some layers."""
    direction = torch.zeros_like(vector.direction)
    for layer in layers:
        direction[layer] = vector.direction[layer - shift]
    return replace(vector, direction=direction)


def _effects(
    model: Model,
    vectors: Mapping[str, SteeringVector],
    rows: Sequence[Row],
    grid: Grid,
    scoring: Scoring,
    behavior: str,
    progress: Progress | None,
) -> dict[str, NDArray[np.float64]]:
    """Score at +α minus score at −α, mean over option orders, [prompts, layers] by map."""
    frames, done = [], 0
    if progress:
        progress(0, len(rows))
    for name, frame in vectors_batches(model, vectors, rows, grid, scoring, behavior):
        frames.append(frame.assign(map=name))
        if progress and name == LATER:
            done += len(frame) // (1 + len(grid.steered))
            progress(done, len(rows))
    steered = pd.concat(frames, ignore_index=True).query("strength != 0")
    signed = steered.assign(score=steered["score"] * np.sign(steered["strength"]))
    # Two signs at each layer: their mean is half of the difference.
    means = 2 * signed.groupby(["map", "prompt_id", "layer"])["score"].mean().unstack("layer")
    return {name: means.loc[name].to_numpy(np.float64) for name in vectors}


def _readings(
    states: StateDifferences, vectors: Mapping[str, SteeringVector], layers: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Projections of the pairs' differences on each map's unit directions ÷ length of their mean, [pairs, layers]."""
    at = [states.at(layer) for layer in layers]
    lengths = [float(differences.mean(0).norm()) or 1.0 for differences in at]  # all zero: nothing lies apart
    found = {}
    for name, vector in vectors.items():
        units = torch.nn.functional.normalize(vector.direction[list(layers)].double(), dim=-1)
        columns = [d @ unit / length for d, unit, length in zip(at, units, lengths, strict=True)]
        found[name] = torch.stack(columns, dim=1).numpy()
    return found
