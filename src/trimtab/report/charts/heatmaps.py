"""Heatmaps of the effect: models by behaviors at their best cells, and behaviors by layer for each model."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd

from trimtab.analysis.samples import records
from trimtab.report.charts.base import INK, Chart, Layered, finished, named_by, readable, slugged, source
from trimtab.report.charts.curves import DEPTH_AXIS, TITLES, Measure, at_best, panel_columns, panel_title

TOWARDS, AWAY = "#2f7fc1", "#c9601a"
STRONGEST = 0.6
"""Opacity of the largest effect: ink stays readable on it, on a white page and on a dark one."""


def effect_heatmap(best: pd.DataFrame, measure: Measure) -> list[Chart]:
    """Models by behaviors, coloured by the effect at each one's best cell; none for a single model."""
    columns = panel_columns(best)
    known = best[best[measure].notna()]
    rows = []
    for cell in records(known):
        value = cell[measure]
        text = f"{value:.2f}".replace("-", "−")
        rows.append(
            {
                "model": panel_title(best, cell, columns), "behavior": str(cell["behavior"]), "value": value,
                "low": cell[f"{measure}_low"], "high": cell[f"{measure}_high"], "layer": str(cell["layers"]),
                "depth": cell["depth"], "text": text if cell["moved"] else f"({text})", "size": abs(value),
                "sign": "towards" if value >= 0 else "away",
            }
        )  # fmt: skip
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    behaviors = list(dict.fromkeys(str(row["behavior"]) for row in rows))
    if len(models) < 2:
        return []
    names = {
        "model": "model", "behavior": "behavior", "value": TITLES[measure], "low": "95% from", "high": "to",
        "layer": "layer", "depth": "depth",
    }  # fmt: skip
    said = [_extreme(rows, name) for name in behaviors]
    return [
        finished(
            _grid(models, behaviors, max(row["size"] for row in rows), measure),
            rows,
            readable(rows, names),
            slug="heatmap",
            title="",
            alt_text=f"Heatmap of {TITLES[measure]}, {len(models)} models by {len(behaviors)} behaviors. "
            + "; ".join(said) + ".",
            height=36 * len(models),
        )
    ]  # fmt: skip


def layer_heatmaps(effects: pd.DataFrame, best: pd.DataFrame, measure: Measure) -> list[Chart]:
    """Behaviors by depth for each model with several behaviors, at the strengths of the best cells."""
    table = at_best(effects, best)
    table = table[table["reported_here"] & table[measure].notna() & ~table["layers"].str.contains("+", regex=False)]
    largest = float(table[measure].abs().max()) if len(table) else 0.0
    columns = panel_columns(best)
    charts = []
    for _, mine in table.groupby(columns, sort=False):
        behaviors = list(dict.fromkeys(mine["behavior"].astype(str)))
        if len(behaviors) < 2:
            continue
        title = panel_title(best, records(mine.head(1))[0], columns)
        rows = [_layer_row(cell, measure) for cell in records(mine)]
        peaks = [f"{row['behavior']} at layer {row['layer']}" for row in rows if row["best"]]
        names = {"behavior": "behavior", "layer": "layer", "depth": "depth", "value": TITLES[measure]}
        charts.append(
            finished(
                _strips(behaviors, largest, measure),
                rows,
                readable([{**row, "model": title} for row in rows], {"model": "model", **names}),
                slug=slugged("layer-heatmap", title),
                title=title,
                alt_text=f"Heatmap for {title}: {TITLES[measure]} of each behavior by layer. Best: {', '.join(peaks)}.",
                height=24 * len(behaviors),
            )
        )
    return charts


