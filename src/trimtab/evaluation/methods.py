"""Comparison of aggregation methods: the vectors of the same pairs at every layer and strength, in one sweep."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from trimtab._util.callbacks import Progress
from trimtab.analysis import COLUMNS
from trimtab.data import AskedTexts, Balance, Behavior, Pair
from trimtab.data.hash_order import prompt_key
from trimtab.engines import Model, Scoring
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation.grid import Grid, parse_layers, parse_strengths
from trimtab.evaluation.sweeping import resolve_scoring, shown_rows, vectors_batches
from trimtab.steering import Gate, Positions, PromptGate, SteeringSetting
from trimtab.vectors import AGGREGATIONS, Aggregation, ContrastStates, StateDifferences, SteeringVector

STRENGTHS = (-0.1, 0.1)
"""Strengths at which methods are compared, relative to the residual stream."""
SINGLES, RANDOMS = 5, 5
"""Draws of the methods that are random."""
METHOD_COLUMNS = ("model", "behavior", "method", *COLUMNS[2:])
"""Of `compare_methods`: those of a samples table and `method`, in which draws are numbered ("single 2", "random 5")."""

Material = StateDifferences | ContrastStates
"""What vectors of any method are made of: the differences of pairs, or the states of another contrast."""

_TRIES = 100
"""Seeds tried for each different pair that must be drawn."""


def method_vectors(
    differences: Material,
    methods: Sequence[str] | None = None,
    *,
    singles: int = SINGLES,
    randoms: int = RANDOMS,
    seed: int = 0,
) -> dict[str, SteeringVector]:
    """The vectors of several methods by name; those that draw are there several times, as "single 1", "single 2", ….

    Args:
        differences: the pairs' differences, or the states of another contrast.
        methods: names of `trimtab.vectors.AGGREGATIONS`; by default all that can be made of it, so no trained ones.
        singles: draws of a method that draws a pair, such as `single`, each of another pair; at most all pairs.
        randoms: draws of other methods that draw, such as `random`.
        seed: of the draws; each has a seed of its own, which its provenance names.

    Raises:
        SettingError: for an unknown method, or fewer than one draw.
        VectorError: when positive and negative states are the same everywhere.
    """
    if min(singles, randoms) < 1:
        raise SettingError(f"{singles} single pairs, {randoms} random directions: draw at least one, or leave them out")
    found: dict[str, SteeringVector] = {}
    for method in dict.fromkeys(possible_methods(differences.has_pairs) if methods is None else methods):
        aggregation = AGGREGATIONS.get(method)
        if not aggregation.draws:
            found[method] = differences.vector(method)
            continue
        of_pairs = _seeds_of_different_pairs(differences, aggregation, singles, seed)
        seeds = of_pairs if of_pairs is not None else range(seed, seed + randoms)
        found |= {f"{method} {i}": differences.vector(method, drawn) for i, drawn in enumerate(seeds, 1)}
    return found


def possible_methods(has_pairs: bool) -> list[str]:
    """Names of the methods that make a vector of the states of pairs, or of two lists without pairs.

    Trained methods are not among them: their vectors are no function of states, see `trimtab.extract`.
    """
    return [
        name
        for name in AGGREGATIONS.names()
        if not (found := AGGREGATIONS.get(name)).trained and (has_pairs or found.takes_sets)
    ]


def compare_methods(
    model: Model,
    differences: Material,
    select: Behavior,
    test: Behavior | None = None,
    *,
    methods: Sequence[str] | None = None,
    layers: str | Sequence[int] | None = None,
    strengths: str | Sequence[float] = STRENGTHS,
    positions: Positions = "all",
    gate: Gate | PromptGate | None = None,
    scoring: Scoring | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    singles: int = SINGLES,
    randoms: int = RANDOMS,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Sweep the vectors of several methods over the same cells and prompts, in one pass for each batch of prompts.

    Strengths are relative to the residual stream, so that every method pushes by the same length.

    Args:
        model: from `trimtab.load`.
        differences: from `read_differences`, those of the training part; or from `read_contrast`.
        select: prompts on which each method's layer is chosen.
        test: other prompts on which the methods are compared there.
        methods: names of `trimtab.vectors.AGGREGATIONS`; by default all that are not trained.
        layers: see `parse_layers`; every layer by default.
        strengths: relative, with both signs for a delta.
        positions: which tokens are steered.
        gate: push only tokens whose state opens it, or texts whose prompt does.
        scoring: as in `sweep`.
        balance: option orders of choice pairs; see `trimtab.data.present`.
        seed: of the draws, and for `balance="subsample"`.
        singles: how many pairs `single` draws.
        randoms: how many directions `random` draws.
        progress: called with (rows done, rows in all).

    Returns:
        `METHOD_COLUMNS`: the rows of each method are a samples table, unsteered rows included.

    Warns:
        TrimtabWarning: when prompts measured here went into the vectors.

    Raises:
        SettingError: for an unknown method, a layer out of range, or positions that steer nothing scored.
        VectorError: when the vectors do not fit the model, or there is no direction to find.
    """
    setting = SteeringSetting("relative", positions, gate=gate)
    grid = Grid(parse_layers(layers, model.facts.layers), parse_strengths(strengths), setting)
    how = resolve_scoring(select, scoring)
    parts = [("select", select), ("test", test)]
    _warn_of_shared_prompts(differences, parts)
    vectors = method_vectors(differences, methods, singles=singles, randoms=randoms, seed=seed)
    rows = shown_rows(parts, how, balance, seed)
    frames: list[pd.DataFrame] = []
    done = 0
    for name, frame in vectors_batches(model, vectors, rows, grid, how, select.name):
        frames.append(frame.assign(method=name))
        if progress and name == next(reversed(vectors)):
            done += len(frame) // (1 + len(grid.steered))
            progress(done, len(rows))
    table: pd.DataFrame = pd.concat(frames, ignore_index=True)[list(METHOD_COLUMNS)]
    return table


