"""`side_effects`: what else a setting changes, and whether a random push of the same length does as much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd

from trimtab._util.callbacks import NamedProgress
from trimtab.data import Balance, Behavior
from trimtab.engines import Model, Scoring
from trimtab.errors import SettingError
from trimtab.notebook._given_study import run_given
from trimtab.notebook._one_setting import condition_setting, one_setting, setting_facts
from trimtab.notebook.measured_run import Measured
from trimtab.steering import DEFAULT_SCALE, Positions
from trimtab.vectors import SteeringVector


@dataclass(frozen=True, eq=False, repr=False)
class SideEffects(Measured):
    """What else a setting changes."""

    measure: ClassVar[str] = "side_effects"
    _plots: ClassVar[str] = "side_effects"

    @property
    def shifts(self) -> pd.DataFrame:
        """How far each measured behavior moves, with intervals."""
        return self._table("shifts")

    @property
    def cells(self) -> pd.DataFrame:
        """The intended effect beside all costs: other behaviors, easy questions, perplexity of plain text."""
        return self._table("side")

    @property
    def neutral(self) -> pd.DataFrame:
        """Replies to neutral prompts, summed up."""
        return self._table("neutral")

    @property
    def tasks(self) -> pd.DataFrame:
        """Metrics of harnesses' tasks, steered beside unsteered, with paired differences."""
        return self._table("tasks")

    @property
    def random(self) -> pd.DataFrame:
        """Effects of random directions of the same length, and of the vector."""
        return self._table("nulls")

    @property
    def random_tests(self) -> pd.DataFrame:
        """Whether the vector does more than they do."""
        return self._table("null_tests")

    def _facts(self) -> dict[str, str]:
        return setting_facts(self)


def side_effects(
    model: Model,
    vectors: SteeringVector,
    test: Behavior,
    *,
    layer: int | Sequence[int],
    strength: float,
    scale: str = DEFAULT_SCALE,
    positions: Positions = "all",
    first_token: bool = False,
    when: str | Path | Mapping[str, Any] | None = None,
    train: Behavior | None = None,
    measure: Sequence[str] | None = None,
    prompts: int = 16,
    random: int = 20,
    max_new_tokens: int = 48,
    tasks: Sequence[str] = (),
    task_limit: int = 100,
    scoring: Scoring | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    out: str | Path | None = None,
    progress: NamedProgress | bool = True,
) -> SideEffects:
    """Measure what else a setting changes: other behaviors, plain text, easy questions, neutral replies.

    The setting is given as to `model.steer`, so what was found can be passed on:
    `side_effects(model, vectors, test, train=train, **sweep.best().options)`. It is measured at both of its signs.

    Args:
        model: from `trimtab.load`.
        vectors: from `trimtab.extract`.
        test: prompts of the behavior that neither made the vector nor chose the setting.
        layer: one layer, or several that are steered together.
        strength: α.
        scale: what α means; see `trimtab.steering.scales`.
        positions: `all`, `after_prompt`, `prompt` or `generated`.
        first_token: whether to push the first token, the attention sink, too.
        when: push only texts whose prompt meets a condition: the file of a monitor, or
            `{"monitor": FILE, "above": 0.8, "reads": "mean"}`, as a study file has it.
        train: the pairs that the vector was made from; shuffled, they make half of the random directions.
        measure: other behaviors to measure, built-in names or files; a few built-in ones by default.
        prompts: how many prompts of each behavior.
        random: random directions of each of two kinds to compare the vector with; 0 for none.
        max_new_tokens: of each reply to a neutral prompt.
        tasks: of lm-eval or Inspect, such as `lm_eval:arc_easy`, or files of tasks.
        task_limit: samples of each task at most.
        scoring: as in `trimtab.sweep`.
        balance: as in `trimtab.sweep`.
        seed: of everything that is drawn.
        out: a run folder to keep; the same call resumes it. By default the run lives in memory only.
        progress: True: bars where somebody watches, in a terminal or a notebook; False: none; or what is called with
            (what, done, total).

    Raises:
        SettingError: for a layer out of range, a strength of 0, random directions without `train`, or parts that share
            prompts.
        VectorError: when the vectors are for a model of another shape.
    """
    if random and train is None:
        raise SettingError(
            "random directions are made from the pairs of the vector: give them as train=…, or leave the comparison "
            "out with random=0"
        )
    settings = one_setting(layer, strength, scale, positions, first_token) | condition_setting(when) | {
        "scoring": scoring, "balance": balance, "seed": seed,
        "side_effects": {
            "measure": measure, "prompts": prompts, "random": random, "max_new_tokens": max_new_tokens,
            "tasks": tuple(tasks), "task_limit": task_limit,
        },
    }  # fmt: skip
    run = run_given("side-effects", model, (train, None, test), settings, vectors=vectors, out=out, progress=progress)
    return SideEffects(run)
