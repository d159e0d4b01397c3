"""Arms of a comparison: a change of the prompt, a push along a vector, both, or neither, and what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from trimtab.analysis.baselines.arm_names import PLAIN, ArmKind
from trimtab.data import Balance, Behavior, Pair, easy_questions
from trimtab.engines import Model, Scoring
from trimtab.evaluation.grid import Grid
from trimtab.evaluation.sweeping import Row, shown_rows, sweep_batches, unsteered_batches
from trimtab.steering import Cell, Intervention, require_fit
from trimtab.vectors import SteeringVector

Change = Callable[[Pair], Pair]
"""Asks a pair in another way."""


@dataclass(frozen=True, eq=False)
class Push:
    """A vector at one setting."""

    vector: SteeringVector
    grid: Grid
    """With one steered cell; of a calibrated scale with its strength found."""

    @property
    def cell(self) -> Cell:
        """Its layers and strength."""
        (cell,) = self.grid.steered
        return cell

    def intervention(self, model: Model) -> Intervention:
        """What steers a model so."""
        return self.grid.intervention(require_fit(self.vector, model.backbone), self.cell)


@dataclass(frozen=True, eq=False)
class Arm:
    """One thing that a user could do."""

    name: str
    kind: ArmKind
    side: str
    """`for` or `against` the behavior; `plain` for the model as it is."""
    at: str = ""
    """Of a push, what chose its strength: `best` or `equal dose`."""
    wording: str = ""
    """The text that is added to the prompt."""
    place: str = ""
    """Where it stands: `system message` or `user message`."""
    change: Change | None = None
    push: Push | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The columns that tell arms apart."""
        return {"arm": self.name, "kind": self.kind, "side": self.side, "at": self.at, "wording": self.wording}

    def asked(self, behavior: Behavior) -> Behavior:
        """The pairs as this arm asks them; ids stay, so that prompts compare one by one."""
        return behavior if self.change is None else replace(behavior, pairs=tuple(map(self.change, behavior)))

    def asked_one(self, pair: Pair) -> Pair:
        """One pair as this arm asks it."""
        return pair if self.change is None else self.change(pair)


THE_MODEL = Arm(PLAIN, "plain", PLAIN)
"""The model as it is."""


def arm_samples(
    model: Model,
    arm: Arm,
    parts: Sequence[tuple[str, Behavior]],
    scoring: Scoring,
    *,
    behavior: str,
    balance: Balance = "both_orders",
    seed: int = 0,
) -> pd.DataFrame:
    """Scores of some prompts under one arm: the samples table with the columns `arm`, `kind`, `side`, `at`, `wording`.

    Args:
        model: from `trimtab.load`.
        arm: what is done to get the behavior.
        parts: (split, pairs as they are without the arm).
        scoring: how pairs are scored.
        behavior: name for the table.
        balance: option orders of choice pairs; see `trimtab.data.present`.
        seed: for `balance="subsample"`.

    Raises:
        PromptError: when the model's chat template refuses what the arm asks, or leaves a part of it out.
    """
    rows = shown_rows([(split, arm.asked(part)) for split, part in parts], scoring, balance, seed)
    table: pd.DataFrame = pd.concat(list(_frames(model, arm, rows, scoring, behavior)), ignore_index=True)
    labelled: pd.DataFrame = table.assign(**arm.labels)
    return labelled


def _frames(model: Model, arm: Arm, rows: Sequence[Row], scoring: Scoring, behavior: str) -> Iterator[pd.DataFrame]:
    if arm.push is None:
        yield from unsteered_batches(model, rows, scoring, behavior)
        return
    for _, frame in sweep_batches(model, arm.push.vector, rows, arm.push.grid, scoring, behavior):
        yield frame[frame["strength"] != 0]


def easy_arm_samples(model: Model, arm: Arm, count: int, *, behavior: str) -> pd.DataFrame:
    """Scores of the first bundled easy questions under one arm; above 0 the right answer is the likelier one."""
    return arm_samples(model, arm, [("test", first_easy(count))], "text", behavior=behavior)


def first_easy(count: int) -> Behavior:
    """Easy questions, two by two with the same two answers, right in one and wrong in the other."""
    questions = easy_questions()
    first = [frozenset((pair.positive, pair.negative)) for pair in questions]
    couples = sorted(questions, key=lambda pair: first.index(frozenset((pair.positive, pair.negative))))
    return replace(questions, pairs=tuple(couples[:count]))
