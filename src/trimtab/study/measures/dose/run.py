"""The cells of a study in one model, calibrated where strengths are doses, and how far each moves the model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pandas as pd

from trimtab._util.callbacks import NamedProgress
from trimtab.analysis import DOSE
from trimtab.engines import Model, one_at_a_time
from trimtab.errors import SettingError
from trimtab.evaluation import Grid, dose, neutral_texts
from trimtab.evaluation.dose import find_strengths, warn_of_missing
from trimtab.models import Text
from trimtab.steering import SCALES, Cell
from trimtab.store.run_folder import RunFolder
from trimtab.study.measures.dose.measure import is_measured
from trimtab.study.settings.study_file import Study
from trimtab.study.step_names import dosing
from trimtab.vectors import SteeringVector


@dataclass(eq=False)
class Doses:
    """The doses of one model, stored in the run's `dose` table."""

    folder: RunFolder
    model: Model
    study: Study
    progress: NamedProgress
    _texts: list[Text] | None = None

    def calibrated(self, grid: Grid, vectors: SteeringVector, behavior: str, cells: str = "") -> Grid:
        """The grid as it is run; its doses are measured where the study wants them.

        With the scale `kl` the strengths of its cells are found once and then read from the table.

        Args:
            grid: Layers and strengths.
            vectors: What is pushed along.
            behavior: Its name in the table.
            cells: Which cells these are beside those of the sweep, for progress: `for replies`.

        Raises:
            SettingError: For a dose that no cell reaches.
        """
        grid = self.strengths(grid, vectors, behavior)
        self.measure(grid, vectors, behavior, cells)
        return grid

    def strengths(self, grid: Grid, vectors: SteeringVector, behavior: str) -> Grid:
        """The grid with the strengths of its cells found, where they are doses.

        Raises:
            SettingError: For a dose that no cell reaches.
        """
        return self._calibrated(grid, vectors, behavior) if SCALES.get(grid.scale).in_nats else grid

    def measure(self, grid: Grid, vectors: SteeringVector, behavior: str, cells: str = "") -> None:
        """Measure the doses of a grid with strengths, if the study wants them; arguments as of `calibrated`."""
        if is_measured(self.study, grid):
            self._measure(grid, vectors, behavior, cells)

    def _calibrated(self, grid: Grid, vectors: SteeringVector, behavior: str) -> Grid:
        """The grid with its strengths: those in the table, and those that have to be found."""
        known = self._known(grid, behavior)
        held = {
            (layers, float(strength)): float(relative)
            for layers, strength, relative in zip(known["layers"], known["strength"], known["relative"], strict=True)
        }
        names = {cell: (cell.layers_label, cell.strength) for cell in grid.steered}
        missing = [cell for cell, name in names.items() if name not in held]
        found = find_strengths(self.model, vectors, grid, missing, self._neutral()) if missing else {}
        # The table holds the push of each layer; layers that share a strength have a part of it each.
        times = {cell: len(cell[0]) if grid.setting.share_strength else 1 for cell in names}
        there = {
            cell: held[name] * times[cell] for cell, name in names.items() if math.isfinite(held.get(name, math.nan))
        }
        out_of_reach = [cell for cell in missing if cell not in found]
        calibrated = replace(grid, alphas={**there, **found})
        self._keep_out_of_reach(calibrated, behavior, out_of_reach)
        warn_of_missing([cell for cell in names if cell not in there and cell not in found])
        if not calibrated.steered:
            raise SettingError(
                f"{behavior}: no cell of {self.model.name} can be moved by the KL divergence asked for; ask for less"
            )
        return calibrated

    def _keep_out_of_reach(self, grid: Grid, behavior: str, cells: list[Cell]) -> None:
        """Record cells that no push moves that far, so that a resumed run does not search for them again."""
        fixed = {"model": self.model.name, "behavior": behavior, "engine": self.model.engine.name}
        rows = [
            {
                **fixed, **cell.columns(self.model.facts.layers), "scale": grid.scale,
                "positions": grid.positions, "kl": math.nan, "relative": math.nan, "alpha": math.nan,
            }
            for cell in cells
        ]  # fmt: skip
        if rows:
            self.folder.append(pd.DataFrame(rows, columns=list(DOSE)).astype({"layer": "int32"}), "dose")

    def _measure(self, grid: Grid, vectors: SteeringVector, behavior: str, cells: str) -> None:
        """Add the doses of cells that the table does not hold yet."""
        known = self._known(grid, behavior)
        held = set(zip(known["layers"], known["strength"], strict=True))
        wanted = {(cell.layers_label, cell.strength) for cell in grid.steered}
        if wanted <= held:
            return
        what, texts = dosing(behavior, self.model.name, cells), self._neutral()
        self.progress(what, 0, len(texts))
        found = dose(
            self.model, vectors, grid, behavior, texts, progress=lambda done, total: self.progress(what, done, total)
        )
        new = found[[key not in held for key in zip(found["layers"], found["strength"], strict=True)]]
        self.folder.append(new, "dose")

    def _known(self, grid: Grid, behavior: str) -> pd.DataFrame:
        about = {"model": self.model.name, "behavior": behavior, "scale": grid.scale, "positions": grid.positions}
        rows = self.folder.parts("dose", about)
        nothing: pd.DataFrame = pd.DataFrame(columns=list(DOSE))
        return nothing if rows is None else rows

    def _neutral(self) -> list[Text]:
        with one_at_a_time(self.model):
            if self._texts is None:
                self._texts = neutral_texts(self.model)
            return self._texts
