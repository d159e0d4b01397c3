"""What a push costs in plain text and easy questions: over depth, a line for each strength."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import pandas as pd

from trimtab.analysis.formatting import percent_with_interval, signed_strength, with_interval
from trimtab.analysis.samples import records
from trimtab.report._strength_units import measured_doses, signed_doses
from trimtab.report.charts._palette import UNSTEERED, signed_tones
from trimtab.report.charts.base import (
    NUMBER,
    PERCENT,
    Chart,
    Layered,
    chunks,
    depth_axis,
    finished,
    legend,
    readable,
    slugged,
    source,
)
from trimtab.report.charts.measures.doses import COLUMNS, drawing, over_dose
from trimtab.report.charts.panels import Panel, panels


@dataclass(frozen=True)
class _Measure:
    name: str
    title: str
    short: str
    column: str
    """In CSV files."""
    percent: bool
    bands: int
    """With more lines than this, the bands of their intervals would cover each other."""


PERPLEXITY = _Measure("perplexity", "perplexity ÷ unsteered", "perplexity", "perplexity_ratio", percent=False, bands=6)
EASY_RIGHT = _Measure("easy", "easy questions right", "easy questions", "right_share", percent=True, bands=2)


def cost_curves(side: pd.DataFrame) -> list[Chart]:
    """Perplexity of plain text and easy questions over depth; both for each model and behavior."""
    return [
        _curve(panel, measure, part)
        for panel in panels(side)
        for measure in (PERPLEXITY, EASY_RIGHT)
        if panel.rows[measure.name].notna().any()
        for part in chunks(list(_strengths(panel)))
    ]


def _strengths(panel: Panel) -> dict[str, str]:
    """A tone for each strength."""
    values = [float(value) for value in sorted(panel.rows["strength"].unique())]
    return dict(zip(map(signed_strength, values), signed_tones(values), strict=True))


def _curve(panel: Panel, measure: _Measure, part: list[str]) -> Chart:
    every = _strengths(panel)
    table = [
        row
        for row in records(panel.rows)
        if signed_strength(row["strength"]) in part and math.isfinite(row[measure.name])
    ]
    units = measured_doses(panel.rows)
    rows = [
        {
            "push": signed_strength(row["strength"]), "layers": str(row["layers"]), "depth": row["depth"],
            "set": "+" in str(row["layers"]), "value": row[measure.name], "low": row[f"{measure.name}_low"],
            "high": row[f"{measure.name}_high"], "series": signed_strength(row["strength"]), **signed_doses(row, units),
        }
        for row in table
    ]  # fmt: skip
    before = 1.0 if measure is PERPLEXITY else float(panel.rows["easy_before"].dropna().iloc[0])
    worst = (max if measure is PERPLEXITY else min)(rows, key=lambda row: row["value"])
    format_interval = percent_with_interval if measure.percent else with_interval
    shown = format_interval(worst["value"], worst["low"], worst["high"], limits=(0.0, before))
    named = {
        "model": "model",
        "behavior": "behavior",
        "layers": "layer",
        "depth": "depth",
        "strength": "strength",
        **{unit: COLUMNS[unit] for unit in units},
    }
    ends = {measure.name: measure.column, f"{measure.name}_low": "ci95_low", f"{measure.name}_high": "ci95_high"}
    chart = finished(
        _lines(part, every, measure, before, rows),
        rows,
        readable(table, {**named, **ends} | ({"easy_before": "unsteered_share"} if measure is EASY_RIGHT else {})),
        slug=slugged("side", measure.short, panel.title, " ".join(part) if len(part) < len(every) else ""),
        title=f"{panel.title} · {measure.short}",
        alt_text=f"Lines over depth for {panel.title}: {measure.title}, one line for each of the strengths "
        f"{', '.join(part)}. Farthest off: {shown} at layer {worst['layers']}, strength {worst['push']}.",
        height=200,
    )
    y = _axis(measure, rows)
    variants = {
        unit: drawing(over_dose(unit, y, measure.title, signed=True, before=before).to_dict(validate=False))
        for unit in units
    }
    return replace(chart, variants=variants)


def _axis(measure: _Measure, rows: list[dict[str, Any]]) -> alt.Y:
    if measure is PERPLEXITY:
        # A ratio: half as much is as far from 1 as twice as much.
        scale, axis = alt.Scale(type="log", nice=False, domain=_around_one(rows)), alt.Axis(tickCount=5, format=".3~g")
    else:
        scale, axis = alt.Scale(domain=[0, 1]), alt.Axis(tickCount=5, format="%")
    return alt.Y("value:Q", title=measure.title, scale=scale, axis=axis)


def _lines(
    names: list[str], tones: dict[str, str], measure: _Measure, before: float, rows: list[dict[str, Any]]
) -> Layered:
    x = depth_axis([row["depth"] for row in rows], "depth")
    y = _axis(measure, rows)
    colour = alt.Color(
        "push:N", scale=alt.Scale(domain=names, range=[tones[name] for name in names]), legend=legend(names, "strength")
    )
    number = PERCENT if measure.percent else NUMBER
    tooltip = [
        alt.Tooltip("push:N", title="strength"),
        alt.Tooltip("layers:N", title="layer"),
        alt.Tooltip("depth:Q", title="depth", format=".2f"),
        alt.Tooltip("value:Q", title=measure.title, format=number),
        alt.Tooltip("low:Q", title="95% from", format=number),
        alt.Tooltip("high:Q", title="to", format=number),
    ]
    base = alt.Chart(source())
    single = base.transform_filter("!datum.set")
    shape = alt.Shape("set:N", scale=alt.Scale(domain=[False, True], range=["circle", "square"]), legend=None)
    band = single.mark_area(opacity=0.13).encode(x=x, y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), color=colour)
    return alt.layer(
        base.transform_aggregate(n="count()").mark_rule(color=UNSTEERED, strokeDash=[4, 3]).encode(y=alt.datum(before)),
        *([band] if len(tones) <= measure.bands else []),
        single.mark_line(strokeWidth=1.8).encode(x=x, y=y, color=colour),
        base.mark_point(filled=True, size=24, opacity=1).encode(x=x, y=y, color=colour, shape=shape),
        base.mark_point(filled=True, size=220, opacity=0).encode(x=x, y=y, tooltip=tooltip),
    )


def _around_one(rows: list[dict[str, Any]]) -> list[float]:
    """A domain of a ratio that holds 1 and every interval, never narrower than a tenth either way."""
    ends = [
        row[name] for row in rows for name in ("value", "low", "high") if math.isfinite(row[name]) and row[name] > 0
    ]
    return [min(0.9, *ends), max(1.1, *ends)]
