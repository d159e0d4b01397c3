"""What every check of a study works with: one model, one behavior, its vectors and the cell that steers best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from trimtab.analysis import best_cells, effects
from trimtab.data import Behavior
from trimtab.engines import Model, Scoring
from trimtab.errors import RunError
from trimtab.evaluation import Grid, form_of
from trimtab.runs.chunks import Chunks
from trimtab.runs.folder import RunFolder
from trimtab.runs.settings import BehaviorSetting, Study
from trimtab.vectors import KeptDifferences, SteeringVector, keep_differences

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Subject:
    """One behavior of a study, as its model's vectors were made and swept."""

    setting: BehaviorSetting
    behavior: Behavior
    parts: tuple[Behavior, Behavior, Behavior]
    """For the vector, for choosing the layer, for reporting."""
    scoring: Scoring
    vector: SteeringVector
    swept: Grid | None = None
    """None where nothing was swept."""

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.behavior.name

    @property
    def grid(self) -> Grid:
        """The cells that were swept.

        Raises:
            RunError: when nothing was.
        """
        if self.swept is None:
            raise RunError(f"{self.name}: nothing was swept, so there is no cell to check")
        return self.swept


@dataclass(frozen=True, eq=False)
class CheckContext:
    """The run and the model that are checked."""

    study: Study
    folder: RunFolder
    chunks: Chunks
    model: Model
    progress: Progress

    def best(self, subject: Subject) -> Grid:
        """The subject's grid with its best cell only, both ways as far as both were swept."""
        grid = subject.grid
        samples = self.folder.samples()
        mine = samples[(samples["model"] == self.model.name) & (samples["behavior"] == subject.name)]
        cells = best_cells(effects(mine, draws=0))  # no intervals: only the choice is wanted
        if cells.empty:
            raise RunError(f"{self.folder.path}: {subject.name} has no cell that could be measured, so none to check")
        chosen = cells.iloc[0]
        layers = next(layers for layers in grid.layers if "+".join(map(str, layers)) == str(chosen["layers"]))
        strengths = tuple(s for s in grid.strengths if abs(s) == float(chosen["strength"]))
        return replace(grid, layers=(layers,), strengths=strengths)

    def differences(self, subject: Subject, behavior: Behavior, what: str) -> KeptDifferences:
        """The differences of some pairs, taken as the study takes vectors."""
        study = self.study
        return keep_differences(
            self.model, behavior, token_position=study.token_position, form=form_of(subject.scoring),
            balance=study.balance, seed=study.seed, progress=lambda done, total: self.progress(what, done, total),
        )  # fmt: skip

    def extraction(self, subject: Subject) -> list[Any]:
        """What the states that are read depend on, the pairs aside."""
        study = self.study
        asked = [self.model.fingerprint, self.model.template_hash, study.token_position, study.balance, study.seed]
        return [*asked, subject.scoring]

    def cells(self, subject: Subject, grid: Grid) -> list[Any]:
        """What scores in some cells depend on, the prompts aside."""
        made = subject.vector.provenance
        # Rounded: on another machine the same vector may differ in its last digit.
        vector = [made.pairs_hash, made.method, f"{float(subject.vector.direction.double().sum()):.6e}"]
        return [*self.extraction(subject), *vector, repr(grid)]
