"""Side effects: how far each cell shifts other behaviors, plain text and easy questions, and the intended behavior."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.cells import cell_scores
from trimtab.analysis.samples import records
from trimtab.stats.bootstrap import (
    LEVEL,
    Array,
    drawn_counts,
    drawn_means,
    drawn_spreads,
    percentiles,
    spread,
    weighted_mean,
)

EASY = "easy questions"
"""The measured behavior whose scores are of easy questions: above 0 the right answer is likelier."""
COUPLE = "couple"
"""Column of samples: prompts with the same text there are resampled together, as two questions are that have the same
two answers. Empty, or not there: each prompt on its own."""

SHIFTS = (
    "model", "behavior", "measured", "scale", "layers", "layer", "depth", "strength", "n", "shift", "shift_low",
    "shift_high",
)  # fmt: skip
SIDE_CELLS = (
    "model", "behavior", "scale", "layers", "layer", "depth", "strength", "intended", "intended_low", "intended_high",
    "side", "side_low", "side_high", "others", "worst", "worst_shift", "worst_low", "worst_high", "perplexity",
    "perplexity_low", "perplexity_high", "easy", "easy_low", "easy_high", "easy_before",
)  # fmt: skip
OWNER = ("model", "behavior", "measured")
CELL = ("layers", "layer", "depth", "strength")


def side_shifts(samples: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How far each cell moves each measured behavior, in standard deviations of that behavior's unsteered scores.

    One end at a time, unlike delta: a push that lowers a score both ways is a side effect too.

    Args:
        samples: the samples table with the column `measured`: whose prompts were scored, while `behavior` is whose
            vector steered. The strengths keep their sign.
        draws: bootstrap resamples of prompts (percentile, 95%).
        seed: of the resamples.

    Returns:
        The columns `SHIFTS`: a row for each steered cell and measured behavior, the vector's own included.
    """
    rows = [
        {**s.owner, **s.cell, "n": len(s.moved), **_interval("shift", s.mean, s.drawn)}
        for s in _shifts(samples, draws, seed)
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(SHIFTS))
    return table


def side_cells(samples: pd.DataFrame, neutral: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """The side-effect score of each cell beside its intended effect.

    `intended` is the shift of the vector's own behavior with the sign of the strength: above 0 is the intended
    direction. `side` is the root mean square of the shifts of the other behaviors, easy questions not among them, all
    in standard deviations of each one's unsteered scores. Noise alone makes a mean square larger than 0, so the squared
    standard error of each shift is subtracted first; where that is below 0 it is 0. `worst` is the behavior that moves
    most. `perplexity` is that of plain text divided by the unsteered model's; `easy` the share of easy questions whose
    right answer is likelier than the wrong one, `easy_before` that of the unsteered model.

    Args:
        samples: as `side_shifts`.
        neutral: columns model, behavior, layers, strength (0 unsteered), text, nll: nats per token of each text.
        draws: bootstrap resamples of prompts and of texts (percentile, 95%).
        seed: of the resamples.

    Returns:
        The columns `SIDE_CELLS`, a row for each steered cell.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    others: dict[tuple[Any, ...], list[_Shift]] = {}
    for shift in _shifts(samples, draws, seed):
        cell = (shift.cell["scale"], shift.cell["layers"], shift.cell["strength"])
        key = (shift.owner["model"], shift.owner["behavior"], *cell)
        row = found.setdefault(key, {"model": key[0], "behavior": key[1], **shift.cell})
        if shift.owner["measured"] == shift.owner["behavior"]:
            sign = np.sign(shift.cell["strength"])
            row |= _interval("intended", sign * shift.mean, sign * shift.drawn)
        elif shift.owner["measured"] != EASY:
            others.setdefault(key, []).append(shift)
    for key, shifts in others.items():
        found[key] |= _side(shifts)
    for key, values in _right(samples, draws, seed):
        found.get(key, {}).update(values)
    # Passages are of the one cell with their layers and strength; of cells of two scales, of that in the main scale.
    cells_of = Counter(key[:3] for key in found)
    main = {key[:2] + key[3:]: found[key] for key in sorted(found, key=lambda key: cells_of[key[:3]])}
    for key, values in _perplexity(neutral, draws, seed):
        main.get(key, {}).update(values)
    table: pd.DataFrame = pd.DataFrame(list(found.values())).reindex(columns=list(SIDE_CELLS))
    return table


class _Shift(NamedTuple):
    """One behavior as one cell moves it."""

    owner: dict[str, Any]
    cell: dict[str, Any]
    moved: Array
    """Of each prompt, in standard deviations of the unsteered scores: [n_prompts]."""
    mean: float
    drawn: Array
    """The mean of each resample in its own unit: [draws]."""
    error: float
    """Squared standard error of the mean."""


def _shifts(samples: pd.DataFrame, draws: int, seed: int) -> Iterator[_Shift]:
    """Every steered cell of every owner; without those whose scores leave no unit to measure in."""
    for _, mine in samples.groupby(list(OWNER), sort=False, observed=True):
        owner = records(mine.head(1)[list(OWNER)])[0]
        couples = _couples(mine)
        for scores in cell_scores(mine.drop(columns="measured")):
            for side, sign in ((scores.plus, 1), (scores.minus, -1)):
                for column, cell in enumerate(records(scores.cells)):
                    mask = np.isfinite(side[:, column]) & np.isfinite(scores.zero)
                    weight = scores.weight[mask]
                    deviation = spread(scores.zero[mask], weight)
                    if not deviation > 0:
                        continue
                    zero, moved = scores.zero[mask], (side[mask, column] - scores.zero[mask]) / deviation
                    # The same prompts in every cell, and others for every behavior.
                    rng = np.random.default_rng([seed, *str(owner["measured"]).encode()])
                    counts = drawn_counts(len(moved), draws, rng, _numbered(scores.prompts[mask], couples))
                    # The unit is measured on these few prompts too, so it is drawn with them.
                    unit = drawn_spreads(zero, weight, counts) / deviation
                    yield _Shift(
                        owner,
                        {"scale": scores.owner["scale"], **{name: cell[name] for name in CELL}}
                        | {"strength": sign * cell["strength"]},
                        moved,
                        weighted_mean(moved, weight),
                        drawn_means(moved, weight, counts) / unit,
                        float(moved.var(ddof=1) / len(moved)) if len(moved) > 1 else np.nan,
                    )


def _couples(samples: pd.DataFrame) -> dict[str, str]:
    """The couple of each prompt that has one, by its id."""
    if COUPLE not in samples.columns:
        return {}
    known = samples[samples[COUPLE].notna()]
    return dict(zip(known["prompt_id"].astype(str), known[COUPLE].astype(str), strict=True))


def _numbered(prompts: Iterable[str], couples: Mapping[str, str]) -> NDArray[np.int64]:
    """Number of each prompt's couple, in the order in which they come; of itself where it has none."""
    numbers: dict[tuple[str, str], int] = {}
    keys = ((COUPLE, couples[prompt]) if prompt in couples else ("prompt", prompt) for prompt in prompts)
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _side(shifts: Sequence[_Shift]) -> dict[str, Any]:
    shifts = [s for s in shifts if np.isfinite(s.mean) and np.isfinite(s.error)]
    if not shifts:
        return {"others": 0}
    means, errors = np.array([s.mean for s in shifts]), np.array([s.error for s in shifts])
    # A resample's mean is off by the data's error and by its own: twice the noise comes off.
    drawn = np.stack([s.drawn for s in shifts])
    squares = np.mean(drawn[:, np.isfinite(drawn).all(axis=0)] ** 2 - 2 * errors[:, None], axis=0)
    low, high = percentiles(np.sqrt(np.maximum(squares, 0)))
    worst = int(np.abs(means).argmax())
    return {
        "side": float(np.sqrt(max(np.mean(means**2 - errors), 0.0))),
        "side_low": low,
        "side_high": high,
        "others": len(shifts),
        "worst": shifts[worst].owner["measured"],
        "worst_shift": shifts[worst].mean,
        **dict(zip(("worst_low", "worst_high"), _widened(shifts[worst].drawn, len(shifts)), strict=True)),
    }


def _widened(drawn: Array, tried: int) -> tuple[float, float]:
    """The percentile interval of one of several numbers, at the level that holds for all of them together."""
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return float("nan"), float("nan")
    tail = 50 * (1 - LEVEL) / tried
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)


