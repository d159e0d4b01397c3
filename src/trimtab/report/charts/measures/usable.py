"""Usable strengths: the range at each layer in which replies stay coherent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import altair as alt
import pandas as pd

from trimtab.analysis.formatting import plain
from trimtab.analysis.samples import records
from trimtab.report._speakers import Speaker
from trimtab.report._strength_units import SIGNED
from trimtab.report.charts._palette import UNSTEERED
from trimtab.report.charts.base import NUMBER, Chart, Layered, finished, readable, slugged, source
from trimtab.report.charts.measures.doses import COLUMNS, TITLES, direction_colour, renamed
from trimtab.report.charts.measures.reply_heatmaps import LABELS, MAX_ROW, MIN_ROW, ROWS_HEIGHT

CSV = {
    "model": "model", "behavior": "behavior", "judge": "judge", "scale": "scale", "positions": "positions",
    "layers": "layer", "depth": "depth", "direction": "direction", "usable": "usable_strength",
    **{f"usable_{name}": f"usable_{title}" for name, title in COLUMNS.items()}, "largest": "largest_strength",
    **{f"largest_{name}": f"largest_{title}" for name, title in COLUMNS.items()},
    "change": "change_points", "coherence": "coherence_0_to_10",
}  # fmt: skip


def usable_ranges(speakers: list[Speaker]) -> list[Chart]:
    """For each layer the strengths, either way, at which replies stay coherent; one chart for each speaker."""
    return [_ranges(speaker, len(speakers) > 1) for speaker in speakers if len(speaker.usable)]


def _ranges(speaker: Speaker, several: bool) -> Chart:
    table = speaker.usable.sort_values(["layer", "layers"], ascending=False)
    layers = list(dict.fromkeys(table["layers"].astype(str)))
    units = [name for name in COLUMNS if f"usable_{name}" in table and table[f"usable_{name}"].notna().any()]
    rows = [_row(row, units) for row in records(table)]
    title = f"strength ({speaker.owner['scale']})"
    widest = max(records(table), key=lambda row: row["usable"])
    height = len(layers) * max(MIN_ROW, min(MAX_ROW, ROWS_HEIGHT // max(1, len(layers)))) + 10
    names = {name: heading for name, heading in CSV.items() if name in table.columns}
    chart = finished(
        _chart(layers, title),
        rows,
        readable(records(table), names),
        slug=slugged("usable", speaker.title),
        title=speaker.title if several else "",
        alt_text=f"Range chart for {speaker.title}: strengths at which {speaker.coherence} stays at "
        f"{plain(speaker.floor)} or above, by layer. "
        f"Widest: up to {plain(widest['usable'])} at layer {widest['layers']}.",
        height=height,
    )
    variants = {
        name: renamed(chart.spec, {"usable": f"usable_{name}", "largest": f"largest_{name}"}, {title: TITLES[name]})
        for name in units
    }
    return replace(chart, variants=variants)


def _row(row: dict[str, Any], units: list[str]) -> dict[str, Any]:
    # On an axis with two ends a divergence, which has no sign, goes the way of its strength.
    signs = {name: 1 if name in SIGNED else row["direction"] for name in units}
    others = {f"{end}_{name}": signs[name] * row[f"{end}_{name}"] for end in ("usable", "largest") for name in units}
    # An end that no dose was measured for is left out rather than drawn at 0.
    known = {name: None if pd.isna(value) else value for name, value in others.items()}
    return {
        "layers": str(row["layers"]), "usable": row["usable"] * row["direction"],
        "largest": row["largest"] * row["direction"], "sign": "+" if row["direction"] > 0 else "−",
        "change": row["change"], "coherence": row["coherence"], **{k: v for k, v in known.items() if v is not None},
    }  # fmt: skip


def _chart(layers: list[str], title: str) -> Layered:
    named = layers[:: -(-len(layers) // LABELS)]
    down = alt.Axis(title="layer", values=named, ticks=False, labelLimit=90)
    y = alt.Y("layers:N", sort=layers, axis=down)
    x = alt.X("usable:Q", title=title, scale=alt.Scale(padding=10), axis=alt.Axis(tickCount=7, grid=True))
    end = alt.X("largest:Q", title=title)
    colour = direction_colour("sign")
    tooltip = [
        alt.Tooltip("layers:N", title="layer"),
        alt.Tooltip("usable:Q", title="usable up to", format=NUMBER),
        alt.Tooltip("largest:Q", title="tried up to", format=NUMBER),
        alt.Tooltip("change:Q", title="change there", format=NUMBER),
        alt.Tooltip("coherence:Q", title="coherence there", format=NUMBER),
    ]
    base = alt.Chart(source())
    zero = alt.Chart(source(), name="zero").transform_aggregate(n="count()")
    return alt.layer(
        base.transform_calculate(from_zero="0")
        .mark_rule(color="#9aa3aa", strokeWidth=1, opacity=0.6)
        .encode(x=end, x2=alt.X2("from_zero:Q"), y=y, tooltip=tooltip),
        base.transform_calculate(from_zero="0")
        .mark_rule(strokeWidth=5, strokeCap="butt")
        .encode(x=x, x2=alt.X2("from_zero:Q"), y=y, color=colour, tooltip=tooltip),
        base.mark_point(filled=True, size=44, opacity=1).encode(x=x, y=y, color=colour, tooltip=tooltip),
        zero.mark_rule(color=UNSTEERED, strokeWidth=1).encode(x=alt.datum(0)),
    )
