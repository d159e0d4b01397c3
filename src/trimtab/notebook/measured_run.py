"""What a measurement of a Python session returns: its tables, its findings in words, its figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pandas as pd

from trimtab._util.plot_registry import Plottable
from trimtab._util.summaries import Summarized, Summary
from trimtab.errors import RunError
from trimtab.report import MEASURE_REPORTS, RunTables
from trimtab.report.results import Results, analysed


@dataclass(frozen=True, eq=False, repr=False)
class Measured(Summarized, Plottable):
    """One thing that was measured of a model and a behavior."""

    run: RunTables
    """All tables of the run: what `trimtab.report` writes a page of."""
    measure: ClassVar[str]
    """Its name in the report."""

    @cached_property
    def everything(self) -> Results:
        """The results of all that the run has measured, as the report computes them."""
        return analysed([self.run])

    @cached_property
    def results(self) -> Any:
        """The results of this measure, as the report computes them.

        Raises:
            RunError: when nothing came of it.
        """
        found = self.everything.measures.get(self.measure)
        if found is None:
            raise RunError(f"nothing was measured: {'; '.join(self.warnings) or 'the run has no table of it'}")
        return found

    @property
    def findings(self) -> tuple[str, ...]:
        """What was found, in sentences."""
        return tuple(MEASURE_REPORTS.get(self.measure).summary(self.results))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the run warned of."""
        return tuple(str(text) for text in self.run.manifest.get("warnings", []))

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.run.manifest["models"][0]["name"])

    @property
    def behavior(self) -> str:
        """Name of the behavior."""
        return str(self.run.manifest["behaviors"][0]["name"])

    def _table(self, name: str) -> pd.DataFrame:
        """A table of the results, without the name of the only run."""
        table: pd.DataFrame = getattr(self.results, name)
        plain: pd.DataFrame = table.drop(columns="run", errors="ignore").reset_index(drop=True)
        return plain

    def _summary(self) -> Summary:
        facts = {"behavior": repr(self.behavior), "model": f"in {self.model}", **self._facts()}
        return Summary(facts, below=self._sentences())

    def _sentences(self) -> tuple[str, ...]:
        """What stands below the facts, the first one in a line of text too."""
        return self.findings[:3]

    def _facts(self) -> dict[str, str]:
        """What the subclass adds to the summary."""
        return {}
