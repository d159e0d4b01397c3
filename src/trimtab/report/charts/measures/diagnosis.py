"""Are the pairs good? Measures of them over depth, and how steady the vector is by the number of pairs."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.diagnosis import steadiest
from trimtab.analysis.formatting import fixed
from trimtab.analysis.samples import records
from trimtab.report.charts._jitter_plots import HEIGHT, Style, line, stacked, strip, values
from trimtab.report.charts._palette import SERIES, UNSTEERED
from trimtab.report.charts.base import NUMBER, Chart, Layered, finished, legend, slugged, source
from trimtab.report.charts.panels import best_of, panels

MAIN, OTHER = SERIES[:2]
TWO, TRUTH = "of two such sets", "with infinitely many"
STRATIFIED, AT_RANDOM = "letters balanced", "split at random"
APART = 0.02
"""Where the two stabilities differ by less everywhere, a second line would cover the first."""
QUALITIES = {
    "consistency": "Consistency", "stability": "Stability", "normalisation": "Normalisation",
    "signal_to_noise": "Signal to noise",
}  # fmt: skip


def quality_plots(quality: pd.DataFrame, best: pd.DataFrame) -> list[Chart]:
    """Consistency, stability, normalisation and signal to noise over depth; a figure for each model and behavior."""
    charts = []
    for panel in panels(quality):
        table = records(panel.rows)
        known = [name for name in QUALITIES if panel.rows[name].notna().any()]
        if not known:
            continue
        rows = [row for name in known for row in line(table, name, QUALITIES[name], STRATIFIED)]
        differing = (panel.rows["stability"] - panel.rows["stability_random"]).abs().max() > APART
        if differing:
            rows += line(table, "stability_random", QUALITIES["stability"], AT_RANDOM)
        strips = [
            strip(title, values(rows, title), top=None if name == "signal_to_noise" else 1.0)
            for name, title in QUALITIES.items()
            if name in known
        ]
        series = {STRATIFIED: Style(MAIN, [1, 0])} | ({AT_RANDOM: Style(OTHER, [4, 3])} if differing else {})
        words = (f"{QUALITIES[name]} {_largest(table, name)}" for name in known)
        charts.append(
            finished(
                *stacked(
                    strips,
                    rows,
                    series,
                    best=best_of(panel, best),
                    legend=legend(list(series)) if differing else None,
                ),
                panel.rows,
                slug=slugged("pairs", panel.title),
                title=panel.title,
                alt_text=f"Lines over depth for {panel.title}, largest values: {'; '.join(words)}.",
                height=HEIGHT * len(strips),
            )
        )
    return charts


def pair_curves(curve: pd.DataFrame, quality: pd.DataFrame) -> list[Chart]:
    """Stability by number of pairs at the steadiest layer; a figure for each model and behavior."""
    charts = []
    qualities = panels(quality)
    for panel in panels(curve):
        row = next((steadiest(other.rows) for other in qualities if other.subject == panel.subject), None)
        if row is None:
            continue
        at = panel.rows[panel.rows["layer"] == row["layer"]].sort_values("pairs")
        points = records(at[at["stability"].notna()])
        if not points:
            continue
        now = next((point for point in points if point["extrapolated"]), points[-1])
        charts.append(
            finished(
                _by_number(points, int(now["pairs"]), "pairs" if math.isfinite(row["consistency"]) else "texts"),
                _curve_rows(points),
                at[at["stability"].notna()],
                slug=slugged("pair-curve", panel.title),
                title=f"{panel.title} · layer {row['layer']}",
                alt_text=f"Curve for {panel.title} at layer {row['layer']}: cosine of the vectors of two sets of pairs "
                f"by their size. {plural(now['pairs'], 'pair')}: {fixed(now['stability'])}, and "
                f"{fixed(now['to_truth'])} with the "
                "vector of infinitely many.",
                height=190,
            )
        )
    return charts


def _largest(table: list[dict[str, Any]], name: str) -> str:
    top = max((row for row in table if math.isfinite(row[name])), key=lambda row: float(row[name]))
    return f"{fixed(top[name])} at layer {top['layer']}"


def _curve_rows(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Two lines; the last measured point begins the extrapolated part too."""
    rows = []
    last = max((p["pairs"] for p in points if not p["extrapolated"]), default=None)
    for point in points:
        guessed = bool(point["extrapolated"])
        two = {"series": TWO, "value": point["stability"], "low": point["low"], "high": point["high"]}
        for drawn in (two, {"series": TRUTH, "value": point["to_truth"]}):
            row = {"pairs": int(point["pairs"]), **drawn, "guessed": guessed, "point": True}
            rows.append(row)
            if point["pairs"] == last and not guessed:
                rows.append({**row, "guessed": True, "point": False})
    return rows


def _by_number(points: list[dict[str, Any]], now: int, unit: str) -> Layered:
    """The figure; `unit` is what is counted: pairs, or the texts of two lists, which have no consistency."""
    lowest = min(0.0, *(float(point["low"]) for point in points))
    sizes = sorted({int(point["pairs"]) for point in points})
    axis = alt.Axis(values=sizes, tickCount=len(sizes), labelOverlap="greedy", labelSeparation=6, format="d")
    x = alt.X("pairs:Q", title=unit, scale=alt.Scale(type="log", nice=False, domain=[sizes[0], sizes[-1]]), axis=axis)
    y = alt.Y(
        "value:Q",
        title="cosine",
        scale=alt.Scale(domain=[math.floor(lowest * 10) / 10, 1], nice=False),
        axis=alt.Axis(tickCount=5, grid=True),
    )
    names = [TWO, TRUTH]
    colour = alt.Color("series:N", scale=alt.Scale(domain=names, range=[MAIN, OTHER]), legend=legend(names))
    tooltip = [
        alt.Tooltip("pairs:Q", title=unit),
        alt.Tooltip("series:N", title="cosine"),
        alt.Tooltip("value:Q", title="mean", format=NUMBER),
        alt.Tooltip("low:Q", title="middle 95% of draws from", format=NUMBER),
        alt.Tooltip("high:Q", title="to", format=NUMBER),
        alt.Tooltip("guessed:N", title="extrapolated"),
    ]
    base = alt.Chart(source())
    once = base.transform_aggregate(n="count()")
    measured, guessed = base.transform_filter("!datum.guessed"), base.transform_filter("datum.guessed")
    shown = base.transform_filter("datum.point")
    return alt.layer(
        measured.transform_filter("isValid(datum.low)")
        .mark_area(opacity=0.16)
        .encode(x=x, y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), color=colour),
        once.mark_rule(color=UNSTEERED, strokeWidth=1, strokeDash=[3, 3]).encode(x=alt.datum(now)),
        measured.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        guessed.mark_line(strokeWidth=2, strokeDash=[4, 3]).encode(x=x, y=y, color=colour),
        shown.transform_filter("!datum.guessed")
        .mark_point(filled=True, size=34, opacity=1)
        .encode(x=x, y=y, color=colour),
        shown.transform_filter("datum.guessed")
        .mark_point(filled=False, fill="#ffffff", size=34, opacity=1, strokeWidth=1.6)
        .encode(x=x, y=y, color=colour),
        shown.mark_point(filled=True, size=220, opacity=0).encode(x=x, y=y, tooltip=tooltip),
    )
