"""The page: one HTML file that loads nothing from anywhere."""

from __future__ import annotations

import base64
import functools
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from trimtab.analysis import Finding
from trimtab.report.charts import Chart
from trimtab.report.charts.measures.doses import AXES
from trimtab.report.charts.pictures import vegalite_version
from trimtab.report.paper import PaperText
from trimtab.report.section import Section
from trimtab.report.tables import Table
from trimtab.report.verdict import MAX_WHOLE, Verdict, summary, verdict_table

OVERVIEW = "heatmap"
"""The section whose figure shows all effects at once."""
MAX_COMPARISONS = 4
"""Findings about how models differ on the first screen."""


@dataclass(frozen=True)
class Page:
    """The content of the page."""

    title: str
    subtitle: str
    verdicts: Sequence[Verdict]
    """Of each behavior in each model."""
    findings: Sequence[Finding]
    sections: Sequence[Section]
    warnings: Sequence[str]
    background: Sequence[Table]
    facts: Sequence[dict[str, Any]]
    glossary: Sequence[tuple[str, str]]
    paper: Sequence[PaperText]
    """Methods, tables and references, ready to be pasted."""
    trimtab_version: str

    @property
    def opened(self) -> Sequence[Verdict]:
        """The verdicts that are shown whole: all of a few; of many, only the first that has a setting to try."""
        if len(self.verdicts) <= MAX_WHOLE:
            return self.verdicts
        return [verdict for verdict in self.verdicts if verdict.example][:1]

    @property
    def summary(self) -> str:
        """What the verdicts come to, where there are many."""
        return summary(self.verdicts) if len(self.verdicts) > MAX_WHOLE else ""

    @property
    def overview(self) -> Chart | None:
        """All effects in one figure, where there are many verdicts."""
        every = [chart for section in self.sections if section.slug == OVERVIEW for chart in section.charts]
        return every[0] if every and len(self.verdicts) > MAX_WHOLE else None

    @property
    def table(self) -> Table | None:
        """All verdicts below each other, where there are many."""
        return verdict_table(self.verdicts) if len(self.verdicts) > MAX_WHOLE else None

    @property
    def comparisons(self) -> list[Finding]:
        """What sets models apart: on the first screen."""
        return [finding for finding in self.findings if finding.kind == "comparison"][:MAX_COMPARISONS]

    @property
    def decisive(self) -> list[Finding]:
        """What changes what one would do, besides the verdicts themselves: on the first screen."""
        return [finding for finding in self.findings if finding.decisive and not _is_verdict(finding)]

    @property
    def cautions(self) -> list[Finding]:
        """The other cautions: behind a click."""
        return [finding for finding in self._cautions if not finding.decisive]

    @property
    def rest(self) -> list[Finding]:
        """All other findings: behind a click."""
        first = [*self.comparisons, *self.decisive]
        return [finding for finding in self.findings if finding.kind != "caution" and finding not in first]

    @property
    def _cautions(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.kind == "caution"]

    @property
    def main(self) -> list[Section]:
        """The sections of the main page, without the figures that the first screen has."""
        return [section for section in self._below if section.main]

    @property
    def appendices(self) -> list[Section]:
        """The sections that are closed until they are asked for."""
        return [section for section in self._below if not section.main]

    @property
    def charts(self) -> list[Chart]:
        """Every figure of the page once."""
        return [*self._first_charts, *(chart for section in self._below for chart in section.charts)]

    @property
    def main_charts(self) -> list[Chart]:
        """The figures of the main page: those that a paper would take."""
        return [*self._first_charts, *(chart for section in self.main for chart in section.charts)]

    @property
    def _first_charts(self) -> list[Chart]:
        return [chart for chart in (self.overview, *(verdict.chart for verdict in self.opened)) if chart]

    @functools.cached_property
    def _below(self) -> list[Section]:
        above = {chart.slug for chart in self._first_charts}
        without = [
            replace(section, charts=[chart for chart in section.charts if chart.slug not in above])
            for section in self.sections
        ]
        return [section for section in without if section.content]

    @property
    def axes(self) -> list[tuple[str, str]]:
        """The units that strength can be drawn in, and their names, where a figure has more than the one given."""
        known = {unit for chart in self.charts for unit in chart.variants}
        return [(unit, name) for unit, name in AXES.items() if unit in known]

    @property
    def has_browser(self) -> bool:
        """Whether replies can be looked up."""
        return any(section.browser for section in self.sections)


def _is_verdict(finding: Finding) -> bool:
    """Whether it is about what a verdict says: that steering works, or does not."""
    return finding.kind != "caution" and finding.use == "works"


def render(page: Page) -> str:
    """The page as HTML."""
    template = environment().get_template("template.html.j2")
    return template.render(page=page, bundle=_bundle())


@functools.cache
def environment() -> jinja2.Environment:
    """Where templates come from, and what they can do."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trimtab.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = embedded_json
    environment.filters["packed"] = packed
    return environment


@functools.cache
def _bundle() -> Markup:
    """Vega, Vega-Lite and Vega-Embed as one script, for all charts of the page."""
    # Its type hints ask for a snippet that it does not need.
    bundle: Any = vl_convert.javascript_bundle
    script: str = bundle(vl_version=vegalite_version())
    return Markup(script.replace("</script", "<\\/script").replace("<!--", "<\\!--"))


def packed(text: str) -> str:
    """Text as base64 of gzip, which a browser unpacks by itself: a page that carries its data stays small."""
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def embedded_json(value: Any) -> Markup:
    """JSON that may stand in a script element, whatever names the data holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character, escape in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(character, escape)
    return Markup(text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
