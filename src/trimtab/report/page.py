"""The page: one HTML file that loads nothing from anywhere."""

from __future__ import annotations

import base64
import functools
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from trimtab.analysis import Finding
from trimtab.report.charts import Chart
from trimtab.report.charts.doses import AXES
from trimtab.report.files import vegalite_version
from trimtab.report.reply_browser import Browser, Example
from trimtab.report.tables import Table

OPEN_FIGURES = 12
"""More figures of one kind are folded."""
OPEN_ROWS = 60
"""Longer tables are folded."""


@dataclass(frozen=True)
class Section:
    """Figures and tables that belong together, under one heading."""

    slug: str
    title: str
    text: str
    """How to read it, in a sentence or two."""
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    small: bool = False
    """Small charts stand beside each other where the screen is wide enough."""
    paired: bool = False
    """Charts stand two by two."""
    folded: str = ""
    """What a click unfolds; "" leaves the section open."""
    file: str = ""
    """The CSV file with the numbers of the tables."""
    examples: Sequence[Example] = ()
    """Replies beside each other."""
    browser: Browser | None = None
    """The replies of all cells, to be looked up."""


def folded_figures(charts: Sequence[Chart], *tables: Table) -> str:
    """What folds away a wall of figures and the tables below it; "" leaves a few figures open."""
    more = " and a table" if any(table.rows for table in tables) else ""
    return f"{len(charts)} figures{more}" if len(charts) > OPEN_FIGURES else ""


def folded_rows(table: Table, most: int = OPEN_ROWS) -> str:
    """What folds away a long table; "" leaves a short one open."""
    return f"{len(table.rows)} rows" if len(table.rows) > most else ""


@dataclass(frozen=True)
class Page:
    """All that the template shows."""

    title: str
    subtitle: str
    findings: Sequence[Finding]
    sections: Sequence[Section]
    warnings: Sequence[str]
    background: Sequence[Table]
    facts: Sequence[dict[str, Any]]
    glossary: Sequence[tuple[str, str]]
    trimtab_version: str

    @property
    def axes(self) -> list[tuple[str, str]]:
        """The units that strength can be drawn in, and their names, where a figure has more than the one given."""
        known = {unit for section in self.sections for chart in section.charts for unit in chart.variants}
        return [(unit, name) for unit, name in AXES.items() if unit in known]

    @property
    def has_browser(self) -> bool:
        """Whether replies can be looked up."""
        return any(section.browser for section in self.sections)


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