def wrapped(name: str, width: int = 20) -> list[str]:
    """A name in lines of about this width, broken after hyphens, slashes and spaces."""
    lines = [""]
    for part in name.replace("-", "-\0").replace("/", "/\0").replace(" ", " \0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines]


def _extreme(rows: list[dict[str, Any]], behavior: str) -> str:
    top = max((row for row in rows if row["behavior"] == behavior), key=lambda row: row["value"])
    return f"{behavior}: largest in {top['model']}, {top['value']:.2f} at layer {top['layer']}"


def _layer_row(cell: dict[str, Any], measure: Measure) -> dict[str, Any]:
    depth, layer = cell["depth"], int(cell["layer"])
    return {
        "behavior": str(cell["behavior"]), "layer": str(cell["layers"]), "depth": depth,
        "start": depth * layer / (layer + 1), "value": cell[measure], "size": abs(cell[measure]),
        "sign": "towards" if cell[measure] >= 0 else "away", "best": bool(cell["best"]),
    }  # fmt: skip


def _tone(largest: float) -> dict[str, Any]:
    """Blue for effects in the wanted direction, orange against it, the fuller the larger."""
    scale = alt.Scale(domain=["towards", "away"], range=[TOWARDS, AWAY])
    top = largest if largest > 0 and math.isfinite(largest) else 1.0
    return {
        "color": alt.Color("sign:N", scale=scale, legend=None),
        "opacity": alt.Opacity(
            "size:Q", scale=alt.Scale(domain=[0, top], range=[0.03, STRONGEST], clamp=True), legend=None
        ),
    }


def _grid(models: list[str], behaviors: list[str], largest: float, measure: Measure) -> Layered:
    angle = -40 if len(behaviors) > 2 else 0
    across = alt.Axis(orient="top", labelAngle=angle, labelLimit=140, title=None, ticks=False, domain=False)
    x = alt.X("behavior:N", axis=across, scale=alt.Scale(domain=behaviors, padding=0.03))
    down = alt.Axis(
        labelExpr=named_by({name: wrapped(name) for name in models}),
        labelLimit=150,
        title=None,
        labelPadding=8,
        ticks=False,
    )
    y = alt.Y("model:N", axis=down, scale=alt.Scale(domain=models, padding=0.06))
    number = ".3~f"
    tooltip = [
        alt.Tooltip("model:N", title="model"),
        alt.Tooltip("behavior:N", title="behavior"),
        alt.Tooltip("value:Q", title=TITLES[measure], format=number),
        alt.Tooltip("low:Q", title="95% from", format=number),
        alt.Tooltip("high:Q", title="to", format=number),
        alt.Tooltip("layer:N", title="layer"),
        alt.Tooltip("depth:Q", title="depth", format=".2f"),
    ]
    base = alt.Chart(source())
    return alt.layer(
        base.mark_rect().encode(x=x, y=y, tooltip=tooltip, **_tone(largest)),
        base.properties(name="ink").mark_text(fontSize=11, color=INK).encode(x=x, y=y, text="text:N", tooltip=tooltip),
    )


def _strips(behaviors: list[str], largest: float, measure: Measure) -> Layered:
    x = alt.X("start:Q", title="depth", scale=alt.Scale(domain=[0, 1]), axis=DEPTH_AXIS)
    down = alt.Axis(title=None, labelLimit=120, ticks=False)
    y = alt.Y("behavior:N", axis=down, scale=alt.Scale(domain=behaviors, padding=0.1))
    tooltip = [
        alt.Tooltip("behavior:N", title="behavior"),
        alt.Tooltip("layer:N", title="layer"),
        alt.Tooltip("depth:Q", title="depth", format=".2f"),
        alt.Tooltip("value:Q", title=TITLES[measure], format=".3~f"),
    ]
    base = alt.Chart(source())
    mark = base.transform_filter("datum.best").transform_calculate(middle="(datum.start + datum.depth) / 2")
    return alt.layer(
        base.mark_rect().encode(x=x, x2="depth:Q", y=y, tooltip=tooltip, **_tone(largest)),
        mark.properties(name="ink")
        .mark_point(shape="diamond", filled=True, size=50, color=INK, opacity=1)
        .encode(x=alt.X("middle:Q"), y=y, tooltip=tooltip),
    )
