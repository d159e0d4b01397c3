"""Curves scaled to 0–1, one band for each behavior: shapes to compare, not sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.comparison import GROUP_PREFIX
from trimtab.analysis.formatting import with_interval
from trimtab.analysis.samples import records
from trimtab.report.charts._palette import FAINT, INK
from trimtab.report.charts.base import (
    NUMBER,
    Chart,
    Layered,
    chunks,
    colours,
    depth_axis,
    finished,
    legend,
    readable,
    slugged,
    source,
)
from trimtab.report.charts.curves import TITLES, Measure, at_best, effect_column, panel_columns, panel_title

BAND = 84
DASHES = ([1, 0], [5, 3], [2, 2], [9, 3, 2, 3], [1, 4])
LOGIT, GENERATION = "logit delta", "change in answers"


def normalised_curves(effects: pd.DataFrame, best: pd.DataFrame, models: pd.DataFrame, measure: Measure) -> list[Chart]:
    """The layer curve of every model, each scaled to 0–1 between its least and largest value; a band a behavior.

    Only of behaviors that moved in the wanted direction: scaled noise looks like an effect. The first
    grouping of the models decides the style of their lines. Scorings have charts of their own.
    """
    if best.empty:
        return []
    table = at_best(effects, best[best["moved"].astype(bool) & (best["delta"] > 0)])
    table = table[table["reported_here"] & table[measure].notna() & ~table["layers"].str.contains("+", regex=False)]
    kinds = best.groupby("scoring", sort=False)
    charts = []
    for scoring, mine in kinds:
        title = f"{scoring} scoring" if len(kinds) > 1 else ""
        charts += _normalised(table[table["scoring"] == scoring], mine, models, measure, title)
    return charts


def _normalised(
    table: pd.DataFrame, best: pd.DataFrame, models: pd.DataFrame, measure: Measure, title: str
) -> list[Chart]:
    columns = [name for name in panel_columns(best) if name != "scoring"]
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
        "behavior": "behavior", "series": "model", **({"group": "group"} if grouping else {}), "layer": "layer",
        "depth": "depth", "raw": effect_column(measure, best["scoring"]), "value": "scaled_0_to_1",
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
                slug=slugged("normalised", title, many),
                title=title,
                alt_text=f"Line chart: {TITLES[measure]} over depth, scaled to 0–1, of {', '.join(part)}. "
                + _peaks(mine),
                height=BAND * len({str(row["behavior"]) for row in mine}),
            )
        )
    return charts


def answer_plots(curves: pd.DataFrame, agreement: pd.DataFrame) -> list[Chart]:
    """Logit delta and change in answers over depth, each scaled to 0–1; a chart for each model, a band a behavior."""
    charts = []
    agreed = {(row["model"], row["behavior"]): row for row in records(agreement)}
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
            f"{behavior}: r {_r(agreed[model, behavior])} over {plural(agreed[model, behavior]['n_layers'], 'layer')}"
            for behavior in dict.fromkeys(table["behavior"])
        ]
        names = {"model": "model", "behavior": "behavior", "series": "measure", "layer": "layer", "depth": "depth"}
        charts.append(
            finished(
                *_banded(rows, [LOGIT, GENERATION], [LOGIT, GENERATION], [], "what"),
                readable([{**r, "model": model} for r in rows], {**names, "raw": "value", "value": "scaled_0_to_1"}),
                slug=slugged("answers", str(model)),
                title=str(model),
                alt_text=f"Line chart for {model}: logit delta and change in answers over depth. {'; '.join(words)}.",
                height=60 * len({str(row["behavior"]) for row in rows}),
            )
        )
    return charts


def _r(row: dict[str, Any]) -> str:
    return with_interval(row["r"], row["low"], row["high"])


def _grouping(models: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """The first grouping with several levels, and the level of each model; ("", {}) without one."""
    for column in [name for name in models.columns if str(name).startswith(GROUP_PREFIX)]:
        known = models.dropna(subset=[column])
        if known[column].nunique() > 1:
            levels = dict(zip(known["model"].astype(str), known[column].astype(str), strict=True))
            return str(column).removeprefix(GROUP_PREFIX), levels
    return "", {}


def _peaks(rows: list[dict[str, Any]]) -> str:
    peaks = [f"{row['series']}, {row['behavior']}: layer {row['layer']}" for row in rows if row["value"] == 1]
    return f"Largest at: {'; '.join(peaks)}."


def _banded(
    rows: list[dict[str, Any]], names: Sequence[str], everything: Sequence[str], levels: Sequence[str], what: str
) -> tuple[Layered, list[dict[str, Any]]]:
    """The chart and its rows, placed in bands from the top down."""
    bands = list(dict.fromkeys(str(row["behavior"]) for row in rows))
    placed = [{**row, "place": bands.index(row["behavior"]) + 1 - 0.74 * row["value"]} for row in rows]
    heads = [{"behavior": name, "head": index} for index, name in enumerate(bands)]
    x = depth_axis(row["depth"] for row in rows)
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
        alt.Tooltip("raw:Q", title="value", format=NUMBER),
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
