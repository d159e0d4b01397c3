"""Selection optimism of a layer that was chosen on the prompts it is reported on: the choice repeated on halves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.cells import CellScores, cell_scores, is_mirrored
from trimtab.analysis.formatting import percent
from trimtab.analysis.imported.item_matrices import OWNER, UNITS, Unit
from trimtab.analysis.samples import COLUMNS as SAMPLES
from trimtab.stats.bootstrap import Array, drawn_counts, intervals

OWN, JOINT = "own", "joint"
"""The cell with the largest delta of the behavior itself, or on average over all behaviors of the model."""
MIN_PROMPTS = 4
CHOICES = (
    *OWNER, "scale", "positions", "unit", "rule", "behaviors", "n", "candidates", "layers", "strength", "compared",
    "delta", "delta_low", "delta_high", "chosen_half", "held_out", "split_optimism", "optimism", "corrected", "same",
    "picked",
)  # fmt: skip


def split_choice(items: pd.DataFrame, *, splits: int = 1000, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """What choosing a layer on the reported prompts adds to its effect, under the plain condition.

    The prompts are split into halves at random, `splits` times; the cell with the largest delta is chosen on one half
    and measured on the other. With fewer prompts a choice is worse and its optimism larger, so that of all prompts is
    estimated as well: by how much the best of a resample exceeds the same cell on the prompts resampled from (Efron &
    Gong 1983, section 7).

    Args:
        items: A table with the columns `ITEMS`.
        splits: Random halves.
        draws: Bootstrap resamples.
        seed: Of both.

    Returns:
        The columns `CHOICES`, a row for each behavior, unit and rule (`own`; `joint` where a model has several
        behaviors). `delta` with its interval is the chosen cell's on all `n` prompts. On average over the splits,
        `chosen_half` is the delta on the half that chose, `held_out` that of the same cell on the other half, and
        `split_optimism` their difference. `optimism` is of the choice on all prompts, `corrected` is delta − optimism.
        `same`: share of splits that choose the cell that all prompts choose; `picked`: the layers chosen and how often.
    """
    plain = items[items["plain"].astype(bool)]
    held_out = plain["split"] == "test"
    rows = plain[held_out] if held_out.any() else plain
    found: list[dict[str, Any]] = []
    for unit, column in UNITS.items():
        samples = rows.assign(score=rows[column])[list(SAMPLES)]
        if not (samples["strength"] != 0).any():
            continue
        matrices = [m for m in cell_scores(samples, is_mirrored(samples)) if m.complete.any()]
        fields = [field for field in map(_Field.of, matrices) if field is not None]
        for field in fields:
            found += _rows([field], unit, OWN, splits, draws, seed)
        for group in _groups(fields):
            if len(group) > 1 and (aligned := _aligned(group)):
                found += _rows(aligned, unit, JOINT, splits, draws, seed)
    table: pd.DataFrame = pd.DataFrame(found, columns=list(CHOICES))
    return table


class _Field:
    """The deltas of one behavior: of the prompts that were measured in all cells, by cell."""

    def __init__(self, scores: CellScores, cells: pd.DataFrame, difference: Array, weight: Array):
        self.owner, self.cells, self.difference, self.weight = scores.owner, cells, difference, weight
        self.scores = scores

    @classmethod
    def of(cls, scores: CellScores) -> _Field | None:
        """The field; None where fewer than `MIN_PROMPTS` prompts were measured in all cells, or there is one cell."""
        wanted: NDArray[np.bool_] = np.asarray(scores.complete.any(axis=0))
        mask = scores.complete[:, wanted].all(axis=1)
        if mask.sum() < MIN_PROMPTS or wanted.sum() < 2:
            return None
        cells = scores.cells[wanted].assign(compared=scores.compared[wanted]).reset_index(drop=True)
        return cls(scores, cells, (scores.upper - scores.lower)[mask][:, wanted], scores.weight[mask])

    def at(self, cells: pd.DataFrame) -> _Field:
        """The same, of these cells only, in their order."""
        own = pd.MultiIndex.from_frame(self.cells[["layers", "strength"]])
        order = own.get_indexer(pd.MultiIndex.from_frame(cells[["layers", "strength"]]))
        return _Field(
            self.scores, self.cells.iloc[order].reset_index(drop=True), self.difference[:, order], self.weight
        )


def _groups(fields: Sequence[_Field]) -> list[list[_Field]]:
    """The fields of each model, engine, scoring, scale and positions."""
    names = ("run", "engine", "model", "scoring", "scale", "positions")
    groups: dict[tuple[str, ...], list[_Field]] = {}
    for field in fields:
        groups.setdefault(tuple(str(field.owner.get(name, "")) for name in names), []).append(field)
    return list(groups.values())


def _aligned(fields: Sequence[_Field]) -> list[_Field]:
    """The fields on the cells that all of them have; none where these are fewer than two."""
    shared = fields[0].cells
    for field in fields[1:]:
        shared = shared.merge(field.cells[["layers", "strength", "compared"]], on=["layers", "strength", "compared"])
    return [field.at(shared) for field in fields] if len(shared) > 1 else []


def _rows(fields: Sequence[_Field], unit: Unit, rule: str, splits: int, draws: int, seed: int) -> list[dict[str, Any]]:
    """A row for each field, with the cell that is best on average over all of them."""
    halves = [_halves(field, splits, seed + i) for i, field in enumerate(fields)]
    picks = np.mean([first for first, _ in halves], axis=0).argmax(axis=1)
    original = [field.weight @ field.difference / field.weight.sum() for field in fields]
    chosen = int(np.mean(original, axis=0).argmax())
    drawn = [_resampled(field, draws, seed + i) for i, field in enumerate(fields)]
    best = np.mean(drawn, axis=0).argmax(axis=1)
    names = fields[0].cells["layers"].astype(str).to_numpy()
    layers, counts = np.unique(names[picks], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    picked = ", ".join(f"{layers[i]} ({percent(counts[i] / splits)})" for i in order[:5])
    found = []
    for field, mean, (first, second), means in zip(fields, original, halves, drawn, strict=True):
        interval, _ = intervals(field.difference[:, [chosen]], (), field.weight, draws=draws, seed=seed)
        each = np.arange(splits)
        here, there = float(first[each, picks].mean()), float(second[each, picks].mean())
        optimism = float((means[np.arange(len(means)), best] - mean[best]).mean())
        cell = field.cells.iloc[chosen]
        found.append(
            {name: field.owner[name] for name in (*OWNER, "scale", "positions")}
            | {"unit": unit, "rule": rule, "behaviors": len(fields), "n": len(field.weight)}
            | {"candidates": len(field.cells), "layers": str(cell["layers"]), "strength": float(cell["strength"])}
            | {"compared": str(cell["compared"]), "delta": float(mean[chosen])}
            | {"delta_low": interval.low[0], "delta_high": interval.high[0]}
            | {"chosen_half": here, "held_out": there, "split_optimism": here - there, "optimism": optimism}
            | {"corrected": float(mean[chosen]) - optimism, "same": float((picks == chosen).mean()), "picked": picked}
        )
    return found


def _halves(field: _Field, splits: int, seed: int) -> tuple[Array, Array]:
    """Mean deltas of each random half and of the other: two of [splits, n_cells]."""
    n = len(field.weight)
    ranks = np.random.default_rng(seed).random((splits, n)).argsort(axis=1).argsort(axis=1)
    chosen = (ranks < n // 2).astype(float) * field.weight
    others = field.weight - chosen
    means = [part @ field.difference / part.sum(axis=1, keepdims=True) for part in (chosen, others)]
    return means[0], means[1]


def _resampled(field: _Field, draws: int, seed: int) -> Array:
    """Mean deltas of each resample: [draws, n_cells]."""
    weight = drawn_counts(len(field.weight), draws, np.random.default_rng(seed)) * field.weight
    means: Array = weight @ field.difference / weight.sum(axis=1, keepdims=True)
    return means
