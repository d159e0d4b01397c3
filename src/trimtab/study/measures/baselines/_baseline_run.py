"""The arms of one behavior in a loaded model: made, chosen, scored, dosed and timed."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from trimtab.analysis.baselines.arm_names import (
    BEST,
    CANDIDATE,
    COMBINED,
    CONTRARY,
    PLAIN,
    SIDES,
    SYSTEM_PROMPT,
)
from trimtab.analysis.baselines.choosing import chosen_wording
from trimtab.errors import DataError, SettingError, TrimtabError, TrimtabWarning
from trimtab.evaluation import Grid, calibrated, neutral_texts
from trimtab.evaluation.baselines.arm_doses import NeutralStates, arm_dose, neutral_states
from trimtab.evaluation.baselines.arms import Arm, Push, arm_samples, easy_arm_samples
from trimtab.evaluation.baselines.prompt_arms import few_shot_arm, system_arm
from trimtab.evaluation.baselines.vector_arms import Candidate, Choosing, best_arms, candidate_samples, dosed_arms
from trimtab.evaluation.dose import find_strengths
from trimtab.models import PromptError, Text
from trimtab.steering import Cell
from trimtab.store.cached_tables import TableName
from trimtab.study.measures.baselines._arm_costs import cost_table
from trimtab.study.measures.baselines._chosen_settings import chosen_settings, vector_scores
from trimtab.study.measures.baselines._comparison import GIVEN, Comparison, joined
from trimtab.study.measures.baselines._other_vectors import other_vector
from trimtab.study.measures.context import Context
from trimtab.vectors import SteeringVector


@dataclass(eq=False)
class BaselineRun:
    """The arms of one behavior in one model; what one table needs of another is computed once."""

    context: Context
    compared: Comparison

    def __post_init__(self) -> None:
        """Nothing is known yet."""
        self._vector_arms: dict[str, list[Arm]] = {}
        self._candidates: dict[str, tuple[Candidate, pd.DataFrame] | None] = {}
        self._vectors: dict[str, SteeringVector] = {}

    # What each arm is.

    @cached_property
    def wordings(self) -> list[Arm]:
        """Every system prompt that the model can be given; one that it cannot is left out, with a warning."""
        compared, found = self.compared, []
        for side, texts in compared.texts.items():
            for text in texts:
                try:
                    found.append(system_arm(self.context.model, text, side, compared.test_prompts[0], compared.form))
                except (PromptError, SettingError) as error:
                    self.left_out("system prompt", error)
        if moved := [arm for arm in found if arm.place == "user message" and self._has_system_role]:
            self.say(
                f"the chat template has no place for a system message, so {len(moved)} system prompts stand in the "
                "first user message"
            )
        return found

    @property
    def _has_system_role(self) -> bool:
        """Whether the user wants system prompts in a message of their own."""
        return self.context.model.asking.system_role == "system"

    def system_arms(self) -> list[Arm]:
        """The wording of each side that does most on the prompts that choose."""
        if not self.compared.is_scored:
            # No score chooses among the wordings, and judging all of them would cost: the first of each side stands.
            first = {arm.side: arm for arm in reversed(self.wordings)}
            return list(first.values())
        scores = self.scores_of(SYSTEM_PROMPT)
        chosen = {side: chosen_wording(scores, side) for side in SIDES}
        return [arm for arm in self.wordings if arm.wording == chosen[arm.side]]

    def few_shot_arms(self) -> list[Arm]:
        """The demonstrations, answered toward the behavior and against it."""
        compared = self.compared
        return [few_shot_arm(compared.shots, side, compared.form) for side in SIDES] if compared.shots else []

    def choose_vector_arms(self, method: str) -> list[Arm]:
        """Choose a vector's best setting and its setting at the reference dose; none where the method refuses."""
        self._vector_arms[method] = self._made_vector_arms(method)
        return self._vector_arms[method]

    def vector_arms(self, method: str) -> list[Arm]:
        """A vector at the settings that were chosen, which a run that resumes reads from its own scores."""
        if method not in self._vector_arms:
            try:
                self._vector_arms[method] = self._stored_vector_arms(method)
            except TrimtabError as error:
                self.left_out(f"the method {method}", error)
                self._vector_arms[method] = []
        return self._vector_arms[method]

    def _stored_vector_arms(self, method: str) -> list[Arm]:
        settings = chosen_settings(self.stored("scores", vector_scores(method)))
        if not settings:
            return []
        vector, grid = self._vector(method), self.context.subject.grid
        known = grid.alphas if method == self.compared.method else None
        return [arm for one in settings if (arm := one.arm(vector, grid, known, self._calibrated)) is not None]

    def _calibrated(self, vector: SteeringVector, grid: Grid) -> Mapping[Cell, float]:
        """The strengths that give cells of a vector their doses."""
        return find_strengths(self.context.model, vector, grid, grid.steered, self.neutral_texts)

    def _made_vector_arms(self, method: str) -> list[Arm]:
        made = self._candidate(method)
        if made is None:
            return []
        candidate, samples = made
        arms = best_arms(candidate, samples)
        try:
            dosed = dosed_arms(
                self.context.model, candidate, samples, self.reference_doses, self.neutral_texts, self._choosing
            )
        except TrimtabError as error:
            self.left_out(f"{candidate.name} at equal dose", error)
            return arms
        reached = {arm.side for arm in dosed}
        for side, dose in self.reference_doses.items():
            if side not in reached:
                self.say(f"{candidate.name} has no strength of {dose:.3g} nats {side} it, so none at equal dose")
        return [*arms, *dosed]

    def combined_arms(self) -> list[Arm]:
        """The system prompt with the study's vector in the same direction, and the vector for it under one against."""
        own = self.vector_arms(self.compared.method)
        return self.combined(
            self.system_arms(), {arm.side: arm.push for arm in own if arm.at == BEST and arm.push is not None}
        )

    def combined(self, system_prompts: Sequence[Arm], pushes: Mapping[str, Push]) -> list[Arm]:
        """System prompts together with pushes, by side."""
        prompts = {arm.side: arm for arm in system_prompts}
        both = [
            replace(prompts[side], name=COMBINED, kind="both", at=BEST, push=pushes[side])
            for side in SIDES
            if side in pushes and side in prompts
        ]
        if "for" in pushes and "against" in prompts:
            contrary = replace(
                prompts["against"], name=CONTRARY, kind="contrary", side="for", at=BEST, push=pushes["for"]
            )
            both.append(contrary)
        return both

    # Vectors to choose from.

    def _candidate(self, method: str) -> tuple[Candidate, pd.DataFrame] | None:
        if method not in self._candidates:
            self._candidates[method] = self._own() if method == self.compared.method else self._other(method)
        return self._candidates[method]

    def _own(self) -> tuple[Candidate, pd.DataFrame]:
        """The study's vector, whose cells the sweep has scored."""
        context, subject = self.context, self.context.subject
        folder = subject.folder
        assert folder is not None
        samples = folder.samples()
        asked = [pair.id for pair in self.compared.select]
        mine = samples[
            (samples["model"] == subject.model)
            & (samples["behavior"] == subject.name)
            & (samples["split"] == "select")
            & samples["prompt_id"].isin(asked)
        ]
        return Candidate(self.own_name, "vector", context.vector, subject.grid), mine

    @property
    def own_name(self) -> str:
        """The name of the study's vector: its method, unless the study was given it."""
        folder = self.context.subject.folder
        assert folder is not None
        return GIVEN if folder.manifest().vectors_given else self.compared.method

    def _other(self, method: str) -> tuple[Candidate, pd.DataFrame] | None:
        """The vector of another method, swept over the prompts that choose; None where it refuses."""
        try:
            vector = self._vector(method)
            grid = self._grid_for(vector)
            kind = "control" if self.compared.is_control(method) else "other vector"
            candidate = Candidate(method, kind, vector, grid)  # type: ignore[arg-type]
            return candidate, candidate_samples(self.context.model, candidate, self._choosing)
        except TrimtabError as error:
            self.left_out(f"the method {method}", error)
            return None

    def _vector(self, method: str) -> SteeringVector:
        """The study's own vector, or that of another method."""
        if method == self.compared.method:
            return self.context.vector
        if method not in self._vectors:
            self._vectors[method] = other_vector(self.context, self.compared, method)
        return self._vectors[method]

    def _grid_for(self, vector: SteeringVector) -> Grid:
        """The cells of the sweep; where strengths are doses, calibrated for this vector."""
        grid = self.context.subject.grid
        return (
            calibrated(self.context.model, vector, replace(grid, alphas=None), self.neutral_texts)
            if grid.is_calibrated
            else grid
        )

    @property
    def _choosing(self) -> Choosing:
        study = self.context.subject.study
        return Choosing(self.compared.select, self.context.subject.scoring, study.balance, study.seed)

    # What is measured.

    @cached_property
    def neutral_texts(self) -> list[Text]:
        """Neutral prompts and what the model says to them."""
        return neutral_texts(self.context.model)

    @cached_property
    def neutral(self) -> NeutralStates | None:
        """The plain model on neutral prompts; None where the engine does not give its states."""
        try:
            return neutral_states(self.context.model)
        except SettingError as error:
            self.left_out("the dose of prompts", error)
            return None

    @cached_property
    def reference_doses(self) -> dict[str, float]:
        """The dose at which vectors are compared, by side: that of the settings, of the system prompt, or few-shot."""
        if self.compared.settings.dose is not None:
            return dict.fromkeys(SIDES, self.compared.settings.dose)
        arms = {arm.side: arm for arm in (*self.few_shot_arms(), *self.system_arms())}
        doses = {side: self.dose(arm) for side, arm in arms.items()}
        # To four digits: it names a setting, and may differ in its last ones where it is measured again.
        return {side: float(f"{dose:.4g}") for side, dose in doses.items() if math.isfinite(dose)}

    def scores(self, name: str, arms: Sequence[Arm], parts: Sequence[str] = ("test",)) -> pd.DataFrame:
        """Scores of some arms on some parts; an arm that the model refuses is left out, with a warning."""
        subject, study = self.context.subject, self.context.subject.study
        found: list[pd.DataFrame] = []
        for arm in arms:
            try:
                found.append(
                    arm_samples(
                        self.context.model, arm, [part for part in self.compared.parts if part[0] in parts],
                        subject.scoring, behavior=subject.name, balance=study.balance, seed=study.seed,
                    )
                )  # fmt: skip
            except DataError as error:
                self.left_out(name, error)
        return joined(found)

    def candidates(self, method: str) -> pd.DataFrame:
        """The scores that chose the setting of another method's vector, for the record."""
        made = self._candidate(method)
        if made is None or method == self.compared.method:
            nothing: pd.DataFrame = pd.DataFrame()
            return nothing
        candidate, samples = made
        steered = samples[samples["strength"] != 0]
        sides = steered["strength"].map(lambda strength: "for" if strength > 0 else "against")
        labels = {"arm": candidate.name, "kind": candidate.kind, "at": CANDIDATE, "wording": ""}
        found: pd.DataFrame = steered.assign(side=sides, **labels)
        return found

    def easy(self, name: str, arms: Sequence[Arm]) -> pd.DataFrame:
        """Scores of the easy questions under some arms."""
        found: list[pd.DataFrame] = []
        for arm in arms:
            try:
                count = self.compared.settings.easy
                found.append(easy_arm_samples(self.context.model, arm, count, behavior=self.context.subject.name))
            except DataError as error:
                self.left_out(f"easy questions under {name}", error)
        return joined(found)

    def costs(
        self, arms: Sequence[Arm], at_rest: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> pd.DataFrame:
        """Dose, tokens and milliseconds of some arms, a row each; with `at_rest` an adapter rests."""
        return cost_table(self.context, list(self.compared.test), self.compared.form, arms, self.dose, at_rest)

    def dose(self, arm: Arm) -> float:
        """The dose of an arm; NaN where it is not known, with a warning."""
        if self.neutral is None:
            return math.nan
        try:
            return arm_dose(self.context.model, arm, self.neutral)
        except TrimtabError as error:
            self.left_out(f"the dose of {arm.name}", error)
            return math.nan

    def scores_of(self, about: str) -> pd.DataFrame:
        """The table of scores of an earlier unit, with the plain model's."""
        return pd.concat([self.stored("scores", PLAIN), self.stored("scores", about)], ignore_index=True)

    def stored(self, table: str, about: str) -> pd.DataFrame:
        """A table of an earlier unit."""
        subject = self.context.subject
        name = TableName("baselines", table, subject.model, subject.name, (about,))
        found = self.context.folder.table(str(name))
        assert found is not None, f"{name} is computed before what needs it"
        return found

    def left_out(self, what: str, error: TrimtabError) -> None:
        reason = error.problems[0] if isinstance(error, DataError) else str(error)
        self.say(f"{what} is left out: {reason}")

    def say(self, text: str) -> None:
        warnings.warn(f"baselines of {self.context.subject.name}: {text}", TrimtabWarning, stacklevel=3)
