"""`tune`: replies at every layer and strength, judged, and the setting to use each way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from trimtab._util.callbacks import NamedProgress
from trimtab._util.summaries import Summarized, Summary
from trimtab._util.wording import plural
from trimtab.analysis.formatting import signed_strength, with_interval
from trimtab.analysis.samples import records
from trimtab.data import Behavior
from trimtab.engines import Model
from trimtab.evaluation import Sweep
from trimtab.judges import JudgeSettings
from trimtab.monitors import PromptCondition
from trimtab.notebook._given_study import run_given
from trimtab.notebook._one_setting import condition_of_run, condition_setting
from trimtab.notebook.measured_run import Measured
from trimtab.steering import DEFAULT_SCALE, Positions, layers_label
from trimtab.study.measures.replies.settings import Search
from trimtab.study.run import Approve
from trimtab.vectors import SteeringVector

WAYS = {1: "toward", -1: "away"}


@dataclass(frozen=True, eq=False, repr=False)
class TunedSetting(Summarized):
    """A setting to use, and what the judged replies say of it."""

    layers: tuple[int, ...]
    """Steered together if several."""
    strength: float
    scale: str
    positions: Positions
    change: float
    """Mean change of the judge's score from the unsteered reply."""
    change_interval: tuple[float, float]
    """95% interval of the change."""
    prompts: int
    """How many judged prompts the numbers are of."""
    held_out: bool
    """Whether these are other prompts than those the setting was chosen on. If not, the numbers flatter it."""
    judge: str
    numbers: Mapping[str, Any]
    """Everything else in its row of `Tuning.settings`."""
    first_token: bool = False
    """Whether the first token, the attention sink, was pushed too."""
    condition: PromptCondition | None = None
    """The condition on the prompt under which was tuned; None: none."""

    @property
    def options(self) -> dict[str, Any]:
        """What `model.steer` takes, a `gate` among it where there is a condition on the prompt."""
        return self._pushed if self.condition is None else {**self._pushed, "gate": self.condition.gate}

    @property
    def check_options(self) -> dict[str, Any]:
        """What checks such as `trimtab.side_effects` take: as `options`, with `when` in place of a gate.

        Raises:
            SettingError: when the monitor's file holds another one by now.
            VectorError: when it is missing or damaged.
        """
        return self._pushed if self.condition is None else {**self._pushed, "when": self.condition.setting()}

    @property
    def _pushed(self) -> dict[str, Any]:
        return {
            "layer": self.layers[0] if len(self.layers) == 1 else self.layers, "strength": self.strength,
            "scale": self.scale, "positions": self.positions, "first_token": self.first_token,
        }  # fmt: skip

    def __str__(self) -> str:
        """One line for people."""
        layers = layers_label(self.layers)
        source = "held-out prompts" if self.held_out else "the prompts it was chosen on: optimistic"
        return (
            f"layer {layers}, strength {signed_strength(self.strength)} ({self.scale}): judged replies change by "
            f"{self._change} of 10, {plural(self.prompts, 'prompt')} ({source})"
        )

    @property
    def brief(self) -> str:
        """The setting and the change alone: "layer 17 at +0.3: +1.9 [0.9, 3.1]"."""
        return f"layer {layers_label(self.layers)} at {signed_strength(self.strength)}: {self._change}"

    @property
    def _change(self) -> str:
        plus = "+" if self.change > 0 else ""
        return plus + with_interval(self.change, *self.change_interval, decimals=1)

    def _summary(self) -> Summary:
        return Summary({"setting": str(self)})


@dataclass(frozen=True, eq=False, repr=False)
class Tuning(Measured):
    """Judged replies at every layer and strength."""

    condition: PromptCondition | None = None
    """The condition on the prompt under which was tuned; None: none."""
    measure: ClassVar[str] = "replies"
    _plots: ClassVar[str] = "tuning"

    @property
    def toward(self) -> TunedSetting | None:
        """The setting that moves replies the most toward the behavior while they stay usable; None if there is none.

        `why_not` says why there is none.
        """
        return self._setting(1)

    @property
    def away(self) -> TunedSetting | None:
        """The same away from the behavior."""
        return self._setting(-1)

    @property
    def why_not(self) -> dict[str, str]:
        """Why there is no setting `toward` or `away`, by way; empty where there are both."""
        return {WAYS[int(row["direction"])]: str(row["reason"]) for row in records(self._chosen) if row["reason"]}

    @property
    def settings(self) -> pd.DataFrame:
        """The setting to use each way by each judge, with all of its numbers."""
        return self._table("settings")

    @property
    def cells(self) -> pd.DataFrame:
        """What the judges say of every layer and strength, a row for each, by judge and split."""
        return self._table("cells")

    @property
    def replies(self) -> pd.DataFrame:
        """Every reply, with what was measured of it."""
        assert self.run.replies is not None
        return self.run.replies

    @property
    def judgements(self) -> pd.DataFrame:
        """Every judgement of a reply; empty without a judge."""
        found = self.run.judgements
        return pd.DataFrame() if found is None else found

    @property
    def sweep(self) -> Sweep:
        """The scores of the same prompts at the same layers and strengths."""
        return Sweep(self.run.samples)

    @property
    def _chosen(self) -> pd.DataFrame:
        """The settings by the judge that chooses."""
        speakers = self.results.speakers
        chosen: pd.DataFrame = speakers[0].settings if speakers else pd.DataFrame(columns=["direction", "reason"])
        return chosen

    def _setting(self, direction: int) -> TunedSetting | None:
        rows = [row for row in records(self._chosen) if row["direction"] == direction and not row["reason"]]
        if not rows:
            return None
        row = rows[0]
        return TunedSetting(
            layers=tuple(int(layer) for layer in str(row["layers"]).split("+")),
            strength=float(row["strength"]),
            scale=str(row["scale"]),
            positions=row["positions"],
            change=float(row["change"]),
            change_interval=(float(row["change_low"]), float(row["change_high"])),
            prompts=int(row["n"]),
            held_out=bool(row["held_out"]),
            judge=str(row["judge"]),
            numbers={name: value for name, value in row.items() if name != "run"},
            first_token=bool(self.run.manifest["settings"].get("first_token", False)),
            condition=self.condition,
        )

    def _facts(self) -> dict[str, str]:
        cells = self.run.replies
        tried = 0 if cells is None else len(cells[cells["strength"] != 0].drop_duplicates(["layers", "strength"]))
        replies = plural(0 if cells is None else len(cells), "reply", "replies")
        return {"tried": plural(tried, "setting"), "replies": replies}

    def _sentences(self) -> tuple[str, ...]:
        ways = (("toward", self.toward), ("away", self.away))
        found = (
            f"{way}: {setting.brief if setting else 'none, ' + self.why_not.get(way, 'that sign was not tried')}"
            for way, setting in ways
        )
        return "; ".join(found), *self.findings[:2]


