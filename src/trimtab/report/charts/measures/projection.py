"""How well each layer of a vector tells held-out examples apart, over depth."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from trimtab.analysis.formatting import with_interval
from trimtab.analysis.projection_findings import CHANCE
from trimtab.analysis.samples import present, records
from trimtab.report.charts._palette import SERIES, UNSTEERED
from trimtab.report.charts.base import (
    NUMBER,
    Chart,
    Layered,
    depth_axis,
    finished,
    legend,
    readable,
    slugged,
    source,
)
from trimtab.report.charts.panels import SUBJECT, panels

HEIGHT = 200
REPORTED, CHOSE = "test examples (reported)", "select examples (chose the layer)"
_SPLITS = {"test": REPORTED, "select": CHOSE}


def separation_curves(layers: pd.DataFrame) -> list[Chart]:
    """AUROC over depth with its 95% band; a figure for each model and behavior.

    Args:
        layers: From `trimtab.analysis.projections.separations`, with a column `run` where there are several runs.
    """
    charts = []
    for panel in panels(layers):
        rows = panel.rows.assign(examples=panel.rows["split"].map(_SPLITS))
        chosen = records(rows[rows["chosen"]])
        charts.append(
            finished(
                _curve(rows),
                records(rows[["examples", "layer", "depth", "auroc", "auroc_low", "auroc_high", "chosen"]]),
                readable(records(rows), _named(rows)),
                slug=slugged("projection", panel.title),
                title=panel.title,
                alt_text=f"Curves over depth for {panel.title}: AUROC of held-out examples along the vector. "
                f"{'; '.join(map(_in_words, chosen))}.",
                height=HEIGHT,
            )
        )
    return charts


def _named(rows: pd.DataFrame) -> dict[str, str]:
    """The columns of the CSV file."""
    return {
        **{name: name for name in present(rows, SUBJECT)}, "split": "split", "layer": "layer", "depth": "depth",
        "auroc": "auroc", "auroc_low": "ci95_low", "auroc_high": "ci95_high", "gap": "gap_sd",
        "n_positive": "positive_examples", "n_negative": "negative_examples", "chosen": "chosen",
    }  # fmt: skip


def _in_words(row: dict[str, Any]) -> str:
    number = with_interval(row["auroc"], row["auroc_low"], row["auroc_high"], limits=(CHANCE, 1.0))
    return f"layer {row['layer']}, {row['examples']}: {number}"


def _curve(rows: pd.DataFrame) -> Layered:
    x = depth_axis(list(rows["depth"]))
    lowest = min(CHANCE, *rows["auroc"], *rows["auroc_low"].dropna())
    scale = alt.Scale(domain=[int(lowest * 10) / 10, 1.0], nice=False)
    y = alt.Y("auroc:Q", title="AUROC", scale=scale, axis=alt.Axis(tickCount=5, grid=True))
    names = [name for name in _SPLITS.values() if (rows["examples"] == name).any()]
    shown = legend(names) if len(names) > 1 else None
    looks = {REPORTED: (SERIES[0], [1, 0]), CHOSE: (UNSTEERED, [4, 3])}
    colour = alt.Color(
        "examples:N", scale=alt.Scale(domain=names, range=[looks[name][0] for name in names]), legend=shown
    )
    dash = alt.StrokeDash(
        "examples:N", scale=alt.Scale(domain=names, range=[looks[name][1] for name in names]), legend=shown
    )
    tooltip = [
        alt.Tooltip("layer:Q", title="layer"),
        alt.Tooltip("depth:Q", title="depth", format=".2f"),
        alt.Tooltip("auroc:Q", title="AUROC", format=NUMBER),
        alt.Tooltip("auroc_low:Q", title="95% from", format=NUMBER),
        alt.Tooltip("auroc_high:Q", title="to", format=NUMBER),
        alt.Tooltip("examples:N", title="measured on"),
    ]
    base = alt.Chart(source())
    chance = alt.Chart(source(), name="zero").transform_aggregate(n="count()")
    band = base.transform_filter(f"datum.examples == '{names[0]}' && isValid(datum.auroc_low)")
    return alt.layer(
        chance.mark_rule(color=UNSTEERED, strokeWidth=1).encode(y=alt.datum(CHANCE)),
        band.mark_area(opacity=0.16).encode(x=x, y=alt.Y("auroc_low:Q", scale=scale), y2="auroc_high:Q", color=colour),
        base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, strokeDash=dash),
        base.transform_filter(f"datum.chosen && datum.examples == '{names[0]}'")
        .mark_point(shape="diamond", filled=True, size=110, opacity=1, stroke="#ffffff", strokeWidth=1)
        .encode(x=x, y=y, color=colour),
        base.mark_point(filled=True, size=200, opacity=0).encode(x=x, y=y, tooltip=tooltip),
    )
