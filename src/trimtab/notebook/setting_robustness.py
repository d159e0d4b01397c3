"""`robustness`: how much of the effect is left under other prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd

from trimtab._util.callbacks import NamedProgress
from trimtab._util.wording import plural
from trimtab.data import Balance, Behavior
from trimtab.engines import Model, Scoring
from trimtab.notebook._given_study import run_given
from trimtab.notebook._one_setting import condition_setting, one_setting, setting_facts
from trimtab.notebook.measured_run import Measured
from trimtab.steering import DEFAULT_SCALE, Positions
from trimtab.vectors import SteeringVector


@dataclass(frozen=True, eq=False, repr=False)
class Robustness(Measured):
    """How much of the effect is left under other prompts."""

    measure: ClassVar[str] = "robustness"
    _plots: ClassVar[str] = "robustness"

    @property
    def variants(self) -> pd.DataFrame:
        """The effect in every variant of the prompts, and the share of the plain effect that is left."""
        return self._table("table")

    def _facts(self) -> dict[str, str]:
        return setting_facts(self) | {"variants": plural(len(self.variants), "variant")}


def robustness(
    model: Model,
    vectors: SteeringVector,
    test: Behavior,
    *,
    train: Behavior,
    layer: int | Sequence[int],
    strength: float,
    scale: str = DEFAULT_SCALE,
    positions: Positions = "all",
    first_token: bool = False,
    when: str | Path | Mapping[str, Any] | None = None,
    prompts: int | None = None,
    transfer: Sequence[str] = (),
    translations: bool = True,
    scoring: Scoring | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    out: str | Path | None = None,
    progress: NamedProgress | bool = True,
) -> Robustness:
    """Measure the effect of a setting under paraphrases, system prompts, earlier turns, option orders and other pairs.

    The setting is given as to `model.steer`, so what was found can be passed on:
    `robustness(model, vectors, test, train=train, **sweep.best().options)`. It is measured at both of its signs.

    Args:
        model: from `trimtab.load`.
        vectors: from `trimtab.extract`.
        test: prompts of the behavior that neither made the vector nor chose the setting.
        train: the pairs that the vector was made from; some become earlier turns.
        layer: one layer, or several that are steered together.
        strength: α.
        scale: what α means; see `trimtab.steering.scales`.
        positions: `all`, `after_prompt`, `prompt` or `generated`.
        first_token: whether to push the first token, the attention sink, too.
        when: push only texts whose prompt meets a condition: the file of a monitor, or
            `{"monitor": FILE, "above": 0.8, "reads": "mean"}`, as a study file has it.
        prompts: how many prompts.
        transfer: other behaviors whose scores the same vector should move, built-in names or files.
        translations: whether to ask a built-in behavior in its other languages.
        scoring: as in `trimtab.sweep`.
        balance: as in `trimtab.sweep`.
        seed: of everything that is drawn.
        out: a run folder to keep; the same call resumes it. By default the run lives in memory only.
        progress: True: bars where somebody watches, in a terminal or a notebook; False: none; or what is called with
            (what, done, total).

    Raises:
        SettingError: for a layer out of range, a strength of 0, or parts that share prompts.
        VectorError: when the vectors are for a model of another shape.
    """
    asked = {"transfer": list(transfer), "translations": translations}
    settings = one_setting(layer, strength, scale, positions, first_token) | condition_setting(when) | {
        "scoring": scoring, "balance": balance, "seed": seed,
        "robustness": asked if prompts is None else {**asked, "prompts": prompts},
    }  # fmt: skip
    run = run_given("robustness", model, (train, None, test), settings, vectors=vectors, out=out, progress=progress)
    return Robustness(run)
