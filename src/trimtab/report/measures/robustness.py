"""What a report shows of robustness: how well the effect holds under other prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from trimtab.analysis import Finding, robustness, robustness_findings
from trimtab.analysis.formatting import decimals_for, percent, percent_with_interval
from trimtab.analysis.robustness import HALF, PLAIN_VARIANT
from trimtab.analysis.samples import records
from trimtab.report import charts
from trimtab.report.charts.measures.robustness import MAX_SHARE, MIN_SHARE
from trimtab.report.measures._columns import checked_columns, choice_columns, subject_columns
from trimtab.report.measures.base import MeasureReport, ReportContext, Tables
from trimtab.report.report_inputs import RunTables
from trimtab.report.section import Section, folded_figures, folded_rows
from trimtab.report.tables import Column, Row, Table, number, table, with_interval, word

FORESTS = (
    "The same setting and the same prompts in other variants; for transfer, other prompts. 100%: the effect is as "
    f"large as on the plain prompts; lines mark 0, {percent(HALF)} and 100%. Bars are 95% intervals. Kept: the "
    f"interval lies above {percent(HALF)}. Lost: below it. Reversed: the effect points the other way. Unclear: neither "
    "is shown."
)
CLIPPED = " Arrows mark what goes beyond the edge of the figure; the next table has its numbers."
VARIANTS = (
    "The same with delta and the unsteered mean in the score’s own unit. No effect: the plain delta was not shown to "
    "differ from 0, so no share of it is defined."
)
GLOSSARY = (
    ("share kept", "Delta in a variant divided by delta on the plain prompts; for another scoring and for other "
     "prompts, Glass’s Δ divided by Glass’s Δ."),
)  # fmt: skip


@dataclass(frozen=True)
class RobustnessResults:
    """The effect in every variant, of every run that has any."""

    table: pd.DataFrame
    """The columns `trimtab.analysis.ROBUSTNESS`."""
    findings: Sequence[Finding] = ()


class RobustnessReport(MeasureReport[RobustnessResults]):
    """In which variants the effect survives."""

    name = "robustness"
    tables = ("samples",)

    def results(self, context: ReportContext) -> RobustnessResults | None:
        """The share of the effect that each variant keeps."""
        found = context.by_run(self.name, _analysed)
        return None if found is None else RobustnessResults(found[0]["table"], found[1])

    def findings(self, results: RobustnessResults) -> Sequence[Finding]:
        """What survives and what does not."""
        return results.findings

    def sections(self, results: RobustnessResults) -> Sequence[Section]:
        """A forest plot for each vector, and the numbers."""
        forests, variants = charts.survival_forests(results.table), variants_table(results.table)
        return [
            Section(
                "robustness",
                "Does the effect survive?",
                FORESTS + (CLIPPED if _clipped(results.table) else ""),
                forests,
                paired=len(forests) > 1,
                folded=folded_figures(forests),
                main=True,
            ),
            Section(
                "variants",
                "All variants",
                VARIANTS,
                tables=[variants],
                file="tables/robustness.csv",
                folded=folded_rows(variants),
            ),
        ]

    def files(self, results: RobustnessResults) -> Mapping[str, pd.DataFrame]:
        """The effect in every variant."""
        return {"tables/robustness.csv": results.table}

    def glossary(self, results: RobustnessResults) -> Sequence[tuple[str, str]]:
        """The share of the effect."""
        return GLOSSARY if len(results.table) else ()


def _analysed(_run: RunTables, tables: Mapping[str, pd.DataFrame]) -> tuple[Tables, list[Finding]]:
    table = robustness(tables["samples"])
    return {"table": table}, robustness_findings(table) if len(table) else []


def variants_table(robustness: pd.DataFrame) -> Table:
    """The effect in every variant."""
    decimals = decimals_for(robustness["delta"]) if len(robustness) else 2
    several = [word("scoring")] if len(robustness) and robustness["scoring"].nunique() > 1 else []
    columns = [
        *subject_columns(robustness),
        word("variant"),
        Column("verdict", lambda row: "–" if row["kind"] == PLAIN_VARIANT else str(row["verdict"]), number=False),
        Column("share of the plain effect [95% interval]", _survived),
        Column("delta [95% interval]", lambda row: with_interval(row, "delta", decimals)),
        number("glass", "Glass’s Δ"),
        number("unsteered", "unsteered mean", decimals),
        Column("prompts", lambda row: str(int(row["n"]))),
        *several,
        *checked_columns(),
        *choice_columns(robustness),
    ]
    return table("The effect in every variant", columns, records(robustness))


def _survived(row: Row) -> str:
    return percent_with_interval(row["share"], row["share_low"], row["share_high"], (0.0, HALF, 1.0))


def _clipped(robustness: pd.DataFrame) -> bool:
    """Whether something lies outside the forest plots."""
    return len(robustness) > 0 and bool(
        (robustness["share_low"] < MIN_SHARE).any() | (robustness["share_high"] > MAX_SHARE).any()
    )


ROBUSTNESS = RobustnessReport()
