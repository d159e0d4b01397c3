"""Ways to make a vector of the same pairs, compared: each at every layer and strength, in one sweep."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from trimtab.data import Balance, Behavior
from trimtab.data.seeded import prompt_key
from trimtab.engines import Model, Scoring
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation.grid import Grid, parse_layers, parse_strengths
from trimtab.evaluation.samples import COLUMNS
from trimtab.evaluation.sweeping import Progress, resolve_scoring, shown_rows, vectors_batches
from trimtab.steering import Positions
from trimtab.vectors import METHODS, KeptDifferences, Method, SteeringVector

STRENGTHS = (-0.1, 0.1)
"""At which methods are compared, relative to the residual stream."""
SINGLES, RANDOMS = 5, 5
"""How many draws stand for a method that draws."""
METHOD_COLUMNS = ("model", "behavior", "method", *COLUMNS[2:])
"""Of `compare_methods`: those of a samples table and `method`, in which draws are numbered ("single 2", "random 5")."""

_TRIES = 100
"""Seeds tried for each different pair that is to be drawn."""


def method_vectors(
    kept: KeptDifferences,
    methods: Sequence[Method] = METHODS,
    *,
    singles: int = SINGLES,
    randoms: int = RANDOMS,
    seed: int = 0,
) -> dict[str, SteeringVector]:
    """The vectors of several methods by name; those that draw are there several times, as "single 1", "single 2", ….

    Args:
        kept: the pairs' differences.
        methods: which.
        singles: how many different pairs `single` draws; all of them where there are no more.
        randoms: how many directions `random` draws.
        seed: of the draws; each has a seed of its own, which its provenance names.

    Raises:
        SettingError: for an unknown method, or fewer than one draw.
        VectorError: when positive and negative states are the same everywhere.
    """
    if min(singles, randoms) < 1:
        raise SettingError(f"{singles} single pairs, {randoms} random directions: draw at least one, or leave them out")
    found: dict[str, SteeringVector] = {}
    for method in dict.fromkeys(methods):
        if method == "single":
            seeds = _seeds_of_different_pairs(kept, singles, seed)
            found |= {f"single {i}": kept.vector(method, drawn) for i, drawn in enumerate(seeds, 1)}
        elif method == "random":
            found |= {f"random {i}": kept.vector(method, seed + i - 1) for i in range(1, randoms + 1)}
        else:
            found[method] = kept.vector(method)
    return found


def compare_methods(
    model: Model,
    kept: KeptDifferences,
    select: Behavior,
    test: Behavior | None = None,
    *,
    methods: Sequence[Method] = METHODS,
    layers: str | Sequence[int] | None = None,
    strengths: str | Sequence[float] = STRENGTHS,
    positions: Positions = "all",
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
        kept: from `keep_differences`; those of the training part.
        select: prompts on which each method's layer is chosen.
        test: other prompts on which the methods are compared there.
        methods: which.
        layers: see `parse_layers`; every layer by default.
        strengths: relative, with both signs for a delta.
        positions: which tokens are steered.
        scoring: as in `sweep`.
        balance: option orders of choice pairs; see `trimtab.data.show`.
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
    grid = Grid(parse_layers(layers, model.facts.layers), parse_strengths(strengths), "relative", positions)
    how = resolve_scoring(select, scoring)
    parts = [("select", select), ("test", test)]
    _warn_of_shared_prompts(kept, parts)
    vectors = method_vectors(kept, methods, singles=singles, randoms=randoms, seed=seed)
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


def _seeds_of_different_pairs(kept: KeptDifferences, draws: int, seed: int) -> list[int]:
    """The first seeds that draw different pairs; fewer than asked for where there are no more pairs."""
    found: dict[str, int] = {}
    for tried in range(seed, seed + _TRIES * draws):
        found.setdefault(kept.drawn(tried).id, tried)
        if len(found) == draws:
            break
    return list(found.values())


def _warn_of_shared_prompts(kept: KeptDifferences, parts: Sequence[tuple[str, Behavior | None]]) -> None:
    """Say when vectors are measured on prompts that they were made from."""
    used = {prompt_key(pair) for pair in kept.pairs}
    for name, part in parts:
        shared = sum(prompt_key(pair) in used for pair in part or ())
        if shared:
            warnings.warn(
                f"{shared} prompts of {name} went into the vectors: methods that fit their pairs closely look better "
                "there than they are; extract from another part of a split",
                TrimtabWarning,
                stacklevel=3,
            )
