"""A figure of a Python session: shown by notebooks, saved as a picture, a page or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import altair as alt
import pandas as pd

from trimtab._util.atomic_files import write_whole
from trimtab._util.summaries import clipped
from trimtab.errors import SettingError
from trimtab.notebook._chart_files import Kind, chart_file, spec_of, svg_of
from trimtab.report.charts import Chart

ENDINGS = (*get_args(Kind), ".csv")


@dataclass(frozen=True, repr=False, eq=False)
class ChartFigure:
    """One chart of the report, by itself."""

    chart: Chart

    @property
    def spec(self) -> dict[str, Any]:
        """The chart as a Vega-Lite specification, for other programs."""
        return spec_of(self.chart)

    @property
    def data(self) -> pd.DataFrame:
        """The numbers that it shows."""
        return self.chart.data

    def __repr__(self) -> str:
        """What it shows, in words."""
        return f"{type(self).__name__}({clipped(self.chart.alt, 160)!r})"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """As notebooks take it: the chart itself, a picture for those that do not draw it, and words."""
        version = alt.SCHEMA_VERSION.split(".")[0]
        return {
            f"application/vnd.vegalite.{version}+json": self.spec,
            "image/svg+xml": svg_of(self.chart),
            "text/plain": self.chart.alt,
        }

    def save(self, path: str | Path) -> Path:
        """Write it; the ending says how: `.svg`, `.png`, `.pdf`, `.html` (interactive), or `.csv` for its numbers.

        Raises:
            SettingError: for another ending.
            RunError: when it cannot be written.
        """
        out = Path(path)
        ending = out.suffix.lower()
        if ending == ".csv":
            write_whole(out, self.chart.csv)
        elif ending in ENDINGS:
            write_whole(out, chart_file(self.chart, ending))  # type: ignore[arg-type]
        else:
            raise SettingError(f"{out}: the ending says how a figure is saved; give it one of {', '.join(ENDINGS)}")
        return out
