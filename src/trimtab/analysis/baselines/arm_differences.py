"""Paired differences between arms over the same prompts, with intervals and a correction for how many are compared."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from trimtab.analysis.baselines.arm_effects import Matrix, interval_of, matrices
from trimtab.analysis.baselines.arm_names import (
    ARM,
    BEST,
    COMBINED,
    CONTRARY,
    EQUAL_DOSE,
    FEW_SHOT,
    FINE_TUNED,
    SIDES,
    SYSTEM_PROMPT,
)
from trimtab.analysis.baselines.choosing import toward
from trimtab.analysis.samples import records
from trimtab.stats.bootstrap import weighted_mean
from trimtab.stats.significance import sign_flip

ARM_DIFFERENCES = (
    "model", "behavior", "scoring", "side", "question", "arm", "at", "other", "other_at", "n", "difference",
    "difference_low", "difference_high", "p", "p_adjusted", "tests",
)  # fmt: skip
"""`difference`: effect of `arm` minus effect of `other`, prompt by prompt."""

LEAD, DOSED, METHODS, METHODS_DOSED, CONTROLS, ADDS, RESISTS = (
    "which wins", "at equal dose", "methods", "methods at equal dose", "random", "adds to the prompt",
    "resists a contrary prompt",
)  # fmt: skip
"""What a difference answers."""


class _Pair(NamedTuple):
    question: str
    one: int
    other: int


EQUAL_WITHIN = 0.05
"""Share by which the doses of two arms may differ that are compared at equal dose."""


def arm_differences(
    scores: pd.DataFrame, arms: pd.DataFrame | None = None, *, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """The differences between arms that answer a question, toward each side.

    Compared are the system prompt, the few-shot prompt, the study's vector at its best and fine-tuning, each with each;
    the vector at equal dose with those that are no vectors, where their measured doses are equal (to 5%); other methods
    and random directions with the vector, at equal dose under the same condition; prompt and vector together with each
    alone; and the vector under a contrary prompt with that prompt alone.

    Args:
        scores: The table `baselines/scores`.
        arms: The table `baselines/arms`: doses. Without it nothing is compared at equal dose.
        draws: Bootstrap resamples of prompts, for BCa intervals.
        seed: Of the resamples and of the sign flips.

    Returns:
        The columns `ARM_DIFFERENCES`. `p_adjusted` is corrected for all differences of the model, behavior and side by
        the step-free max-T of sign flips (Westfall and Young 1993, section 2.2).
    """
    rows = []
    doses = _doses(arms)
    for matrix in matrices(scores):
        for side in SIDES:
            rows += list(_differences(matrix, side, doses, draws, seed))
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(ARM_DIFFERENCES))
    return table


_SETTING = ("model", "behavior", *ARM, "layers", "strength")


def _doses(arms: pd.DataFrame | None) -> dict[tuple[object, ...], float]:
    """The dose of each arm at its setting, in nats."""
    if arms is None or arms.empty:
        return {}
    return {tuple(row[name] for name in _SETTING): float(row["kl"]) for row in records(arms)}


def _equally_dosed(matrix: Matrix, pair: _Pair, doses: dict[tuple[object, ...], float]) -> bool:
    one, other = (
        doses.get(tuple({**matrix.owner, **matrix.arms[place]}[name] for name in _SETTING), math.nan)
        for place in (pair.one, pair.other)
    )
    return other > 0 and abs(one / other - 1) <= EQUAL_WITHIN


def _differences(
    matrix: Matrix, side: str, doses: dict[tuple[object, ...], float], draws: int, seed: int
) -> Iterator[dict[str, Any]]:
    pairs = [
        pair
        for pair in _pairs(matrix, side)
        if pair.question not in (DOSED, METHODS_DOSED) or _equally_dosed(matrix, pair, doses)
    ]
    if not pairs:
        return
    sign = toward(side)
    found = np.stack([sign * (matrix.scores[:, p.one] - matrix.scores[:, p.other]) for p in pairs], axis=1)
    p, adjusted = sign_flip(found, matrix.weight, seed=seed)
    for i, pair in enumerate(pairs):
        known = np.isfinite(found[:, i])
        low, high = interval_of(found[:, i], matrix.weight, draws, seed)
        one, other = matrix.arms[pair.one], matrix.arms[pair.other]
        yield {
            **matrix.owner, "side": side, "question": pair.question, "arm": one["arm"], "at": one["at"],
            "other": other["arm"], "other_at": other["at"], "n": int(known.sum()),
            "difference": weighted_mean(found[known, i], matrix.weight[known]) if known.any() else math.nan,
            "difference_low": low, "difference_high": high, "p": p[i], "p_adjusted": adjusted[i], "tests": len(pairs),
        }  # fmt: skip


def _pairs(matrix: Matrix, side: str) -> Iterator[_Pair]:
    vector = _of_kind(matrix, "vector", side, BEST)
    dosed = _of_kind(matrix, "vector", side, EQUAL_DOSE)
    rivals = [matrix.place(SYSTEM_PROMPT, side), matrix.place(FEW_SHOT, side), matrix.place(FINE_TUNED, side)]
    leading = [place for place in (rivals[0], *vector, *rivals[1:]) if place is not None]
    for one, other in combinations(leading, 2):
        yield _Pair(LEAD, one, other)
    for own in dosed:
        for other in (place for place in rivals if place is not None):
            yield _Pair(DOSED, own, other)
    for question, at, owns in ((METHODS, BEST, vector), (METHODS_DOSED, EQUAL_DOSE, dosed)):
        for own in owns:
            for other in _of_kind(matrix, "other vector", side, at):
                yield _Pair(question, other, own)
    for own in vector:
        for other in _of_kind(matrix, "control", side, BEST):
            yield _Pair(CONTROLS, own, other)
    combined = matrix.place(COMBINED, side, BEST)
    for alone in (rivals[0], *vector):
        if combined is not None and alone is not None:
            yield _Pair(ADDS, combined, alone)
    contrary, prompt = matrix.place(CONTRARY, side, BEST), matrix.place(SYSTEM_PROMPT, "against")
    if contrary is not None and prompt is not None:
        yield _Pair(RESISTS, contrary, prompt)


def _of_kind(matrix: Matrix, kind: str, side: str, at: str) -> list[int]:
    wanted = (kind, side, at)
    return [place for place, arm in enumerate(matrix.arms) if (arm["kind"], arm["side"], arm["at"]) == wanted]
