"""Scores of imported items as the field states them: the mean probability of the matching answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.imported.item_matrices import CELL, OWNER, Subject, subjects
from trimtab.stats.bootstrap import Array, intervals

LITTLE = 0.5
"""Two answers that hold less than this of the probability are not what the model would say."""

SCORES = (
    *OWNER, "condition", "plain", *CELL, "crossed", "n", "n_scored", "n_without", "score_all", "score", "score_low",
    "score_high", "logits", "n_logits", "coverage", "little",
)  # fmt: skip
UNSCORED = (*OWNER, "prompt_id", "label", "why", "rows", "cells", "conditions")


def item_scores(items: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """The mean score of every cell under every condition.

    Args:
        items: A table with the columns `ITEMS`.
        draws: Bootstrap resamples of prompts.
        seed: Of the resamples.

    Returns:
        The columns `SCORES`. `n`: prompts; `n_scored`: those with a share; `n_without`: those whose matching answer has
        no column. `score`: mean share of the prompts that can be scored, with its 95% BCa interval. `score_all`: the
        same with 0 for prompts whose answer has no column, as in published scores (Rimsky et al. 2024). `logits`: mean
        log-odds of the `n_logits` prompts that have one. `coverage`: mean probability of the two answers together;
        `little`: share of prompts at which it is below one half. `crossed`: whether the cell was measured under several
        conditions, the plain one among them; of unsteered rows whether any was.
    """
    found = [row for subject in subjects(items) for row in _scores(subject, draws, seed)]
    table: pd.DataFrame = pd.DataFrame(found, columns=list(SCORES))
    return table


def unscored_items(items: pd.DataFrame) -> pd.DataFrame:
    """The prompts that have no score somewhere, and why: one row for each prompt and reason, columns `UNSCORED`."""
    found = []
    for subject in subjects(items):
        without = subject.items[subject.items["unscored"] != ""]
        for (prompt, why), rows in without.groupby(["prompt_id", "unscored"], sort=False):
            cells = rows.drop_duplicates(["scale", "positions", "layers", "strength", "condition"])
            labels = dict.fromkeys(str(label) for label in rows["label"] if label)
            conditions = dict.fromkeys(map(str, rows["condition"]))
            found.append(
                subject.owner
                | {"prompt_id": prompt, "label": ", ".join(labels), "why": why, "rows": len(rows)}
                | {"cells": len(cells), "conditions": ", ".join(conditions)}
            )
    table: pd.DataFrame = pd.DataFrame(found, columns=list(UNSCORED))
    return table


def by_mask(known: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], list[int]]]:
    """The columns of a mask [n_prompts, n_columns] that are alike, together, so that they share resamples."""
    groups: dict[bytes, list[int]] = {}
    for column in range(known.shape[1]):
        groups.setdefault(known[:, column].tobytes(), []).append(column)
    return [(known[:, columns[0]], columns) for columns in groups.values()]


def _scores(subject: Subject, draws: int, seed: int) -> list[dict[str, Any]]:
    share, odds = subject.by_prompt("share"), subject.by_prompt("score")
    together = subject.by_prompt("p_first") + subject.by_prompt("p_second")
    measured = ~np.isnan(subject.rows("weight"))
    asked = np.array([len(np.unique(subject.prompt[column])) for column in measured.T])
    without, weight = subject.without_column(), subject.prompt_weight
    ends = _intervals(share, weight, draws, seed)
    found = []
    for i, place in enumerate(subject.places):
        scored, known, held = (np.isfinite(values[:, i]) for values in (share, odds, together))
        row: dict[str, Any] = {
            "condition": place.condition, "plain": place.condition == subject.plain, **place.named,
            "crossed": subject.is_crossed(place), "n": int(asked[i]), "n_scored": int(scored.sum()),
            "n_without": int(without[:, i].sum()), "n_logits": int(known.sum()),
        }  # fmt: skip
        if scored.any():
            total = float(weight[scored] @ share[scored, i])
            row["score"] = total / float(weight[scored].sum())
            row["score_all"] = total / float(weight[scored | without[:, i]].sum())
            row["score_low"], row["score_high"] = ends[:, i]
        if known.any():
            row["logits"] = float(np.average(odds[known, i], weights=weight[known]))
        if held.any():
            row["coverage"] = float(np.average(together[held, i], weights=weight[held]))
            row["little"] = float(np.average(together[held, i] < LITTLE, weights=weight[held]))
        found.append(subject.owner | row)
    return found


def _intervals(values: Array, weight: Array, draws: int, seed: int) -> Array:
    """Both ends of the interval of each column's mean, over the rows that have a value: [2, n_columns]."""
    ends = np.full((2, values.shape[1]), np.nan)
    for mask, columns in by_mask(np.isfinite(values)):
        if mask.any():
            found, _ = intervals(values[mask][:, columns], (), weight[mask], draws=draws, seed=seed)
            ends[:, columns] = found.low, found.high
    return ends