def _right(samples: pd.DataFrame, draws: int, seed: int) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Shares of easy questions answered right."""
    easy = samples[samples["measured"] == EASY]
    for (model, behavior), mine in easy.groupby(["model", "behavior"], sort=False, observed=True):
        right = (mine["score"] > 0).astype(float)
        before = float(right[mine["strength"] == 0].mean())
        couples, moved = _couples(mine), mine[mine["strength"] != 0]
        cells = moved.groupby(["scale", "layers", "strength"], sort=False, observed=True)
        for (scale, layers, strength), part in cells:
            values = right.loc[part.index].to_numpy()
            together = _numbered(part["prompt_id"].astype(str), couples)
            counts = drawn_counts(len(values), draws, np.random.default_rng(seed), together)
            found = _interval("easy", values.mean(), drawn_means(values, np.ones(len(values)), counts))
            yield (model, behavior, scale, layers, strength), {**found, "easy_before": before}


def _perplexity(neutral: pd.DataFrame, draws: int, seed: int) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Exp of the mean extra nats per token, texts weighing alike and drawn as a whole."""
    for (model, behavior), mine in neutral.groupby(["model", "behavior"], sort=False, observed=True):
        # Cells measured apart have unsteered rows of their own, which are the same.
        plain = mine[mine["strength"] == 0].drop_duplicates("text").set_index("text")["nll"].sort_index()
        moved = mine[mine["strength"] != 0]
        for (layers, strength), part in moved.groupby(["layers", "strength"], sort=False):
            extra = (part.set_index("text")["nll"].reindex(plain.index) - plain).to_numpy(float)
            extra = np.where(np.isfinite(extra), extra, np.inf)  # what is no number any more is the worst there is
            picks = np.random.default_rng(seed).integers(len(extra), size=(draws, len(extra)))
            found = _interval("perplexity", float(np.exp(extra.mean())), np.exp(extra[picks].mean(1)))
            if not np.isfinite(extra).all():
                found = dict.fromkeys(found, np.inf)
            yield (model, behavior, layers, strength), found


def _interval(name: str, value: float, drawn: Array) -> dict[str, float]:
    low, high = percentiles(drawn)
    return {name: float(value), f"{name}_low": low, f"{name}_high": high}
