"""What each arm costs: its dose, the tokens that it adds, and the time of a request."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pandas as pd

from trimtab.data import Form, Pair
from trimtab.evaluation.baselines.arm_doses import added_tokens, milliseconds
from trimtab.evaluation.baselines.arms import THE_MODEL, Arm
from trimtab.study.measures.context import Context

_TIMED_AS_THE_VECTOR = ("other vector", "control")
"""Kinds of arms that are not timed: a push takes as long along one direction as along another."""


def cost_table(
    context: Context,
    prompts: Sequence[Pair],
    form: Form,
    arms: Sequence[Arm],
    dose: Callable[[Arm], float],
    at_rest: Callable[[], AbstractContextManager[Any]],
) -> pd.DataFrame:
    """Dose, tokens and milliseconds of some arms, a row each; the plain model's time is measured beside them.

    Args:
        context: The model and the behavior.
        prompts: Prompts to ask.
        form: How they are asked.
        arms: The arms.
        dose: Measures the dose of one.
        at_rest: Makes a context within which an adapter rests, where the model has one.
    """
    model, subject = context.model, context.subject
    timed = [arm for arm in arms if arm.kind not in _TIMED_AS_THE_VECTOR]
    plain, *times = milliseconds(model, [THE_MODEL, *timed], prompts, form, at_rest) if timed else [math.nan]
    took = dict(zip(timed, times, strict=True))
    rows = []
    for arm in arms:
        cell = None if arm.push is None else arm.push.cell
        grid = subject.grid if arm.push is None else arm.push.grid
        rows.append(
            {
                "model": subject.model, "behavior": subject.name, "engine": model.engine.name, **arm.labels,
                "place": arm.place, "layers": cell.layers_label if cell else "", "scale": grid.scale,
                "strength": cell.strength if cell else 0.0, "positions": grid.positions, "kl": dose(arm),
                "added_tokens": added_tokens(model, arm, prompts, form),
                "milliseconds": took.get(arm, math.nan), "plain_milliseconds": plain,
            }
        )  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows)
    return table
