"""`baselines`: the vector beside system prompts, few-shot prompts, other vectors and fine-tuning."""

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
from trimtab.notebook._one_setting import condition_setting
from trimtab.notebook.measured_run import Measured
from trimtab.steering import Positions


@dataclass(frozen=True, eq=False, repr=False)
class BaselineComparison(Measured):
    """What else than the vector would get a behavior, and at what dose and cost."""

    measure: ClassVar[str] = "baselines"
    _plots: ClassVar[str] = "baselines"

    @property
    def arms(self) -> pd.DataFrame:
        """Every arm: its effect with interval, its dose, what it costs a request."""
        return self._table("effects")

    @property
    def differences(self) -> pd.DataFrame:
        """The paired differences between arms, with intervals and corrected p."""
        return self._table("differences")

    def _facts(self) -> dict[str, str]:
        return {"arms": plural(self.arms["arm"].nunique(), "arm")}


def baselines(
    model: Model,
    train: Behavior,
    select: Behavior,
    test: Behavior,
    *,
    layers: str | Sequence[int] | None = None,
    strengths: Sequence[float] = (-0.2, -0.1, 0.1, 0.2),
    scale: str = "relative",
    positions: Positions = "all",
    first_token: bool = False,
    when: str | Path | Mapping[str, Any] | None = None,
    method: str = "mean",
    methods: Sequence[str] = ("mean", "pca", "lda", "random"),
    asked_for: Sequence[str] = (),
    asked_against: Sequence[str] = (),
    shots: int = 4,
    dose: float | None = None,
    easy: int = 40,
    lora: bool = False,
    lora_rank: int = 4,
    lora_steps: int = 30,
    scoring: Scoring | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    out: str | Path | None = None,
    progress: NamedProgress | bool = True,
) -> BaselineComparison:
    """Compare the vector with what else one could do: system prompts, demonstrations, other vectors, fine-tuning.

    The vector is made of `train` and swept; its setting, those of other methods and the wording of the system prompt
    are chosen on `select`; all arms are compared on `test`.

    Args:
        model: from `trimtab.load`.
        train: the pairs that vectors are made from, demonstrations drawn from, and an adapter trained on.
        select: pairs that choose settings and wordings.
        test: pairs that report.
        layers: see `trimtab.sweep`; every layer by default.
        strengths: α, each with both signs.
        scale: what α means; see `trimtab.steering.scales`.
        positions: `all`, `after_prompt`, `prompt` or `generated`.
        first_token: whether to push the first token, the attention sink, too.
        when: push only texts whose prompt meets a condition: the file of a monitor, or
            `{"monitor": FILE, "above": 0.8, "reads": "mean"}`, as a study file has it.
        method: how the vector is made.
        methods: other methods to compare with, names of `trimtab.vectors.AGGREGATIONS`.
        asked_for: system prompts that ask for the behavior; by default made from its description.
        asked_against: system prompts that ask against it.
        shots: training pairs that the few-shot prompt shows; 0 for none.
        dose: nats at which vectors are compared; by default the dose of the system prompt.
        easy: easy questions that are asked under every arm.
        lora: whether to fine-tune an adapter, which needs `trimtab[lora]`.
        lora_rank: its rank.
        lora_steps: steps of its training.
        scoring: as in `trimtab.sweep`.
        balance: as in `trimtab.sweep`.
        seed: of everything that is drawn.
        out: a run folder to keep; the same call resumes it. By default the run lives in memory only.
        progress: True: bars where somebody watches, in a terminal or a notebook; False: none; or what is called with
            (what, done, total).

    Raises:
        SettingError: for a behavior without description or texts, more demonstrations than pairs, a layer out of range,
            or parts that share prompts.
    """
    settings = {
        "layers": layers if layers is None or isinstance(layers, str) else ",".join(map(str, layers)),
        "strengths": list(strengths), "scale": scale, "positions": positions, "first_token": first_token,
        **condition_setting(when),
        "method": method, "scoring": scoring, "balance": balance, "seed": seed,
        "baselines": {
            "methods": list(methods), "asked_for": list(asked_for), "asked_against": list(asked_against),
            "shots": shots, "dose": dose, "easy": easy, "lora": lora, "lora_rank": lora_rank, "lora_steps": lora_steps,
        },
    }  # fmt: skip
    run = run_given("baselines", model, (train, select, test), settings, out=out, progress=progress)
    return BaselineComparison(run)
