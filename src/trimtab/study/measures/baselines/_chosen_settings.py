"""The settings of vectors that a run has chosen, as its own scores have them, so that nothing is chosen twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

import pandas as pd

from trimtab.analysis.baselines.arm_names import ArmKind
from trimtab.analysis.samples import records
from trimtab.evaluation import Grid
from trimtab.evaluation.baselines.arms import Arm, Push
from trimtab.steering import Cell
from trimtab.vectors import SteeringVector


@dataclass(frozen=True)
class ChosenSetting:
    """A vector's arm as a table of scores names it."""

    name: str
    kind: ArmKind
    side: str
    at: str
    cell: Cell
    scale: str

    def arm(
        self,
        vector: SteeringVector,
        grid: Grid,
        known: Mapping[Cell, float] | None,
        calibrate: Callable[[SteeringVector, Grid], Mapping[Cell, float]],
    ) -> Arm | None:
        """The arm itself.

        Args:
            vector: Its vector.
            grid: The study's, for the options that its setting has.
            known: Strengths of calibrated cells of the study's grid.
            calibrate: Finds those of other cells.

        Returns:
            None where no strength gives the dose.
        """
        setting = replace(grid.setting, scale=self.scale)
        one = Grid((self.cell.layers,), (self.cell.strength,), setting)
        if one.is_calibrated:
            alphas = {self.cell: known[self.cell]} if known and self.cell in known else calibrate(vector, one)
            if self.cell not in alphas:
                return None
            one = replace(one, alphas=alphas)
        return Arm(self.name, self.kind, self.side, self.at, push=Push(vector, one))


def vector_scores(method: str) -> str:
    """The name under which the scores of a method's vector are stored."""
    return f"vector {method}"


def chosen_settings(scores: pd.DataFrame) -> list[ChosenSetting]:
    """The settings that report, in the order of the table.

    Args:
        scores: The stored scores of one vector.
    """
    reported = scores[scores["split"] == "test"].drop_duplicates(["side", "at", "layers", "strength", "scale"])
    return [
        ChosenSetting(
            str(row["arm"]),
            cast(ArmKind, str(row["kind"])),
            str(row["side"]),
            str(row["at"]),
            Cell(tuple(int(layer) for layer in str(row["layers"]).split("+")), float(row["strength"])),
            str(row["scale"]),
        )
        for row in records(reported)
    ]
