"""What a report shows of projections: how well each layer of a vector tells held-out examples apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from trimtab.analysis import Finding
from trimtab.analysis.projection_findings import CHANCE, projection_findings
from trimtab.analysis.projections import reported, separations
from trimtab.analysis.samples import records
from trimtab.report import charts
from trimtab.report.measures._columns import subject_columns
from trimtab.report.measures.base import MeasureReport, ReportContext, Tables
from trimtab.report.report_inputs import RunTables, unscored_owners
from trimtab.report.section import Section, folded_figures
from trimtab.report.tables import Column, Table, number, table, with_interval

CURVES = (
    "AUROC of held-out examples along the vector: the probability that one which shows the behavior lies further along "
    "it than one which does not; the line marks chance. The diamond is the layer that the select examples chose, the "
    "band the 95% interval on the test examples, which neither made the vector nor chose the layer. Nothing is steered "
    "here: a vector that tells texts apart need not change what the model writes, and the verdict does not rest on it."
)
GLOSSARY = (
    ("AUROC", "Area under the receiver operating characteristic: the probability that a positive example lies further "
     "along the vector than a negative one. 0.5 by chance, 1 where they never mix."),
    ("gap", "Difference of the mean projections of positive and negative examples, in standard deviations within the "
     "two (Cohen’s d)."),
)  # fmt: skip


@dataclass(frozen=True)
class ProjectionResults:
    """How well each layer tells held-out examples apart, of every run that has projections."""

    layers: pd.DataFrame
    """From `trimtab.analysis.projections.separations`."""
    best: pd.DataFrame
    """The chosen layers, from `trimtab.analysis.projections.reported`."""
    findings: Sequence[Finding] = ()
    leading: bool = False
    """Whether some behavior has nothing else that could be measured without replies."""


class ProjectionReport(MeasureReport[ProjectionResults]):
    """Which layers tell held-out examples apart."""

    name = "projection"
    tables = ("examples",)

    def results(self, context: ReportContext) -> ProjectionResults | None:
        """AUROC with its interval at each layer, and the chosen layer."""
        found = context.by_run(self.name, _analysed)
        if found is None:
            return None
        return ProjectionResults(**found[0], findings=found[1], leading=bool(unscored_owners(context.runs)))

    def findings(self, results: ProjectionResults) -> Sequence[Finding]:
        """Whether the vectors tell held-out examples apart."""
        return results.findings

    def sections(self, results: ProjectionResults) -> Sequence[Section]:
        """A curve for each vector, and the numbers at the chosen layers."""
        curves = charts.separation_curves(results.layers)
        return [
            Section(
                "projection",
                "Does the vector tell held-out examples apart?",
                CURVES,
                curves,
                [chosen_table(results.best)],
                small=True,
                folded=folded_figures(curves),
                file="tables/projection_chosen.csv",
                part="effects" if results.leading else "measures",
                main=results.leading,
            )
        ]

    def files(self, results: ProjectionResults) -> Mapping[str, pd.DataFrame]:
        """Every layer, and the chosen ones."""
        return {"tables/projection.csv": results.layers, "tables/projection_chosen.csv": results.best}

    def glossary(self, _results: ProjectionResults) -> Sequence[tuple[str, str]]:
        """The numbers of the section."""
        return GLOSSARY


def _analysed(_run: RunTables, tables: Mapping[str, pd.DataFrame]) -> tuple[Tables, list[Finding]]:
    if tables["examples"].empty:
        return {"layers": pd.DataFrame(), "best": pd.DataFrame()}, []
    layers = separations(tables["examples"])
    best = reported(layers)
    return {"layers": layers, "best": best}, projection_findings(best)


def chosen_table(best: pd.DataFrame) -> Table:
    """The chosen layer of each vector, on the examples that report."""
    columns = [
        *subject_columns(best),
        Column("layer", lambda row: str(row["layer"])),
        number("depth", "depth"),
        Column("AUROC [95% interval]", lambda row: with_interval(row, "auroc", 2, (CHANCE, 1.0))),
        number("gap", "gap (sd)"),
        Column("examples", lambda row: f"{row['n_positive']} + {row['n_negative']}"),
        Column("held out", lambda row: "yes" if row["held_out"] else "no", number=False),
    ]
    return table("Held-out examples at the chosen layers", columns, records(best))


PROJECTION = ProjectionReport()
