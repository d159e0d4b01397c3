"""What a report shows of doses: cautions, and the strength in other units on the axes of other measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trimtab.analysis import Finding, dose_findings, without_noise
from trimtab.report._strength_units import SIGNED
from trimtab.report.measures.base import MeasureReport, ReportContext

GLOSSARY = (
    ("KL, relative norm, α", "The strength in other units: how far it moves the next-token distributions on neutral "
     "prompts, in nats; the norm of the push as a share of that of the residual stream; and in units of the vector."),
)  # fmt: skip


@dataclass(frozen=True)
class DoseResults:
    """Doses of all runs, with a column `run`."""

    measured: pd.DataFrame
    signed: pd.DataFrame
    """α and relative norms with the sign of the strength; divergences without rounding noise."""


class DoseReport(MeasureReport[DoseResults]):
    """The dose of every cell: sections of other measures draw it."""

    name = "dose"

    def results(self, context: ReportContext) -> DoseResults | None:
        """The doses of all runs; None where none was measured."""
        known = [run.dose.assign(run=run.name) for run in context.runs if run.dose is not None and len(run.dose)]
        if not known:
            return None
        measured = pd.concat(known, ignore_index=True)
        sign = np.sign(measured["strength"])
        signed = without_noise(measured).assign(**{name: measured[name].abs() * sign for name in SIGNED})
        return DoseResults(measured, signed)

    def findings(self, results: DoseResults) -> Sequence[Finding]:
        """Divergences that were measured below 0."""
        return dose_findings(results.measured)

    def glossary(self, _results: DoseResults) -> Sequence[tuple[str, str]]:
        """The units of strength."""
        return GLOSSARY


DOSE = DoseReport()
