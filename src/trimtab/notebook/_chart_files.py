"""A chart as the content of a file: a picture, or a page of its own."""

from __future__ import annotations

from typing import Any, Literal

import altair as alt
import vl_convert

from trimtab.report.charts import Chart
from trimtab.report.charts.pictures import TWO_COLUMNS, drawable, pictures, vegalite_version

Kind = Literal[".svg", ".png", ".pdf", ".html"]


def svg_of(chart: Chart) -> str:
    """A chart as SVG, 7 inches wide."""
    return next(pictures(chart, (TWO_COLUMNS,))).svg


def chart_file(chart: Chart, kind: Kind) -> str | bytes:
    """A chart as the content of a file: a picture, or a page that loads nothing and shows values under the mouse."""
    if kind == ".html":
        spec = drawable(chart.picture())
        page: str = vl_convert.vegalite_to_html(spec, vl_version=vegalite_version(), bundle=True)
        return page
    content: str | bytes = getattr(next(pictures(chart, (TWO_COLUMNS,))), kind[1:])
    return content


def spec_of(chart: Chart) -> dict[str, Any]:
    """A chart as a Vega-Lite specification that other programs can draw."""
    version = alt.SCHEMA_VERSION.split(".")[0]
    return {"$schema": f"https://vega.github.io/schema/vega-lite/{version}.json", **drawable(chart.picture())}
