"""A prompt, a vector, and both: paired differences between the arms of imported results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.imported.item_matrices import CELL, OWNER, UNITS, UNSTEERED_CELL, Place, Subject, Unit, subjects
from trimtab.stats.bootstrap import intervals
from trimtab.stats.significance import sign_flip

ARMS = ("neither", "prompt", "vector", "both")
"""Without a prompt and unsteered; under the condition and unsteered; without a prompt and steered; both."""
CONTRASTS: Mapping[str, tuple[int, int, int, int]] = {
    "prompt − neither": (-1, 1, 0, 0),
    "vector − neither": (-1, 0, 1, 0),
    "both − neither": (-1, 0, 0, 1),
    "both − prompt": (0, -1, 0, 1),
    "both − vector": (0, 0, -1, 1),
    "vector − prompt": (0, -1, 1, 0),
    "both − prompt − vector + neither": (1, -1, -1, 1),
}
"""What is subtracted, as weights of `ARMS`; the last is the interaction: what both do beyond the sum of the two."""
COLUMNS = (
    *OWNER, "condition", *CELL, "unit", "contrast", "n", "difference", "difference_low", "difference_high", "p",
    "p_adjusted", "tests", *ARMS,
)  # fmt: skip


def condition_contrasts(items: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Paired differences between the arms of each condition and cell that was measured under it and without it.

    Intervals are 95% BCa bootstraps over prompts, the same prompts drawn for all contrasts of a cell. `p` is of a
    paired sign-flip test, `p_adjusted` the same corrected for all `tests` contrasts of the model, behavior and unit
    (max-T).

    Args:
        items: A table with the columns `ITEMS`.
        draws: Bootstrap resamples.
        seed: Of the resamples and the tests.

    Returns:
        The columns `COLUMNS`, a row for each condition, cell, unit and contrast. `unit`: share (of the probability) or
        logits. The columns `ARMS` are the mean of each arm on the `n` prompts that have a score in all four.
    """
    found: list[dict[str, Any]] = []
    for subject in subjects(items):
        for unit in UNITS:
            found += _of_unit(subject, unit, draws, seed)
    table: pd.DataFrame = pd.DataFrame(found, columns=list(COLUMNS))
    return table


def _of_unit(subject: Subject, unit: Unit, draws: int, seed: int) -> list[dict[str, Any]]:
    values = subject.by_prompt(UNITS[unit])
    column = {place: i for i, place in enumerate(subject.places)}
    signs = np.array(list(CONTRASTS.values()), dtype=float).T
    found: list[dict[str, Any]] = []
    differences = []
    for place in subject.places:
        if place.condition == subject.plain or place.cell not in subject.crossed:
            continue
        arms = [
            Place(subject.plain, UNSTEERED_CELL),
            Place(place.condition, UNSTEERED_CELL),
            Place(subject.plain, place.cell),
            place,
        ]
        if not all(arm in column for arm in arms):
            continue
        scores = values[:, [column[arm] for arm in arms]]
        known = np.asarray(np.isfinite(scores).all(axis=1))
        if not known.any():
            continue
        weight = subject.prompt_weight[known]
        mean = weight @ scores[known] / weight.sum()
        difference = scores @ signs
        interval, _ = intervals(difference[known], (), weight, draws=draws, seed=seed)
        differences.append(np.where(known[:, None], difference, np.nan))
        for i, name in enumerate(CONTRASTS):
            found.append(
                subject.owner
                | {"condition": place.condition, "unit": unit, "contrast": name, "n": int(known.sum())}
                | place.named
                | dict(zip(ARMS, map(float, mean), strict=True))
                | {"difference": float(mean @ signs[:, i])}
                | {"difference_low": float(interval.low[i]), "difference_high": float(interval.high[i])}
            )
    if found:
        p, adjusted = sign_flip(np.concatenate(differences, axis=1), subject.prompt_weight, seed=seed)
        for row, one, other in zip(found, p, adjusted, strict=True):
            row |= {"p": float(one), "p_adjusted": float(other), "tests": len(found)}
    return found
