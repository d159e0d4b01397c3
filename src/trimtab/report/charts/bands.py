"""Curves scaled to 0–1, one band for each behavior: shapes to compare, not sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from trimtab.analysis.comparison import GROUP_PREFIX
from trimtab.analysis.samples import records
from trimtab.report.charts.base import (
    FAINT,
    INK,
    Chart,
    Layered,
    chunks,
    colours,
    finished,
    legend,
    readable,
    slugged,
    source,
)  # fmt: skip
from trimtab.report.charts.curves import DEPTH_AXIS, TITLES, Measure, at_best, panel_columns, panel_title

BAND = 84
DASHES = ([1, 0], [5, 3], [2, 2], [9, 3, 2, 3], [1, 4])
LOGIT, GENERATION = "logit delta", "change in answers"


def normalised_curves(effects: pd.DataFrame, best: pd.DataFrame, models: pd.DataFrame, measure: Measure) -> list[Chart]:
    """The layer curve of every model, each scaled to 0–1 between its least and largest value; a band a behavior.

    Only of behaviors that moved in the wanted direction: scaled noise looks like an effect. The first
    grouping of the models decides the style of their lines.
    """
    columns = panel_columns(best)
    if best.empty:
        return []
    table = at_best(effects, best[best["moved"].astype(bool) & (best["delta"] > 0)])
    table = table[table["reported_here"] & table[measure].notna() & ~table["layers"].str.contains("+", regex=False)]
    if table.empty or best[columns].drop_duplicates().shape[0] < 2:
        return []
    grouping, level = _grouping(models)
    rows = []
    for _, curve in table.groupby([*columns, "behavior"], sort=False):
        low, high = curve[measure].min(), curve[measure].max()
        if len(curve) < 2 or not high > low:
            continue
        for cell in records(curve.sort_values("depth")):
            rows.append(
                {
                    "behavior": str(cell["behavior"]), "series": panel_title(best, cell, columns),
                    "group": level.get(str(cell["model"]), ""), "layer": str(cell["layers"]), "depth": cell["depth"],
                    "value": (cell[measure] - low) / (high - low), "raw": cell[measure],
                }
            )  # fmt: skip
    everything = list(dict.fromkeys(str(row["series"]) for row in rows))
    names = {
        "behavior": "behavior", "series": "model", "group": grouping or "group", "layer": "layer", "depth": "depth",
        "raw": TITLES[measure], "value": "scaled to 0–1",
    }  # fmt: skip
    charts = []
    for part in chunks(everything):
        mine = [row for row in rows if row["series"] in part]
        levels = sorted({str(row["group"]) for row in mine if row["group"]})
        many = " ".join(part) if len(part) < len(everything) else ""
        charts.append(
            finished(
                *_banded(mine, part, everything, levels, "model"),
                readable(mine, names),
                slug=slugged("normalised", many),
                title="",
                alt_text=f"Line chart: {TITLES[measure]} over depth, scaled to 0–1, of {', '.join(part)}. "
                + _peaks(mine),
                height=BAND * len({str(row["behavior"]) for row in mine}),
            )
        )
    return charts


def answer_bands(curves: pd.DataFrame, agreement: pd.DataFrame) -> list[Chart]:
    """Logit delta and change in answers over depth, each scaled to 0–1; a chart for each model, a band a behavior."""
    charts = []
    said = {(row["model"], row["behavior"]): row for row in records(agreement)}
    for model, table in curves.groupby("model", sort=False):
        rows = []
        for cell in records(table):
            for series, name in ((LOGIT, "logit"), (GENERATION, "generation")):
                if pd.notna(cell[f"{name}_norm"]):
                    rows.append(
                        {
                            "behavior": str(cell["behavior"]), "series": series, "group": "", "depth": cell["depth"],
                            "layer": str(cell["layer"]), "value": cell[f"{name}_norm"], "raw": cell[name],
                        }
                    )  # fmt: skip
        if not rows:
            continue
        words = [
            f"{behavior}: r {said[model, behavior]['r']:.2f} over {said[model, behavior]['n_layers']} layers"
            for behavior in dict.fromkeys(table["behavior"])
        ]
        names = {"model": "model", "behavior": "behavior", "series": "what", "layer": "layer", "depth": "depth"}
        charts.append(
            finished(
                *_banded(rows, [LOGIT, GENERATION], [LOGIT, GENERATION], [], "what"),
                readable([{**r, "model": model} for r in rows], {**names, "raw": "value", "value": "scaled to 0–1"}),
                slug=slugged("answers", str(model)),
                title=str(model),
                alt_text=f"Line chart for {model}: logit delta and change in answers over depth. {'; '.join(words)}.",
                height=60 * len({str(row["behavior"]) for row in rows}),
            )
        )
    return charts


def _grouping(models: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """The first grouping that tells models apart, and the level of each model; ("", {}) without one."""
    for column in [name for name in models.columns if str(name).startswith(GROUP_PREFIX)]:
        known = models.dropna(subset=[column])
        if known[column].nunique() > 1:
            levels = dict(zip(known["model"].astype(str), known[column].astype(str), strict=True))
            return str(column).removeprefix(GROUP_PREFIX), levels
    return "", {}


def _peaks(rows: list[dict[str, Any]]) -> str:
    said = [f"{row['series']}, {row['behavior']}: layer {row['layer']}" for row in rows if row["value"] == 1]
    return f"Largest at: {'; '.join(said)}."


def _banded(
    rows: list[dict[str, Any]], names: Sequence[str], everything: Sequence[str], levels: Sequence[str], what: str
) -> tuple[Layered, list[dict[str, Any]]]:
    """The chart and its rows, placed in bands from the top down."""
    bands = list(dict.fromkeys(str(row["behavior"]) for row in rows))
    placed = [{**row, "place": bands.index(row["behavior"]) + 1 - 0.74 * row["value"]} for row in rows]
    heads = [{"behavior": name, "head": index} for index, name in enumerate(bands)]
    x = alt.X("depth:Q", title="depth (share of the layers passed)", scale=alt.Scale(domain=[0, 1]), axis=DEPTH_AXIS)
    down = alt.Axis(
        values=list(range(1, len(bands) + 1)), labels=False, tickCount=len(bands), ticks=False, grid=True, title=None
    )
    y = alt.Y("place:Q", scale=alt.Scale(domain=[len(bands), 0], nice=False), axis=down)
    colour = alt.Color("series:N", scale=colours(names, everything), legend=legend(names))
    line = alt.Chart(source()).transform_filter("isValid(datum.place)").mark_line(strokeWidth=1.8)
    if levels:
        styles = [DASHES[i % len(DASHES)] for i in range(len(levels))]
        scale = alt.Scale(domain=list(levels), range=styles)
        line = line.encode(strokeDash=alt.StrokeDash("group:N", scale=scale, legend=legend(levels)))
    tooltip = [
        alt.Tooltip("series:N", title=what),
        alt.Tooltip("behavior:N", title="behavior"),
        alt.Tooltip("layer:N", title="layer"),
        alt.Tooltip("value:Q", title="scaled to 0–1", format=".2f"),
        alt.Tooltip("raw:Q", title="value", format=".3~f"),
    ]
    points = alt.Chart(source()).transform_filter("isValid(datum.place)")
    head = alt.Chart(source(), name="ink").transform_filter("isValid(datum.head)")
    chart = alt.layer(
        line.encode(x=x, y=y, color=colour, detail="behavior:N"),
        points.mark_point(filled=True, size=200, opacity=0, color=FAINT).encode(x=x, y=y, tooltip=tooltip),
        head.mark_text(align="left", baseline="top", fontSize=11.5, fontWeight=600, color=INK, dy=3).encode(
            x=alt.value(2), y=alt.Y("head:Q"), text="behavior:N"
        ),
    )
    return chart, [*placed, *heads]
