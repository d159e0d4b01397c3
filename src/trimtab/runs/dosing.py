"""The cells of a study in one model, calibrated where strengths are doses, and how far each moves the model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from trimtab.analysis import DOSE
from trimtab.engines import Model, Text
from trimtab.evaluation import Grid, GridScale, calibrated, dose, neutral_texts, parse_layers
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
        known = self._known(grid, behavior)
        names = {"+".join(map(str, layers)): layers for layers in grid.layers}
        rows = known[known["layers"].isin(names) & known["strength"].isin(grid.strengths)]
        if rows.empty:
            return calibrated(self.model, vectors, grid, self._neutral())
        found = zip(rows["layers"], rows["strength"], rows["relative"], strict=True)
        alphas = {(names[layers], float(strength)): float(alpha) for layers, strength, alpha in found}
        return replace(grid, alphas=alphas)

    def _measure(self, grid: Grid, vectors: SteeringVector, behavior: str) -> None:
        """Add the doses of cells that the table does not hold yet."""
        known = self._known(grid, behavior)
        held = set(zip(known["layers"], known["strength"], strict=True))
        wanted = {("+".join(map(str, layers)), strength) for layers, strength in grid.steered}
        if wanted <= held:
            return
        found = dose(self.model, vectors, grid, behavior, self._neutral())
        new = found[[key not in held for key in zip(found["layers"], found["strength"], strict=True)]]
        before = self.folder.table("dose")
        self.folder.write("dose", new if before is None else pd.concat([before, new], ignore_index=True))

    def _known(self, grid: Grid, behavior: str) -> pd.DataFrame:
        table = self.folder.table("dose")
        if table is None:
            nothing: pd.DataFrame = pd.DataFrame(columns=list(DOSE))
            return nothing
        mine = (table["model"] == self.model.name) & (table["behavior"] == behavior)
        rows: pd.DataFrame = table[mine & (table["scale"] == grid.scale) & (table["positions"] == grid.positions)]
        return rows

    def _neutral(self) -> list[Text]:
        if self._texts is None:
            self._texts = neutral_texts(self.model)
        return self._texts
