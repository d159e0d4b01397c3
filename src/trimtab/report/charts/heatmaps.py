"""Heatmaps of the effect: models by behaviors at their best cells, and behaviors by layer for each model."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.formatting import ZERO, fixed, with_interval
from trimtab.analysis.samples import records
from trimtab.report.charts._palette import INK, effect_fill
from trimtab.report.charts.base import NUMBER, Chart, Layered, depth_axis, finished, named_by, readable, slugged, source
from trimtab.report.charts.curves import TITLES, Measure, at_best, effect_column, panel_columns, panel_title


def effect_heatmap(best: pd.DataFrame, measure: Measure) -> list[Chart]:
    """Models by behaviors, coloured by the effect at each one's best cell; none for a single model.

    Scorings have a chart of their own each: their numbers are not of one kind.
    """
    columns = [name for name in panel_columns(best) if name != "scoring"]
    kinds = best.groupby("scoring", sort=False)
    charts = [_effects(table, str(scoring), columns, measure, several=len(kinds) > 1) for scoring, table in kinds]
    return [chart for chart in charts if chart]


def _effects(best: pd.DataFrame, scoring: str, columns: list[str], measure: Measure, *, several: bool) -> Chart | None:
    known = best[best[measure].notna()]
    rows = []
    for cell in records(known):
        value = cell[measure]
        text = fixed(value, 2, ZERO if cell["moved"] else ())
        rows.append(
            {
                "model": panel_title(best, cell, columns), "behavior": str(cell["behavior"]), "value": value,
                "low": cell[f"{measure}_low"], "high": cell[f"{measure}_high"], "layer": str(cell["layers"]),
                "depth": cell["depth"], "text": text if cell["moved"] else f"({text})",
            }
        )  # fmt: skip
    models = list(dict.fromkeys(str(row["model"]) for row in rows))
    behaviors = list(dict.fromkeys(str(row["behavior"]) for row in rows))
    if len(models) < 2:
        return None
    names = {
        "model": "model", "behavior": "behavior", "value": effect_column(measure, [scoring]), "low": "ci95_low",
        "high": "ci95_high", "layer": "layer", "depth": "depth",
    }  # fmt: skip
    described = [_in_words(rows, name) for name in behaviors]
    return finished(
        _grid(models, behaviors, [row["value"] for row in rows], measure),
        rows,
        readable(rows, names),
        slug=slugged("heatmap", scoring if several else ""),
        title=f"{scoring} scoring" if several else "",
        alt_text=f"Heatmap of {TITLES[measure]}, {plural(len(models), 'model')} by "
        f"{plural(len(behaviors), 'behavior')}. " + "; ".join(described) + ".",
        height=36 * len(models),
    )


def layer_heatmaps(effects: pd.DataFrame, best: pd.DataFrame, measure: Measure) -> list[Chart]:
    """Behaviors by depth for each model with several behaviors, at the strengths of the best cells."""
    table = at_best(effects, best)
    table = table[table["reported_here"] & table[measure].notna() & ~table["layers"].str.contains("+", regex=False)]
    columns = panel_columns(best)
    shared = {kind: [float(value) for value in alike[measure]] for kind, alike in table.groupby("scoring")}
    charts = []
    for _, mine in table.groupby(columns, sort=False):
        behaviors = list(dict.fromkeys(mine["behavior"].astype(str)))
        if len(behaviors) < 2:
            continue
        title = panel_title(best, records(mine.head(1))[0], columns)
        rows = [_layer_row(cell, measure) for cell in records(mine)]
        peaks = [f"{row['behavior']} at layer {row['layer']}" for row in rows if row["best"]]
        kind = mine["scoring"].iloc[0]
        effect = effect_column(measure, [kind])
        names = {"behavior": "behavior", "layer": "layer", "depth": "depth", "value": effect}
        charts.append(
            finished(
                _strips(behaviors, shared[kind], measure, [*table["depth"], *(row["start"] for row in rows)]),
                rows,
                readable([{**row, "model": title} for row in rows], {"model": "model", **names}),
                slug=slugged("layer-heatmap", title),
                title=title,
                alt_text=f"Heatmap for {title}: {TITLES[measure]} of each behavior by layer. Chosen: "
                f"{', '.join(peaks)}.",
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


def _in_words(rows: list[dict[str, Any]], behavior: str) -> str:
    described = [
        f"{row['model']} {with_interval(row['value'], row['low'], row['high'])} at layer {row['layer']}"
        for row in rows
        if row["behavior"] == behavior
    ]
    return f"{behavior}: {', '.join(described)}"


def _layer_row(cell: dict[str, Any], measure: Measure) -> dict[str, Any]:
    depth, layer = cell["depth"], int(cell["layer"])
    return {
        "behavior": str(cell["behavior"]), "layer": str(cell["layers"]), "depth": depth,
        "start": depth * layer / (layer + 1), "value": cell[measure], "best": bool(cell["best"]),
    }  # fmt: skip


def _grid(models: list[str], behaviors: list[str], values: list[float], measure: Measure) -> Layered:
    few = len(behaviors) <= 4
    across = alt.Axis(
        orient="top",
        labelAngle=0 if few else -40,
        labelExpr=named_by({name: wrapped(name, 14) for name in behaviors}) if few else alt.Undefined,
        labelLimit=180,
        title=None,
        ticks=False,
        domain=False,
    )
    x = alt.X("behavior:N", axis=across, scale=alt.Scale(domain=behaviors, padding=0.03))
    down = alt.Axis(
        labelExpr=named_by({name: wrapped(name) for name in models}),
        labelLimit=150,
        title=None,
        labelPadding=8,
        ticks=False,
    )
    y = alt.Y("model:N", axis=down, scale=alt.Scale(domain=models, padding=0.06))
    number = NUMBER
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
        base.mark_rect().encode(x=x, y=y, tooltip=tooltip, color=effect_fill("value", values, TITLES[measure])),
        base.properties(name="ink").mark_text(fontSize=11, color=INK).encode(x=x, y=y, text="text:N", tooltip=tooltip),
    )


def _strips(behaviors: list[str], values: list[float], measure: Measure, depths: list[float]) -> Layered:
    x = depth_axis(depths, "depth")
    x["shorthand"] = "start:Q"
    lines = named_by({name: wrapped(name, 18) for name in behaviors})
    down = alt.Axis(title=None, labelExpr=lines, labelLimit=130, ticks=False)
    y = alt.Y("behavior:N", axis=down, scale=alt.Scale(domain=behaviors, padding=0.1))
    tooltip = [
        alt.Tooltip("behavior:N", title="behavior"),
        alt.Tooltip("layer:N", title="layer"),
        alt.Tooltip("depth:Q", title="depth", format=".2f"),
        alt.Tooltip("value:Q", title=TITLES[measure], format=NUMBER),
    ]
    base = alt.Chart(source())
    mark = base.transform_filter("datum.best").transform_calculate(middle="(datum.start + datum.depth) / 2")
    return alt.layer(
        base.mark_rect().encode(
            x=x, x2="depth:Q", y=y, tooltip=tooltip, color=effect_fill("value", values, TITLES[measure])
        ),
        mark.properties(name="ink")
        .mark_point(shape="diamond", filled=True, size=50, color=INK, opacity=1)
        .encode(x=alt.X("middle:Q"), y=y, tooltip=tooltip),
    )
