"""Scores of imported results by strength, a color for each condition, with intervals."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from trimtab.analysis.formatting import signed_strength, with_interval
from trimtab.analysis.samples import present, records
from trimtab.report.charts._palette import UNSTEERED
from trimtab.report.charts.base import (
    NUMBER,
    Chart,
    Layered,
    chunks,
    colours,
    finished,
    legend,
    readable,
    shapes,
    slugged,
    source,
)
from trimtab.report.charts.panels import SUBJECT, panels

HEIGHT = 220
EVEN = 0.5


def condition_scores(scores: pd.DataFrame) -> list[Chart]:
    """The mean share of the matching answer by strength under each condition; a figure for each behavior and layer.

    Args:
        scores: From `trimtab.analysis.imported.item_scores`: the cells that were measured under several conditions,
            with a column `run` where there are several runs.
    """
    known = scores[scores["score"].notna()]
    everything = [str(name) for name in dict.fromkeys(scores["condition"])]
    charts = []
    for panel in panels(known):
        steered = panel.rows[panel.rows["strength"] != 0]
        zero = panel.rows[panel.rows["strength"] == 0]
        grids = steered.groupby(["scale", "positions", "layers"], sort=False)
        for (scale, positions, layers), rows in grids:
            title = f"{panel.title} · layer {layers}"
            if len(grids) > 1:
                title += f" · {scale}, {positions}"
            together = pd.concat([zero, rows])
            names = [name for name in everything if (together["condition"] == name).any()]
            for part in chunks(names):
                mine = together[together["condition"].isin(part)].sort_values("strength", kind="stable")
                charts.append(_chart(mine, part, everything, title, len(names) > len(part)))
    return charts


def _chart(mine: pd.DataFrame, part: list[str], everything: list[str], title: str, several: bool) -> Chart:
    rows = [_row(row) for row in records(mine)]
    by_condition = [
        f"{name}: " + ", ".join(f"{row['at']} {row['text']}" for row in rows if row["condition"] == name)
        for name in part
    ]
    return finished(
        _drawn(rows, part, everything),
        rows,
        readable(records(mine), _named(mine)),
        slug=slugged("condition-scores", title, " ".join(part) if several else ""),
        title=title,
        alt_text=f"Points with intervals for {title}: mean share of the matching answer by strength. "
        f"{'; '.join(by_condition)}.",
        height=HEIGHT,
    )


def _named(mine: pd.DataFrame) -> dict[str, str]:
    """The columns of the CSV file."""
    return {
        **{name: name for name in present(mine, SUBJECT)}, "condition": "condition", "layers": "layers",
        "strength": "strength", "score": "share_of_matching_answer", "score_low": "ci95_low", "score_high": "ci95_high",
        "n_scored": "prompts", "score_all": "share_with_unscored_as_0",
    }  # fmt: skip


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "condition": str(row["condition"]),
        "at": signed_strength(row["strength"]) if row["strength"] else "unsteered",
        "score": row["score"],
        "low": row["score_low"],
        "high": row["score_high"],
        "text": with_interval(row["score"], row["score_low"], row["score_high"]),
        "n": row["n_scored"],
    }


def _drawn(rows: list[dict[str, Any]], names: list[str], everything: list[str]) -> Layered:
    order = list(dict.fromkeys(row["at"] for row in rows))
    x = alt.X("at:N", title="strength", sort=order, axis=alt.Axis(labelAngle=0))
    offset = alt.XOffset("condition:N", sort=names)
    axis = alt.Axis(format="%", tickCount=5)
    y = alt.Y("score:Q", title="share of the matching answer", scale=alt.Scale(domain=[0, 1]), axis=axis)
    colour = alt.Color("condition:N", scale=colours(names, everything), legend=legend(names, "condition", symbol=None))
    shape = alt.Shape("condition:N", scale=shapes(names, everything), legend=legend(names, "condition", symbol=None))
    tooltip = [
        alt.Tooltip("condition:N", title="condition"),
        alt.Tooltip("at:N", title="strength"),
        alt.Tooltip("text:N", title="score"),
        alt.Tooltip("score:Q", title="exactly", format=NUMBER),
        alt.Tooltip("n:Q", title="prompts"),
    ]
    base = alt.Chart(source())
    once = base.transform_aggregate(n="count()")
    return alt.layer(
        once.mark_rule(color=UNSTEERED, strokeDash=[6, 3]).encode(y=alt.datum(EVEN)),
        base.mark_rule(strokeWidth=1.8).encode(
            x=x, xOffset=offset, y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), color=colour, tooltip=tooltip
        ),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            x=x, xOffset=offset, y=y, color=colour, shape=shape, tooltip=tooltip
        ),
    )
