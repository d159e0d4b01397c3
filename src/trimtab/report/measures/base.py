"""The contract of what a report shows of one measure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

import pandas as pd

from trimtab.analysis import Denominator, Finding
from trimtab.report.report_inputs import RunTables
from trimtab.report.section import Section

R = TypeVar("R")

Tables = dict[str, pd.DataFrame]


class MeasureReport(ABC, Generic[R]):
    """What a report shows of one measure.

    Register one in `MEASURE_REPORTS` under the name of the measure. `results` is called once for each report; the other
    methods are called with what it returned, and only where that is not None.
    """

    name: ClassVar[str]
    """The name of the measure: key of `MEASURE_REPORTS` and prefix of its tables in a run."""
    tables: ClassVar[tuple[str, ...]] = ()
    """Tables of the measure that a report reads from a run, without the prefix: `RunTables.of(name)` has them."""

    @abstractmethod
    def results(self, context: ReportContext) -> R | None:
        """Analyse the tables of the runs; None where no run has anything of this measure."""

    def findings(self, _results: R) -> Sequence[Finding]:
        """Statements for the top of the page."""
        return ()

    def summary(self, results: R) -> Sequence[str]:
        """Lines for the terminal after this measure alone was run; by default the sentences of its findings."""
        return [finding.text for finding in self.findings(results)]

    def sections(self, _results: R) -> Sequence[Section]:
        """Figures and tables under a heading each; those without either are left out."""
        return ()

    def files(self, _results: R) -> Mapping[str, pd.DataFrame]:
        """Tables to write as CSV, by path beside the page; empty ones in `tables/` are left out."""
        return {}

    def glossary(self, _results: R) -> Sequence[tuple[str, str]]:
        """Terms of the sections and what they mean."""
        return ()


class ReportContext:
    """The runs of a report, and the results of its measures, each computed when first needed.

    Args:
        runs: The runs; their names differ.
        denominator: Whose standard deviation Glass's Δ divides by.
    """

    def __init__(self, runs: Sequence[RunTables], denominator: Denominator = "unsteered"):
        self.runs = tuple(runs)
        self.denominator = denominator
        self._results: dict[str, Any] = {}

    def results(self, report: MeasureReport[R]) -> R | None:
        """The results of a measure; None where no run has anything of it."""
        if report.name not in self._results:
            self._results[report.name] = report.results(self)
        return cast("R | None", self._results[report.name])

    @property
    def several(self) -> bool:
        """Whether tables, figures and findings have to name the run."""
        return len(self.runs) > 1

    def by_run(
        self, measure: str, analyse: Callable[[RunTables, Mapping[str, pd.DataFrame]], tuple[Tables, list[Finding]]]
    ) -> tuple[Tables, tuple[Finding, ...]] | None:
        """Analyse each run that has tables of a measure for itself.

        Args:
            measure: Its name.
            analyse: Makes tables and findings of one run from the tables of the measure.

        Returns:
            The tables of all runs below each other, with a first column `run` where there are several runs, and the
            findings, which name the run then; None where no run has tables of the measure.
        """
        made = [(run.name, *analyse(run, tables)) for run in self.runs if (tables := run.of(measure))]
        if not made:
            return None
        together: dict[str, list[pd.DataFrame]] = {}
        found: list[Finding] = []
        for run, tables, findings in made:
            for name, table in tables.items():
                parts = together.setdefault(name, [])
                if len(table):
                    parts.append(_in_run(table, run) if self.several else table.copy())
            found += [finding.in_run(run) if self.several else finding for finding in findings]
        nothing = pd.DataFrame
        joined = {name: pd.concat(p, ignore_index=True) if p else nothing() for name, p in together.items()}
        return joined, tuple(found)


def _in_run(table: pd.DataFrame, run: str) -> pd.DataFrame:
    named: pd.DataFrame = table.copy()
    named.insert(0, "run", run)
    return named
