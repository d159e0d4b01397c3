"""Effect sizes: how far a cell moves the scores, as delta and in standard deviations (Glass's Δ)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.cells import GROUP, CellScores, cell_scores
from trimtab.analysis.samples import present
from trimtab.errors import SettingError
from trimtab.stats.bootstrap import intervals, spread
from trimtab.stats.significance import sign_flip

Denominator = Literal["unsteered", "negative", "pooled"]
"""Whose standard deviation Δ divides by: the unsteered scores, those at −α, or those at −α and +α together."""

MEASURES = (
    "n", "mean_minus", "mean_zero", "mean_plus", "compared", "delta", "delta_low", "delta_high",
    "p", "p_adjusted", "tests", "sd_zero", "sd_minus", "sd_plus", "denominator", "glass", "glass_low", "glass_high",
    "glass_unsteered", "glass_negative", "cohen_d",
)  # fmt: skip
_WORDS = {*GROUP, "layers", "compared", "denominator"}


def effects(
    samples: pd.DataFrame,
    *,
    denominator: Denominator = "unsteered",
    mirrored: bool | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Effect of every cell: a row for each model, behavior, split, scale, positions, scoring, layers and α.

    delta is the mean score at +α minus the mean at −α. If any cell of the table was run at one sign of its strength
    only, no delta of the table is of both: each is then the change from unsteered to +α, or where only −α was run from
    −α to unsteered. `compared` says which ("−α to +α", "0 to +α", "−α to 0"); a table never mixes the first with the
    others, so that its effects compare.

    Glass's Δ (Glass 1976) is delta over a standard deviation (ddof 1): by default that of the unsteered scores.
    `glass_unsteered` and `glass_negative` are Δ by both customs, whichever was asked for, because published numbers
    use either. `cohen_d` divides by the root mean square of the standard deviations of the two ends that delta
    compares (d_av of Lakens 2013). NaN where the scores to divide by do not vary, or were not run.

    Intervals are 95% BCa bootstraps over prompts. The same prompts are drawn for every cell of a
    group, and the spread is drawn with them. The splits are never mixed. `p` is a paired sign-flip test of delta,
    `p_adjusted` the same corrected for all `tests` cells of the group (see `significance.sign_flip`).

    Args:
        samples: The samples table.
        denominator: What Δ divides by.
        mirrored: Whether deltas go from −α to +α; by default as `cells.is_mirrored` says of this table.
        draws: Bootstrap resamples.
        seed: Seed of the resamples; the result does not depend on what else is in the table.

    Returns:
        Columns: engine, model, behavior, split, scoring, scale, positions, layers, layer, depth, strength (α
        > 0), n (prompts) and the rest of `MEASURES`; and first `run` where the samples have it. In the order of the
        samples, then by layer and strength.

    Raises:
        SettingError: For an unknown denominator, or a table without the columns of samples.
        DataError: For rows that are there twice.
    """
    if denominator not in get_args(Denominator):
        raise SettingError(f"Δ divides by {', '.join(get_args(Denominator))}; not by {denominator!r}")
    tables = [_group_effects(scores, denominator, draws, seed) for scores in cell_scores(samples, mirrored)]
    columns = [*present(samples, GROUP), "layers", "layer", "depth", "strength", *MEASURES]
    if not tables:
        empty: pd.DataFrame = pd.DataFrame({n: pd.Series(dtype=str if n in _WORDS else float) for n in columns})
        return empty
    result: pd.DataFrame = pd.concat(tables, ignore_index=True).reindex(columns=columns)
    return result


def _group_effects(scores: CellScores, denominator: Denominator, draws: int, seed: int) -> pd.DataFrame:
    complete = scores.complete
    results: list[dict[str, Any]] = [{} for _ in range(len(scores.cells))]
    for mask, columns in _by_mask(complete):
        measured = _measure(scores, mask, columns, denominator, draws, seed)
        for column, values in zip(columns, measured, strict=True):
            results[column] = values
    difference = np.where(complete, scores.upper - scores.lower, np.nan)
    p, adjusted = sign_flip(difference, scores.weight, seed=seed)
    table: pd.DataFrame = pd.concat([scores.cells, pd.DataFrame(results)], axis=1)
    result: pd.DataFrame = table.assign(
        **scores.owner,
        compared=scores.compared,
        denominator=denominator,
        p=p,
        p_adjusted=adjusted,
        tests=int(complete.any(axis=0).sum()),
    )
    return result


def _by_mask(complete: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.bool_], list[int]]]:
    """Cells that were measured on the same prompts, together: usually all, so that they share resamples."""
    groups: dict[bytes, list[int]] = {}
    for column in range(complete.shape[1]):
        groups.setdefault(complete[:, column].tobytes(), []).append(column)
    for columns in groups.values():
        yield complete[:, columns[0]], columns


def _measure(
    scores: CellScores, mask: NDArray[np.bool_], columns: list[int], denominator: Denominator, draws: int, seed: int
) -> list[dict[str, Any]]:
    """Numbers of cells that were measured on the same prompts."""
    if not mask.any():
        return [{"n": 0} for _ in columns]
    weight, zero = scores.weight[mask], scores.zero[mask]
    upper, lower = scores.upper[mask][:, columns], scores.lower[mask][:, columns]
    plus, minus = scores.plus[mask][:, columns], scores.minus[mask][:, columns]
    share = weight / weight.sum()
    delta = share @ (upper - lower)
    ends = {"unsteered": (zero[:, None],), "negative": (scores.negative[mask][:, columns],), "pooled": (lower, upper)}[
        denominator
    ]
    known = all(bool(np.isfinite(values).all()) for values in ends)
    by_delta, by_glass = intervals(upper - lower, ends if known else (), weight, draws=draws, seed=seed)
    sd_zero = spread(zero, weight)
    found = []
    for i, column in enumerate(columns):
        sd_lower, sd_upper = spread(lower[:, i], weight), spread(upper[:, i], weight)
        sd_minus = spread(minus[:, i], weight) if scores.has_minus[column] else np.nan
        sd_plus = spread(plus[:, i], weight) if scores.has_plus[column] else np.nan
        pooled = float(np.sqrt((sd_lower**2 + sd_upper**2) / 2))
        divisor = {"unsteered": sd_zero, "negative": sd_minus, "pooled": pooled}[denominator]
        usable = bool(divisor > 0)
        found.append(
            {
                "n": int(mask.sum()),
                "mean_plus": float(share @ plus[:, i]) if scores.has_plus[column] else np.nan,
                "mean_minus": float(share @ minus[:, i]) if scores.has_minus[column] else np.nan,
                "mean_zero": float(share @ zero),
                "delta": float(delta[i]),
                "delta_low": float(by_delta.low[i]),
                "delta_high": float(by_delta.high[i]),
                "sd_zero": sd_zero,
                "sd_minus": sd_minus,
                "sd_plus": sd_plus,
                "glass": _ratio(delta[i], divisor),
                "glass_low": float(by_glass.low[i]) if usable else np.nan,
                "glass_high": float(by_glass.high[i]) if usable else np.nan,
                "glass_unsteered": _ratio(delta[i], sd_zero),
                "glass_negative": _ratio(delta[i], sd_minus),
                "cohen_d": _ratio(delta[i], pooled),
            }
        )
    return found


def _ratio(value: Any, divisor: float) -> float:
    return float(value / divisor) if divisor > 0 else float("nan")
