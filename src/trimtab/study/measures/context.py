"""What measures work with in a run: one model, one behavior, its vectors, and the settings that were chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from trimtab.analysis import best_cells, effects
from trimtab.data import Behavior
from trimtab.engines import Model, Scoring
from trimtab.errors import RunError
from trimtab.evaluation import Grid, form_of
from trimtab.models import ExamplePosition, PromptError
from trimtab.steering import SCALES, layers_label
from trimtab.store.cached_tables import CachedTables
from trimtab.store.run_folder import RunFolder
from trimtab.study.measures.base import ChosenSetting, Subject
from trimtab.study.measures.grids import grid_key, narrowed
from trimtab.study.measures.scores.sweep_rows import SweepSharing
from trimtab.vectors import (
    ContrastStates,
    StateDifferences,
    SteeringVector,
    read_contrast,
    read_differences,
    require_pairs_position,
)

Progress = Callable[[str, int, int], None]
"""(what is being done, done, total)."""


@dataclass(frozen=True, eq=False)
class RunSubject(Subject):
    """A behavior as its vectors were extracted and swept in a model."""

    loaded: Model | None = None
    folder: RunFolder | None = None
    swept: Grid | None = None
    """None where nothing was swept."""
    recommended: Grid | None = None
    """The setting that judged replies recommend, at both signs as far as both were tried; None where there is none."""

    @property
    def grid(self) -> Grid:
        """The cells of the sweep."""
        if self.swept is None:
            raise RunError(f"{self.name}: nothing was swept, so there is no cell to measure")
        return self.swept

    def chosen(self) -> list[ChosenSetting]:
        """The best cell by scores, and where the run recommends another one by replies that one too.

        A vector is used at the recommended setting, so numbers from elsewhere do not describe its use.
        """
        best, recommended = self._best, self.recommended
        if recommended is None:
            return [ChosenSetting("scores", best)]
        if recommended.scale == best.scale and set(recommended.steered) == set(best.steered):
            return [ChosenSetting("scores and replies", best)]
        return [ChosenSetting("scores", best), ChosenSetting("replies", recommended)]

    def obstacle(self, behavior: Behavior, scoring: Scoring) -> str:
        """Why the model cannot be asked these pairs."""
        assert self.loaded is not None
        try:
            self.loaded.encode(behavior.pairs, form_of(scoring))
        except PromptError as error:
            return error.problems[0]
        return ""

    @cached_property
    def _best(self) -> Grid:
        """The grid with its best cell only, at both signs as far as both were swept."""
        assert self.folder is not None
        grid = self.grid
        samples = self.folder.samples()
        mine = samples[(samples["model"] == self.model) & (samples["behavior"] == self.name)]
        # No intervals: only the choice is needed. It is of these samples alone, whatever else comes into the run later.
        cells = best_cells(effects(mine, draws=0))
        if cells.empty:
            raise RunError(f"{self.folder.path}: {self.name} has no cell that could be measured, so none to check")
        best = cells.iloc[0]
        layers = next(layers for layers in grid.layers if layers_label(layers) == str(best["layers"]))
        return narrowed(grid, layers, float(best["strength"]))


@dataclass(frozen=True, eq=False)
class Context:
    """The model, vector and run folder of one subject."""

    model: Model
    vector: SteeringVector
    subject: RunSubject
    folder: RunFolder
    tables: CachedTables
    progress: Progress
    add_seconds: Callable[[str, float, str, str], None]
    """Called with (step, seconds, model, behavior) after each step."""
    sharing: SweepSharing | None = None
    """Other processes that take part in the sweep."""

    def differences(self, behavior: Behavior, what: str) -> StateDifferences:
        """The differences of some pairs, read as the study reads those that vectors are made of."""
        study = self.subject.study
        # Vectors of other contrasts may be read where pairs of completions have no position.
        position = "auto" if self.subject.setting.contrast else require_pairs_position(behavior, study.token_position)
        return read_differences(
            self.model, behavior, token_position=position, form=form_of(self.subject.scoring),
            balance=study.balance, seed=study.seed, progress=lambda done, total: self.progress(what, done, total),
            hold_negative=self._holds_negative,
        )  # fmt: skip

    @property
    def _holds_negative(self) -> bool:
        """Whether vectors of a part of the pairs need the negative side's mean, to be pushed along."""
        return any("negative_mean" in SCALES.get(scale).needs for scale in self.subject.study.scales)

    def vector_material(self, what: str) -> StateDifferences | ContrastStates:
        """What the vector is made of, read as it was read for the vector; of the behavior's own pairs all of them."""
        study, found = self.subject.study, self.subject.vector_contrast
        if found is None:
            return self.differences(self.subject.behavior, what)

        def advance(done: int, total: int) -> None:
            self.progress(what, done, total)

        if isinstance(found, Behavior):
            position = require_pairs_position(found, study.token_position)
            return read_differences(
                self.model, found, token_position=position, balance=study.balance, seed=study.seed, progress=advance,
                hold_negative=self._holds_negative,
            )  # fmt: skip
        where = cast(ExamplePosition, study.token_position)  # `answer` is refused by name
        return read_contrast(self.model, found, token_position=where, progress=advance)

    def shaping(self, grid: Grid | None) -> list[Any]:
        """What every table depends on: the model and how pairs are read; with a grid the vector and the cells too."""
        study = self.subject.study
        read = [self.model.fingerprint, self.model.template_hash, study.token_position, study.balance, study.seed]
        read.append(self.subject.scoring)
        if grid is None:
            return read
        return [*read, *self.vector_key, grid_key(grid)]

    @property
    def vector_key(self) -> list[Any]:
        """What identifies the vector; rounded, as on another machine the same one may differ in its last digit."""
        made = self.vector.provenance
        total = f"{float(self.vector.direction.double().sum()):.6e}"
        return [made.pairs_hash, made.method, total, *made.origin_key]
