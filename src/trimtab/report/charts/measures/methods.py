"""Other methods of extraction: the effect of each at its own best cell, and its cosine with the mean."""

from __future__ import annotations

import math
import re
from typing import Any

import altair as alt
import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.diagnosis import REFERENCE
from trimtab.analysis.formatting import fixed, with_interval
from trimtab.analysis.samples import records
from trimtab.report.charts._palette import SERIES, UNSTEERED
from trimtab.report.charts.base import (
    NUMBER,
    Chart,
    Layered,
    chunks,
    colours,
    depth_axis,
    finished,
    legend,
    named_by,
    readable,
    slugged,
    source,
)
from trimtab.report.charts.curves import TITLES, Measure
from trimtab.report.charts.heatmaps import wrapped
from trimtab.report.charts.panels import panels

ROW = 24


def named(row: dict[str, Any]) -> str:
    """A method, and how many draws it stands for."""
    return f"{row['method']} ({plural(row['draws'], 'draw')})" if row["draws"] > 1 else str(row["method"])


def method_dots(methods: pd.DataFrame) -> list[Chart]:
    """Effect by method with its interval, and the range of the draws; a figure for each model and behavior."""
    charts = []
    for panel in panels(methods):
        measure: Measure = "glass" if panel.rows["glass"].notna().any() else "delta"
        table = [row for row in records(panel.rows) if math.isfinite(row[measure])]
        if not table:
            continue
        rows = [_dot(row, measure) for row in table]
        order = [str(row["name"]) for row in rows]
        reference = next((row["value"] for row in rows if row["method"] == REFERENCE), None)
        sizes = "; ".join(f"{row['name']}: {with_interval(row['value'], row['low'], row['high'])}" for row in rows)
        charts.append(
            finished(
                _dots(order, measure, reference),
                rows,
                panel.rows,
                slug=slugged("methods", panel.title),
                title=panel.title,
                alt_text=f"Dots with intervals for {panel.title}: {TITLES[measure]} by method. {sizes}.",
                height=ROW * len(order) + 10,
            )
        )
    return charts


def method_cosines(cosines: pd.DataFrame) -> list[Chart]:
    """Cosine of each method's vector with the mean's over depth; draws are lines of one colour."""
    charts = []
    everything = list(dict.fromkeys(_family(str(name)) for name in cosines["method"])) if len(cosines) else []
    for panel in panels(cosines):
        rows = [
            {
                "family": _family(str(row["method"])), "method": str(row["method"]), "layer": int(row["layer"]),
                "depth": row["depth"], "value": row["cosine"],
            }
            for row in records(panel.rows)
            if math.isfinite(row["cosine"])
        ]  # fmt: skip
        for part in chunks([name for name in everything if any(row["family"] == name for row in rows)]):
            mine = [row for row in rows if row["family"] in part]
            last = {row["family"]: row["value"] for row in mine}
            charts.append(
                finished(
                    _lines(part, everything, mine),
                    mine,
                    readable(mine, {**{n: n for n in ("method", "layer", "depth")}, "value": "cosine_with_mean"}),
                    slug=slugged("method-cosines", panel.title, " ".join(part) if len(part) < len(everything) else ""),
                    title=panel.title,
                    alt_text=f"Lines over depth for {panel.title}: cosine with the mean’s vector, at the last layer "
                    + ", ".join(f"{name} {fixed(value)}" for name, value in last.items()) + ".",
                    height=190,
                )
            )  # fmt: skip
    return charts


def _family(method: str) -> str:
    """The method that a numbered draw is one of: "single 2" is of "single"."""
    return re.sub(r" \d+$", "", method)


def _dot(row: dict[str, Any], measure: Measure) -> dict[str, Any]:
    layer = f"layers {row['layers']}" if "," in str(row["layers"]) else f"layer {row['layers']}"
    drawn = {"least": row["glass_least"], "most": row["glass_most"]} if measure == "glass" and row["draws"] > 1 else {}
    return {
        "name": named(row), "method": str(row["method"]), "value": row[measure], "low": row[f"{measure}_low"],
        "high": row[f"{measure}_high"], "at": layer, "n": row["n"], **drawn,
    }  # fmt: skip


def _dots(order: list[str], measure: Measure, reference: float | None) -> Layered:
    # A domain rather than a sort: Vega-Lite makes expressions of the latter, which break at unusual names.
    y = alt.Y(
        "name:N",
        scale=alt.Scale(domain=order),
        axis=alt.Axis(
            title=None,
            ticks=False,
            labelExpr=named_by({name: wrapped(name, 18) for name in order}),
            labelLimit=130,
            grid=False,
        ),
    )
    x = alt.X(
        "value:Q", title=f"{TITLES[measure]} at the method’s own chosen cell", axis=alt.Axis(tickCount=6, grid=True)
    )
    tooltip = [
        alt.Tooltip("name:N", title="method"),
        alt.Tooltip("value:Q", title=TITLES[measure], format=NUMBER),
        alt.Tooltip("low:Q", title="95% from", format=NUMBER),
        alt.Tooltip("high:Q", title="to", format=NUMBER),
        alt.Tooltip("least:Q", title="least of the draws", format=NUMBER),
        alt.Tooltip("most:Q", title="largest of the draws", format=NUMBER),
        alt.Tooltip("at:N", title="at"),
        alt.Tooltip("n:Q", title="prompts"),
    ]
    base = alt.Chart(source())
    once = base.transform_aggregate(n="count()")
    ruled = [once.properties(name="zero").mark_rule(color=UNSTEERED, strokeWidth=1).encode(x=alt.datum(0))]
    if reference is not None:
        ruled.append(once.mark_rule(color=UNSTEERED, strokeWidth=1, strokeDash=[3, 3]).encode(x=alt.datum(reference)))
    return alt.layer(
        *ruled,
        base.transform_filter("isValid(datum.least)")
        .mark_bar(height=11, color=SERIES[0], opacity=0.22)
        .encode(x=alt.X("least:Q"), x2=alt.X2("most:Q"), y=y),
        base.transform_filter("isValid(datum.low)")
        .mark_rule(color=SERIES[0], strokeWidth=2)
        .encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"), y=y),
        base.mark_point(filled=True, size=60, color=SERIES[0], opacity=1).encode(x=x, y=y, tooltip=tooltip),
    )


def _lines(names: list[str], everything: list[str], rows: list[dict[str, Any]]) -> Layered:
    x = depth_axis([row["depth"] for row in rows], "depth")
    domain = [math.floor(min(0.0, *(row["value"] for row in rows)) * 10) / 10, 1]
    y = alt.Y("value:Q", title="cosine with the mean", scale=alt.Scale(domain=domain, nice=False),
              axis=alt.Axis(tickCount=5, grid=True))  # fmt: skip
    colour = alt.Color("family:N", scale=colours(names, everything), legend=legend(names))
    tooltip = [
        alt.Tooltip("method:N", title="method"),
        alt.Tooltip("layer:Q", title="layer"),
        alt.Tooltip("value:Q", title="cosine", format=NUMBER),
    ]
    base = alt.Chart(source())
    return alt.layer(
        base.mark_line(strokeWidth=1.6, opacity=0.85).encode(x=x, y=y, color=colour, detail="method:N"),
        base.mark_point(filled=True, size=160, opacity=0).encode(x=x, y=y, tooltip=tooltip),
    )
