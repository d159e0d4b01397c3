"""How alike the vectors of a model's behaviors are: their cosines at one layer, and over depth where there are few."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd

from trimtab.analysis.formatting import fixed
from trimtab.analysis.samples import present, records
from trimtab.report.charts._palette import INK, UNSTEERED, effect_fill
from trimtab.report.charts.base import (
    NUMBER,
    SERIES_IN_ONE_CHART,
    Chart,
    Layered,
    colours,
    depth_axis,
    finished,
    legend,
    named_by,
    readable,
    slugged,
    source,
)
from trimtab.report.charts.heatmaps import wrapped

ROW = 30
NAMES = {
    "model": "model", "behavior": "behavior", "other": "other_behavior", "layer": "layer", "depth": "depth",
    "cosine": "cosine",
}  # fmt: skip


def behavior_cosines(cosines: pd.DataFrame, best: pd.DataFrame) -> list[Chart]:
    """Cosines of the behaviors' vectors with each other; a matrix for each model, and lines where pairs are few.

    Args:
        cosines: columns model, behavior, other, layer, depth, cosine, and `run` where there are several.
        best: chosen cells; the matrix is of the layer in the middle of those that its model has.
    """
    charts = []
    owner = present(cosines, ("run", "model")) if len(cosines) else []
    for _, table in cosines.groupby(owner, sort=False) if owner else ():
        first = records(table.head(1))[0]
        title = " · ".join(str(first[name]) for name in reversed(owner))
        layer = _layer(table, best, first)
        charts.append(_matrix(table[table["layer"] == layer], title, layer))
        if len(table[["behavior", "other"]].drop_duplicates()) <= SERIES_IN_ONE_CHART:
            charts.append(_over_depth(table, title))
    return charts


def _layer(table: pd.DataFrame, best: pd.DataFrame, about: dict[str, Any]) -> int:
    """The layer that is nearest to the middle of the chosen ones; without any, two thirds down."""
    mine = best[best["model"] == about["model"]] if len(best) else best
    if "run" in about and len(mine):
        mine = mine[mine["run"] == about["run"]]
    depth = float(mine["depth"].median()) if len(mine) else 2 / 3
    nearest = min(records(table), key=lambda row: abs(float(row["depth"]) - depth))
    return int(nearest["layer"])


def _matrix(table: pd.DataFrame, title: str, layer: int) -> Chart:
    known = [row for row in records(table) if math.isfinite(row["cosine"])]
    behaviors = list(dict.fromkeys([*table["behavior"].astype(str), *table["other"].astype(str)]))
    cells = [(str(row["behavior"]), str(row["other"]), row["cosine"]) for row in known]
    rows = [
        {"behavior": one, "other": other, "value": value, "text": fixed(value)}
        for a, b, value in cells
        for one, other in ((a, b), (b, a))
    ]
    rows += [{"behavior": name, "other": name, "value": 1.0, "text": "1"} for name in behaviors]
    top = max(known, key=lambda row: abs(float(row["cosine"])), default=None)
    most = f" Most alike or opposite: {top['behavior']} and {top['other']}, {fixed(top['cosine'])}." if top else ""
    return finished(
        _grid(behaviors),
        rows,
        readable(records(table), NAMES),
        slug=slugged("behavior-cosines", title),
        title=f"{title} · layer {layer}",
        alt_text=f"Heatmap for {title}: cosines of {len(behaviors)} behaviors’ vectors at layer {layer}.{most}",
        height=ROW * len(behaviors),
    )


def _grid(behaviors: list[str]) -> Layered:
    turned = len(behaviors) > 3
    lines = {name: wrapped(name, 16) for name in behaviors}
    across = alt.Axis(
        orient="top", title=None, ticks=False, domain=False, labelLimit=180, labelAngle=-40 if turned else 0,
        labelExpr=alt.Undefined if turned else named_by(lines),
    )  # fmt: skip
    down = alt.Axis(title=None, ticks=False, domain=False, labelLimit=130, labelExpr=named_by(lines))
    x = alt.X("other:N", axis=across, scale=alt.Scale(domain=behaviors, padding=0.04))
    y = alt.Y("behavior:N", axis=down, scale=alt.Scale(domain=behaviors, padding=0.06))
    tooltip = [
        alt.Tooltip("behavior:N", title="behavior"),
        alt.Tooltip("other:N", title="and"),
        alt.Tooltip("value:Q", title="cosine", format=NUMBER),
    ]
    base = alt.Chart(source())
    return alt.layer(
        base.mark_rect().encode(x=x, y=y, color=effect_fill("value", [-1.0, 1.0], "cosine"), tooltip=tooltip),
        base.properties(name="ink")
        .mark_text(fontSize=alt.ExprRef("clamp(bandwidth('x') / 3.6, 6, 11)"), color=INK)
        .encode(x=x, y=y, text="text:N", tooltip=tooltip),
    )


def _over_depth(table: pd.DataFrame, title: str) -> Chart:
    rows = [
        {
            "series": f"{row['behavior']} and {row['other']}", "layer": int(row["layer"]), "depth": row["depth"],
            "value": row["cosine"],
        }
        for row in records(table)
        if math.isfinite(row["cosine"])
    ]  # fmt: skip
    names = list(dict.fromkeys(str(row["series"]) for row in rows))
    last = {str(row["series"]): fixed(row["value"]) for row in rows}
    lowest = min([0.0, *(float(row["value"]) for row in rows)])
    y = alt.Y("value:Q", title="cosine", scale=alt.Scale(domain=[math.floor(lowest * 10) / 10, 1], nice=False),
              axis=alt.Axis(tickCount=5, grid=True))  # fmt: skip
    x = depth_axis([float(row["depth"]) for row in rows])
    colour = alt.Color("series:N", scale=colours(names, names), legend=legend(names))
    tooltip = [
        alt.Tooltip("series:N", title="vectors of"),
        alt.Tooltip("layer:Q", title="layer"),
        alt.Tooltip("value:Q", title="cosine", format=NUMBER),
    ]
    base = alt.Chart(source())
    chart = alt.layer(
        alt.Chart(source(), name="zero")
        .transform_aggregate(n="count()")
        .mark_rule(color=UNSTEERED, strokeWidth=1)
        .encode(y=alt.datum(0)),
        base.mark_line(strokeWidth=1.8).encode(x=x, y=y, color=colour),
        base.mark_point(filled=True, size=170, opacity=0).encode(x=x, y=y, tooltip=tooltip),
    )
    return finished(
        chart,
        rows,
        readable(records(table), NAMES),
        slug=slugged("behavior-cosines-by-layer", title),
        title=f"{title} · over depth",
        alt_text=f"Lines over depth for {title}: cosines of the behaviors’ vectors, at the last layer "
        + ", ".join(f"{name} {value}" for name, value in last.items()) + ".",
        height=190,
    )  # fmt: skip