def tune(
    model: Model,
    vectors: SteeringVector,
    select: Behavior,
    *,
    test: Behavior | None = None,
    train: Behavior | None = None,
    layers: str | Sequence[int] | Sequence[str] = "0.3:0.95",
    strengths: Sequence[float] = (-0.3, -0.2, -0.1, 0.1, 0.2, 0.3),
    scale: str = DEFAULT_SCALE,
    positions: Positions = "all",
    first_token: bool = False,
    when: str | Path | Mapping[str, Any] | None = None,
    judges: Sequence[str | Mapping[str, Any] | JudgeSettings] = ("classifier",),
    prompts: int = 16,
    max_new_tokens: int = 48,
    search: Search = "grid",
    min_coherence: float | None = None,
    dose: bool = True,
    diagnosis: bool | Mapping[str, Any] = False,
    side_effects: bool | Mapping[str, Any] = False,
    robustness: bool | Mapping[str, Any] = False,
    seed: int = 0,
    out: str | Path | None = None,
    approve: Approve = lambda cost: True,
    progress: NamedProgress | bool = True,
) -> Tuning:
    """Let the model reply at every layer and strength, have the replies judged, and find the setting to use each way.

    It is `trimtab tune` with a model and pairs that are there already.

    Args:
        model: from `trimtab.load`.
        vectors: from `trimtab.extract`.
        select: prompts by which the setting is chosen; none of those the vector was made from.
        test: other prompts on which the chosen settings are reported.
        train: the pairs that the vector was made from. Judges learn from all pairs that are given, these included; the
            checks of side effects and robustness need them.
        layers: see `trimtab.evaluation.parse_layers`.
        strengths: α, each with its sign.
        scale: what α means; see `trimtab.steering.scales`.
        positions: `all`, `after_prompt`, `prompt` or `generated`.
        first_token: whether to push the first token, the attention sink, too.
        when: push only texts whose prompt meets a condition: the file of a monitor, or
            `{"monitor": FILE, "above": 0.8, "reads": "mean"}`, as a study file has it.
        judges: as in a study file: `"classifier"`, `{"pattern": "(?i)great"}`, `{"model": "openai/gpt-4o-mini"}`; the
            first that can judge the behavior chooses.
        prompts: how many prompts choose, and at most as many others report.
        max_new_tokens: of each reply.
        search: `grid`: every setting replies to every prompt; `halving`: each round drops the worse half.
        min_coherence: mean coherence, out of 10, that a setting to use must have.
        dose: whether to measure how far each setting moves the model on neutral prompts.
        diagnosis: whether to diagnose the pairs as well, or settings of that; `trimtab.report` shows all in one page.
        side_effects: the same for side effects at the chosen settings.
        robustness: the same for robustness at the chosen settings.
        seed: of everything that is drawn.
        out: a run folder to keep; the same call resumes it. By default the run lives in memory only.
        approve: called with what judging by a service would cost at most, before anything is spent; False stops.
        progress: True: bars where somebody watches, in a terminal or a notebook; False: none; or what is called with
            (what, done, total).

    Raises:
        SettingError: for a layer out of range, an unknown scale or judge, or parts that share prompts.
        RunError: when the cost is not approved, or `out` holds something else.
        VectorError: when the vectors are for a model of another shape.
    """
    settings = {
        "layers": layers, "strengths": list(strengths), "scale": scale, "positions": positions,
        "first_token": first_token, "dose": dose, **condition_setting(when),
        "replies": {
            "behaviors": [select.name], "prompts": prompts, "max_new_tokens": max_new_tokens, "search": search,
            "judges": list(judges), **({} if min_coherence is None else {"min_coherence": min_coherence}),
        },
        "diagnosis": diagnosis, "side_effects": side_effects, "robustness": robustness, "seed": seed,
    }  # fmt: skip
    conditions = []

    def keep_condition(folder: Path) -> None:
        conditions.append(condition_of_run(folder, lasting=out is not None))

    run = run_given(
        "tuning", model, (train, select, test), settings, vectors=vectors, out=out, progress=progress, approve=approve,
        finished=keep_condition,
    )  # fmt: skip
    return Tuning(run, *conditions)
