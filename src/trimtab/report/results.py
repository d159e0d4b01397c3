"""Everything that a report shows, computed from the tables of its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from trimtab.analysis import Denominator, Finding, merged, ordered
from trimtab.report.measures import MEASURE_REPORTS, MeasureReport, ReportContext
from trimtab.report.report_inputs import RunTables, require_names, unscored_owners

R = TypeVar("R")


@dataclass(frozen=True)
class Results:
    """The results of each measure, and the findings at the top of the page."""

    measures: Mapping[str, Any]
    """Results by the name of the measure, without measures that no run has anything of."""
    denominator: Denominator
    findings: Sequence[Finding]
    """Comparisons, effects, what is not shown, cautions."""
    unscored: Sequence[Mapping[str, str]] = ()
    """Run, engine, model and behavior of what has no completions to score."""

    def of(self, report: MeasureReport[R]) -> R:
        """The results of a measure that was measured.

        Raises:
            KeyError: when no run has anything of it.
        """
        found: R = self.measures[report.name]
        return found

    def measured(self) -> Iterator[tuple[MeasureReport[Any], Any]]:
        """The measures that the runs have something of, with their results, in the order of the registry."""
        for name, found in self.measures.items():
            yield MEASURE_REPORTS.get(name), found


def analysed(runs: Sequence[RunTables], denominator: Denominator = "unsteered") -> Results:
    """Analyse the tables of the runs, measure by measure."""
    require_names(runs)
    context = ReportContext(runs, denominator)
    reports = [MEASURE_REPORTS.get(name) for name in MEASURE_REPORTS.names()]
    results = [(report, context.results(report)) for report in reports]
    findings = [finding for report, found in results if found is not None for finding in report.findings(found)]
    measures = {report.name: found for report, found in results if found is not None}
    return Results(measures, denominator, merged(ordered(findings)), unscored_owners(runs))
