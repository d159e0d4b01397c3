"""The cells of a study in one model, calibrated where strengths are doses, and how far each moves the model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pandas as pd

from trimtab.analysis import DOSE
from trimtab.engines import Model, Text
from trimtab.errors import SettingError
from trimtab.evaluation import Cell, Grid, GridScale, dose, neutral_texts, parse_layers
from trimtab.evaluation.dose import find_strengths, warn_of_missing
from trimtab.runs.folder import RunFolder
from trimtab.runs.settings import Study
from trimtab.vectors import SteeringVector


@dataclass(eq=False)
class Doses:
    """What is known of the doses of one model, kept in the run's `dose` table."""

    folder: RunFolder
    model: Model
    study: Study
    _texts: list[Text] | None = None

    def grid(
        self,
        vectors: SteeringVector,
        behavior: str,
        layers: str,
        strengths: tuple[float, ...],
        scale: GridScale,
    ) -> Grid:
        """The grid that settings mean in this model; with the scale `kl`, found once and then read from the table.

        Raises:
            SettingError: for layers that the model does not have, or a dose that no cell reaches.
        """
        study = self.study
        sets = parse_layers(layers, self.model.facts.layers)
        grid = Grid(
            sets, strengths, scale, study.positions, study.first_token, study.share_strength, study.vector_layer
        )
        if scale == "kl":
            grid = self._calibrated(grid, vectors, behavior)
        if study.dose or scale == "kl":
            self._measure(grid, vectors, behavior)
        return grid

    def _calibrated(self, grid: Grid, vectors: SteeringVector, behavior: str) -> Grid:
        """The grid with its strengths: those in the table, and those that have to be found."""
        known = self._known(grid, behavior)
        held = {
            (layers, float(strength)): float(relative)
            for layers, strength, relative in zip(known["layers"], known["strength"], known["relative"], strict=True)
        }
        names = {cell: ("+".join(map(str, cell[0])), cell[1]) for cell in grid.steered}
        missing = [cell for cell, name in names.items() if name not in held]
        found = find_strengths(self.model, vectors, grid, missing, self._neutral()) if missing else {}
        # The table says how far each layer is pushed; layers that share a strength have a part of it each.
        times = {cell: len(cell[0]) if grid.share_strength else 1 for cell in names}
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
        """Note cells that no push moves so far, so that a run that goes on does not look for them again."""
        fixed = {"model": self.model.name, "behavior": behavior, "engine": self.model.engine.name}
        rows = [
            {
                **fixed, "layer": layers[0], "layers": "+".join(map(str, layers)),
                "depth": (layers[0] + 1) / self.model.facts.layers, "scale": "kl", "strength": strength,
                "positions": grid.positions, "kl": math.nan, "relative": math.nan, "alpha": math.nan,
            }
            for layers, strength in cells
        ]  # fmt: skip
        if rows:
            self.folder.append(pd.DataFrame(rows, columns=list(DOSE)).astype({"layer": "int32"}), "dose")

    def _measure(self, grid: Grid, vectors: SteeringVector, behavior: str) -> None:
        """Add the doses of cells that the table does not hold yet."""
        known = self._known(grid, behavior)
        held = set(zip(known["layers"], known["strength"], strict=True))
        wanted = {("+".join(map(str, layers)), strength) for layers, strength in grid.steered}
        if wanted <= held:
            return
        found = dose(self.model, vectors, grid, behavior, self._neutral())
        new = found[[key not in held for key in zip(found["layers"], found["strength"], strict=True)]]
        self.folder.append(new, "dose")

    def _known(self, grid: Grid, behavior: str) -> pd.DataFrame:
        about = {"model": self.model.name, "behavior": behavior, "scale": grid.scale, "positions": grid.positions}
        rows = self.folder.parts("dose", about)
        nothing: pd.DataFrame = pd.DataFrame(columns=list(DOSE))
        return nothing if rows is None else rows

    def _neutral(self) -> list[Text]:
        if self._texts is None:
            self._texts = neutral_texts(self.model)
        return self._texts
