"""Robustness: a forest plot of the share of the effect in every variant, with intervals."""

from __future__ import annotations

import json
import math
from typing import Any

import altair as alt
import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.formatting import percent, percent_with_interval
from trimtab.analysis.robustness import HALF, PLAIN_VARIANT
from trimtab.analysis.samples import records
from trimtab.report.charts._palette import FAINT, KEPT, LOST, REVERSED, UNSTEERED
from trimtab.report.charts.base import NUMBER, Chart, Layered, finished, legend, named_by, slugged, source
from trimtab.report.charts.heatmaps import wrapped
from trimtab.report.charts.panels import panels

MIN_SHARE, MAX_SHARE = -1.0, 2.0
"""Shares beyond these are drawn at the edge, as arrows, with their number beside them."""
AIR = 0.06
"""Room for an arrow between the edge and the names of the variants."""
ROW = 25
VERDICTS = {
    "kept": (KEPT, "circle"), "unclear": (UNSTEERED, "diamond"), "lost": (LOST, "square"),
    "reversed": (REVERSED, "cross"),
}  # fmt: skip


def survival_forests(table: pd.DataFrame) -> list[Chart]:
    """The share of the plain effect in each variant; a figure for each model and behavior that has a plain effect."""
    charts = []
    for panel in panels(table):
        known = [row for row in records(panel.rows) if math.isfinite(row["share"])]
        rows = [_row(row) for row in known if row["kind"] != PLAIN_VARIANT]
        if not rows:
            continue
        lines, labels = _lines(rows)
        counts = ", ".join(f"{sum(row['verdict'] == name for row in rows)} {name}" for name in VERDICTS)
        shares_in_words = "; ".join(f"“{row['variant']}” {row['text']}" for row in rows)
        charts.append(
            finished(
                _forest(lines, labels, rows),
                rows,
                panel.rows[panel.rows["share"].map(math.isfinite)],
                slug=slugged("robustness", panel.title),
                title=panel.title,
                alt_text=f"Forest plot for {panel.title}: share of the plain effect in "
                f"{plural(len(rows), 'variant')}: {counts}. {shares_in_words}.",
                height=ROW * len(lines),
            )
        )
    return charts


def _row(row: dict[str, Any]) -> dict[str, Any]:
    share, low, high = row["share"], row["share_low"], row["share_high"]
    text = percent_with_interval(share, low, high, (0.0, HALF, 1.0))
    found = {
        "kind": str(row["kind"]), "variant": str(row["variant"]), "share": share, "verdict": str(row["verdict"]),
        "text": text, "n": row["n"], "delta": row["delta"], "at": _inside(share), "from": _inside(low),
        "to": _inside(high),
    }  # fmt: skip
    # An arrow where something of it lies outside; where that is the share itself, its number takes the point's place.
    if min(share, low) < MIN_SHARE:
        found["left"] = MIN_SHARE
    if max(share, high) > MAX_SHARE:
        found["right"] = MAX_SHARE
    if not MIN_SHARE <= share <= MAX_SHARE:
        found["beyond"] = f"{percent(share)}, {row['verdict']}"
        found["side"] = "left" if share < MIN_SHARE else "right"
    return found


def _inside(value: float) -> float:
    return min(MAX_SHARE, max(MIN_SHARE, value))


def _lines(rows: list[dict[str, Any]]) -> tuple[list[str], dict[str, list[str]]]:
    """The lines of the figure from the top down, each kind with its variants below, and what stands beside them."""
    lines: list[str] = []
    labels: dict[str, list[str]] = {}
    for kind in dict.fromkeys(str(row["kind"]) for row in rows):
        lines.append(kind)
        labels[kind] = [kind]
        for variant in (str(row["variant"]) for row in rows if row["kind"] == kind):
            lines.append(variant)
            labels[variant] = wrapped(variant.removeprefix(f"{kind}: "), 24)
    return lines, labels


def _forest(lines: list[str], labels: dict[str, list[str]], rows: list[dict[str, Any]]) -> Layered:
    headings = [line for line in lines if not any(row["variant"] == line for row in rows)]
    bold = f"indexof({json.dumps(headings)}, datum.value) >= 0"
    axis = alt.Axis(
        title=None, ticks=False, grid=False, labelLimit=150,
        labelExpr=named_by(labels),
        labelFontWeight=alt.condition(bold, alt.value(700), alt.value(400)),
    )  # fmt: skip
    y = alt.Y("variant:N", scale=alt.Scale(domain=lines), axis=axis)
    ends = [min([0.0, *(row["from"] for row in rows)]) - AIR, max([1.2, *(row["to"] for row in rows)]) + AIR]
    marks = [-1, -0.5, 0, 0.5, 1, 1.5, 2]
    across = alt.Axis(values=marks, tickCount=len(marks), format="%")
    x = alt.X("at:Q", title="share of the plain effect", scale=alt.Scale(domain=ends, nice=False), axis=across)
    names = [name for name in VERDICTS if any(row["verdict"] == name for row in rows)]
    shown = legend(names, symbol=None)
    colour = alt.Color("verdict:N", scale=alt.Scale(domain=names, range=[VERDICTS[n][0] for n in names]), legend=shown)
    shape = alt.Shape("verdict:N", scale=alt.Scale(domain=names, range=[VERDICTS[n][1] for n in names]), legend=shown)
    tooltip = [
        alt.Tooltip("variant:N", title="variant"),
        alt.Tooltip("text:N", title="share"),
        alt.Tooltip("verdict:N", title="verdict"),
        alt.Tooltip("delta:Q", title="delta", format=NUMBER),
        alt.Tooltip("n:Q", title="prompts"),
    ]
    base = alt.Chart(source())
    once = base.transform_aggregate(n="count()")
    return alt.layer(
        once.properties(name="zero").mark_rule(color=UNSTEERED, strokeWidth=1.2).encode(x=alt.datum(0)),
        once.mark_rule(color=UNSTEERED, strokeWidth=1, strokeDash=[2, 3]).encode(x=alt.datum(HALF)),
        once.mark_rule(color=UNSTEERED, strokeWidth=1, strokeDash=[6, 3]).encode(x=alt.datum(1)),
        base.mark_rule(strokeWidth=1.8).encode(
            x=alt.X("from:Q"), x2=alt.X2("to:Q"), y=y, color=colour, tooltip=tooltip
        ),
        base.transform_filter("!datum.side")
        .mark_point(filled=True, size=80, opacity=1)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip),
        *(_arrow(base, end, y, colour) for end in ("left", "right") if any(end in row for row in rows)),
        *(_number(base, end, y) for end in ("left", "right") if any(row.get("side") == end for row in rows)),
    )


def _arrow(base: alt.Chart, end: str, y: alt.Y, colour: alt.Color) -> alt.Chart:
    drawn: alt.Chart = (
        base.transform_filter(f"isValid(datum.{end})")
        .mark_point(shape=f"triangle-{end}", filled=True, size=90, opacity=1)
        .encode(x=alt.X(f"{end}:Q"), y=y, color=colour)
    )
    return drawn


def _number(base: alt.Chart, end: str, y: alt.Y) -> alt.Chart:
    """The number of a share that lies outside, on its inner side."""
    drawn: alt.Chart = (
        base.transform_filter(f"datum.side === '{end}'")
        .properties(name="ink_floor" if end == "left" else "ink")
        .mark_text(align=end, dx=12 if end == "left" else -12, dy=-9, fontSize=10.5, color=FAINT)
        .encode(x=alt.X("at:Q"), y=y, text="beyond:N")
    )
    return drawn
