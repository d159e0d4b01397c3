"""Scatter plots: effects of models against their architecture, and effect size against change in answers."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.formatting import fixed, percent, with_interval
from trimtab.analysis.samples import records
from trimtab.report.charts._palette import FAINT, INK, SERIES
from trimtab.report.charts.base import (
    NUMBER,
    PERCENT,
    Chart,
    chunks,
    colours,
    finished,
    legend,
    readable,
    shapes,
    slugged,
    source,
)

SIZES = {"mean_glass": "mean Δ", "mean_delta": "mean delta", "mean_depth": "mean depth"}
NAMES = {
    "layers": "layers", "heads": "heads", "width": "width", "parameters": "parameters",
    "active_parameters": "active parameters", "parameters_per_layer": "parameters per layer",
}  # fmt: skip


def architecture_scatters(by_model: pd.DataFrame, models: pd.DataFrame, correlations: pd.DataFrame) -> list[Chart]:
    """Mean effect and depth of each model against each attribute that varies; dots carry the model's number.

    Engines and scorings each have charts of their own: their numbers are not of one kind.
    """
    table = by_model.reset_index(drop=True)
    table = table.assign(number=table.index + 1).merge(models, on="model")
    overall = correlations[correlations["among"] == "all models"]
    kinds = [name for name in ("engine", "scoring") if overall[name].nunique() > 1]
    charts = []
    for row in records(overall):
        mine = table[(table["engine"] == row["engine"]) & (table["scoring"] == row["scoring"])]
        if not _repeats(mine, str(row["attribute"])):
            charts.append(_scatter(mine, row, ", ".join(str(row[name]) for name in kinds)))
    return charts


def answer_scatter(agreement: pd.DataFrame) -> list[Chart]:
    """Δ at the best cell against the change in the share of matching answers there; a dot a model and behavior."""
    known = agreement.dropna(subset=["glass", "change"]) if len(agreement) else agreement
    if len(known) < 3:
        return []
    everything = list(dict.fromkeys(known["model"].astype(str)))
    charts = []
    for part in chunks(everything):
        rows = records(known[known["model"].isin(part)][["model", "behavior", "glass", "change", "delta"]])
        shown = legend(part, symbol=None)
        colour = alt.Color("model:N", scale=colours(part, everything), legend=shown)
        tooltip = [
            alt.Tooltip("model:N", title="model"),
            alt.Tooltip("behavior:N", title="behavior"),
            alt.Tooltip("glass:Q", title="Glass’s Δ", format=NUMBER),
            alt.Tooltip("change:Q", title="change in answers", format=PERCENT),
        ]
        x = alt.X("glass:Q", title="Glass’s Δ at the chosen cell", axis=alt.Axis(tickCount=6))
        y = alt.Y("change:Q", title="change in answers", axis=alt.Axis(tickCount=5, grid=True, format="%"))
        shape = alt.Shape("model:N", scale=shapes(part, everything), legend=shown)
        dots = alt.Chart(source()).mark_point(filled=True, size=70, opacity=0.9)
        largest = max(rows, key=lambda row: row["change"])
        names = {"model": "model", "behavior": "behavior", "glass": "glass_delta_sd", "delta": "delta_logits"}
        charts.append(
            finished(
                alt.layer(dots.encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip)),
                rows,
                readable(rows, {**names, "change": "change_in_answers_share"}),
                slug=slugged("answers-effect", " ".join(part) if len(part) < len(everything) else ""),
                title="",
                alt_text=f"Scatter plot of {len(rows)} models and behaviors: Glass’s Δ against the change in answers. "
                f"Answers change most for {largest['behavior']} in {largest['model']}, by "
                f"{percent(largest['change'])} at "
                f"Δ {fixed(largest['glass'])}.",
                height=260,
            )
        )
    return charts


def _repeats(table: pd.DataFrame, attribute: str) -> bool:
    """Without experts every parameter is active: the same picture twice."""
    return attribute == "active_parameters" and bool(np.array_equal(table[attribute], table["parameters"]))


def _scatter(table: pd.DataFrame, correlation: dict[str, Any], kind: str) -> Chart:
    measure, attribute = str(correlation["measure"]), str(correlation["attribute"])
    known = table.dropna(subset=[measure, attribute])
    rows = [
        {"model": str(r["model"]), "number": str(r["number"]), "x": r[attribute], "y": r[measure]}
        for r in records(known)
    ]
    title = f"{SIZES[measure]} by {NAMES[attribute]}{f' ({kind})' if kind else ''}"
    r_in_words = (
        f"r = {with_interval(correlation['r'], correlation['low'], correlation['high'])}, n = {int(correlation['n'])}"
    )
    tooltip = [
        alt.Tooltip("model:N", title="model"),
        alt.Tooltip("x:Q", title=NAMES[attribute], format=".4~s"),
        alt.Tooltip("y:Q", title=SIZES[measure], format=NUMBER),
    ]
    around = alt.Scale(zero=False, nice=True, padding=14)
    billions = "replace(format(datum.value, '~s'), 'G', ' B')"
    across = alt.Axis(tickCount=4, labelExpr=billions)
    x = alt.X("x:Q", title=NAMES[attribute], scale=around, axis=across)
    y = alt.Y("y:Q", title=SIZES[measure], scale=around, axis=alt.Axis(tickCount=4, grid=True))
    base = alt.Chart(source()).encode(x=x, y=y, tooltip=tooltip)
    return finished(
        alt.layer(
            base.mark_point(filled=True, size=60, opacity=1, color=SERIES[0]),
            base.properties(name="ink").mark_text(dx=9, dy=-6, fontSize=10.5, color=INK).encode(text="number:N"),
        ).properties(title=alt.Title(r_in_words, anchor="start", fontSize=11, fontWeight="normal", color=FAINT)),
        rows,
        readable(rows, {"number": "number", "model": "model", "x": attribute, "y": measure}),
        slug=slugged("architecture", measure.removeprefix("mean_"), attribute, kind),
        title=title,
        alt_text=f"Scatter plot of {title} of {plural(len(rows), 'model')}: {r_in_words}.",
        height=150,
    )