def count_vectors(singles: int = SINGLES, randoms: int = RANDOMS, *, has_pairs: bool = True) -> int:
    """How many vectors `method_vectors` makes of all methods, for plans; where there are pairs enough to draw from."""
    pair = Pair("", "", "a", "b")
    found = 0
    for name in possible_methods(has_pairs):
        aggregation = AGGREGATIONS.get(name)
        draws_pairs = aggregation.draws and aggregation.drawn_pair([pair], 0) is not None
        found += (singles if draws_pairs else randoms) if aggregation.draws else 1
    return found


def method_cosines(vectors: Mapping[str, SteeringVector]) -> pd.DataFrame:
    """Cosine of each vector with the mean's, layer by layer.

    Args:
        vectors: from `method_vectors`, `mean` among them.

    Returns:
        method, layer, depth, cosine (NaN where a vector is zero); without `mean` itself.

    Raises:
        SettingError: when `mean` is not among them.
    """
    if "mean" not in vectors:
        raise SettingError("cosines are taken with the mean's vector; have mean among the methods")
    mean = vectors["mean"]
    rows = [
        {"method": name, "layer": layer, "depth": (layer + 1) / mean.n_layers, "cosine": cosine}
        for name, vector in vectors.items()
        if name != "mean"
        for layer, cosine in enumerate(vector.cosine(mean).tolist())
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=["method", "layer", "depth", "cosine"])
    return table


def _seeds_of_different_pairs(
    differences: Material, aggregation: Aggregation, draws: int, seed: int
) -> list[int] | None:
    """The first seeds that draw different pairs, fewer than wanted where there are no more; None where none draws."""
    found: dict[str, int] = {}
    for tried in range(seed, seed + _TRIES * draws):
        pair = aggregation.drawn_pair(differences.pairs, tried)
        if pair is None:
            return None
        found.setdefault(pair.id, tried)
        if len(found) == draws:
            break
    return list(found.values())


def _warn_of_shared_prompts(differences: Material, parts: Sequence[tuple[str, Behavior | None]]) -> None:
    """Say when vectors are measured on prompts that they were made from."""
    if isinstance(differences, ContrastStates):
        asked = AskedTexts.of(differences.contrast)
        used = {prompt_key(pair) for _, part in parts for pair in part or () if asked.hold(pair.prompt)}
    else:
        used = {prompt_key(pair) for pair in differences.pairs}
    for name, part in parts:
        shared = sum(prompt_key(pair) in used for pair in part or ())
        if shared:
            warnings.warn(
                f"{shared} prompts of {name} went into the vectors: methods that fit their pairs closely look better "
                "there than they are; extract from another part of a split",
                TrimtabWarning,
                stacklevel=3,
            )
