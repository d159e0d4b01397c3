"""Scatter plots: effects of models against their architecture, and effect size against change in answers."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from trimtab.analysis.samples import records
from trimtab.report.charts.base import FAINT, INK, Chart, chunks, colours, finished, legend, readable, slugged, source

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
        colour = alt.Color("model:N", scale=colours(part, everything), legend=legend(part, symbol="circle"))
        tooltip = [
            alt.Tooltip("model:N", title="model"),
            alt.Tooltip("behavior:N", title="behavior"),
            alt.Tooltip("glass:Q", title="Glass’s Δ", format=".3~f"),
            alt.Tooltip("change:Q", title="change in answers", format=".0%"),
        ]
        x = alt.X("glass:Q", title="Glass’s Δ at the best cell", axis=alt.Axis(tickCount=6, domain=False))
        y = alt.Y("change:Q", title="change in answers", axis=alt.Axis(tickCount=5, grid=True, format="%"))
        dots = alt.Chart(source()).mark_point(filled=True, size=70, opacity=0.9)
        largest = max(rows, key=lambda row: row["change"])
        names = {"model": "model", "behavior": "behavior", "glass": "Glass’s Δ", "delta": "delta"}
        charts.append(
            finished(
                alt.layer(dots.encode(x=x, y=y, color=colour, tooltip=tooltip)),
                rows,
                readable(rows, {**names, "change": "change in the share of matching answers"}),
                slug=slugged("answers-effect", " ".join(part) if len(part) < len(everything) else ""),
                title="",
                alt_text=f"Scatter plot of {len(rows)} models and behaviors: Glass’s Δ against the change in answers. "
                f"Answers change most for {largest['behavior']} in {largest['model']}, by {largest['change']:.0%} at "
                f"Δ {largest['glass']:.2f}.",
                height=260,
            )
        )
    return charts


def _repeats(table: pd.DataFrame, attribute: str) -> bool:
    """Without experts every parameter is active: the same picture twice."""
    return attribute == "active_parameters" and bool(np.array_equal(table[attribute], table["parameters"]))


def _scatter(table: pd.DataFrame, told: dict[str, Any], kind: str) -> Chart:
    measure, attribute = str(told["measure"]), str(told["attribute"])
    known = table.dropna(subset=[measure, attribute])
    rows = [
        {"model": str(r["model"]), "number": str(r["number"]), "x": r[attribute], "y": r[measure]}
        for r in records(known)
    ]
    title = f"{SIZES[measure]} by {NAMES[attribute]}{f' ({kind})' if kind else ''}"
    said = f"r = {told['r']:.2f}"
    if math.isfinite(told["low"]):
        said += f" [{told['low']:.2f}, {told['high']:.2f}]"
    said = f"{said}, n = {int(told['n'])}".replace("-", "−")
    tooltip = [
        alt.Tooltip("model:N", title="model"),
        alt.Tooltip("x:Q", title=NAMES[attribute], format=".4~s"),
        alt.Tooltip("y:Q", title=SIZES[measure], format=".3~f"),
    ]
    around = alt.Scale(zero=False, nice=True, padding=14)
    billions = "replace(format(datum.value, '~s'), 'G', ' B')"
    across = alt.Axis(tickCount=4, labelExpr=billions, domain=False)
    x = alt.X("x:Q", title=NAMES[attribute], scale=around, axis=across)
    y = alt.Y("y:Q", title=SIZES[measure], scale=around, axis=alt.Axis(tickCount=4, grid=True))
    base = alt.Chart(source()).encode(x=x, y=y, tooltip=tooltip)
    return finished(
        alt.layer(
            base.mark_point(filled=True, size=60, opacity=1, color="#2f7fc1"),
            base.properties(name="ink").mark_text(dx=9, dy=-6, fontSize=10.5, color=INK).encode(text="number:N"),
        ).properties(title=alt.Title(said, anchor="start", fontSize=11, fontWeight="normal", color=FAINT)),
        rows,
        readable(rows, {"number": "number", "model": "model", "x": NAMES[attribute], "y": SIZES[measure]}),
        slug=slugged("architecture", measure.removeprefix("mean_"), attribute, kind),
        title=title,
        alt_text=f"Scatter plot of {title} of {len(rows)} models: {said}.",
        height=150,
        picture_width=340,
    )
