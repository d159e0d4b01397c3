"""What was said, cell by cell: heatmaps of change and coherence, and the one against the other."""

from __future__ import annotations

from typing import Any, Literal

import altair as alt
import pandas as pd

from trimtab.analysis.reply_findings import placed, pushed
from trimtab.analysis.samples import records
from trimtab.report.charts.base import FAINT, INK, Chart, Layered, finished, readable, slugged, source
from trimtab.report.charts.doses import COLUMNS
from trimtab.report.charts.heatmaps import AWAY, STRONGEST, TOWARDS
from trimtab.report.spoken import Speaker

What = Literal["change", "coherence"]

KEPT, BROKEN = "#2b9168", "#7d878e"
ROWS_HEIGHT, LEAST_ROW, LARGEST_ROW = 380, 8, 24
LABELS, PUSHES = 16, 7
"""Layers and strengths that are named beside a heatmap at most."""
NUMBER = ".3~f"

CSV = {
    "model": "model", "behavior": "behavior", "judge": "judge", "split": "split", "layers": "layer", "depth": "depth",
    "scale": "scale", "positions": "positions", "strength": "strength", **COLUMNS, "change": "change",
    "change_low": "change, 95% from", "change_high": "change, to", "coherence": "coherence",
    "coherence_low": "coherence, 95% from", "coherence_high": "coherence, to", "n": "prompts judged",
    "prompts": "prompts", "failed": "failed", "front": "on the front", "chosen": "setting to use",
}  # fmt: skip


def said_heatmaps(speakers: list[Speaker]) -> list[Chart]:
    """Layers by strengths, change and coherence beside each other; a pair for each speaker."""
    charts = []
    for number, speaker in enumerate(speakers):
        rows = said_rows(speaker)
        largest = max((abs(row["change"]) for row in rows if pd.notna(row["change"])), default=0.0)
        kinds: list[What] = ["change", "coherence"] if largest > 0 else ["coherence"]
        charts += [_heatmap(speaker, rows, what, largest, number, len(speakers) > 1) for what in kinds]
    return charts


def said_fronts(speakers: list[Speaker]) -> list[Chart]:
    """Change against coherence, a dot a cell, with the cells that nothing beats joined by a line."""
    return [
        _front(s, number, len(speakers) > 1) for number, s in enumerate(speakers) if s.cells["change"].notna().any()
    ]


def said_rows(speaker: Speaker) -> list[dict[str, Any]]:
    """The cells of a speaker on the prompts that choose, one row for each layer and strength."""
    cells = speaker.cells
    choosing = cells[cells["split"] == "select"] if (cells["split"] == "select").any() else cells
    chosen = {(str(s["layers"]), s["strength"]) for s in records(speaker.settings) if not s["reason"]}
    return [
        {
            **row,
            "push": pushed(row["strength"]),
            "way": "toward" if row["change"] >= 0 else "away",
            "size": abs(row["change"]),
            "fullness": _fullness(row["coherence"], speaker.floor),
            "kept": bool(row["coherence"] >= speaker.floor),
            "front": bool(row["front"]),
            "chosen": (str(row["layers"]), row["strength"]) in chosen,
            "sign": "+" if row["strength"] > 0 else "−",
        }
        for row in records(choosing.drop_duplicates(["layers", "strength"]))
    ]


def _fullness(coherence: float, floor: float) -> float:
    """How full a cell's colour is: from the floor up; what is below it stays pale, so that it does not stand out."""
    if coherence >= floor:
        return 0.25 + 0.75 * (coherence - floor) / (10 - floor) if floor < 10 else 1.0
    return 0.1 + 0.3 * coherence / floor


def _compact(row: dict[str, Any]) -> dict[str, Any]:
    names = (
        "layers", "push", "strength", *COLUMNS, "way", "size", "fullness", "change", "change_low", "change_high",
        "coherence", "coherence_low", "coherence_high", "n", "failed", "kept", "chosen", "front", "sign",
    )  # fmt: skip
    return {name: row[name] for name in names if name in row}


def _tooltip(rows: list[dict[str, Any]]) -> list[alt.Tooltip]:
    doses = [alt.Tooltip(f"{n}:Q", title=title, format=NUMBER) for n, title in COLUMNS.items() if rows and n in rows[0]]
    return [
        alt.Tooltip("layers:N", title="layer"),
        alt.Tooltip("push:N", title="strength"),
        *doses,
        alt.Tooltip("change:Q", title="change", format=NUMBER),
        alt.Tooltip("change_low:Q", title="95% from", format=NUMBER),
        alt.Tooltip("change_high:Q", title="to", format=NUMBER),
        alt.Tooltip("coherence:Q", title="coherence", format=NUMBER),
        alt.Tooltip("coherence_low:Q", title="95% from", format=NUMBER),
        alt.Tooltip("coherence_high:Q", title="to", format=NUMBER),
        alt.Tooltip("n:Q", title="prompts judged"),
        alt.Tooltip("failed:Q", title="failed"),
    ]


def _heatmap(
    speaker: Speaker, rows: list[dict[str, Any]], what: What, largest: float, number: int, several: bool
) -> Chart:
    layers = list(dict.fromkeys(str(r["layers"]) for r in sorted(rows, key=lambda r: (-r["layer"], str(r["layers"])))))
    pushes = list(dict.fromkeys(str(row["push"]) for row in sorted(rows, key=lambda row: row["strength"])))
    height = len(layers) * max(LEAST_ROW, min(LARGEST_ROW, ROWS_HEIGHT // max(1, len(layers))))
    known = [row for row in rows if pd.notna(row[what])]
    said = ""
    if known:
        top = max(known, key=lambda row: float(row[what]))
        said = f" Largest: {top[what]:.1f} at {placed(top)}."
    return _marked(
        finished(
            _grid(layers, pushes, what, largest, str(speaker.about["scale"]), rows),
            [_compact(row) for row in rows],
            _csv(rows),
            slug=slugged("says", what, speaker.title),
            title=f"{what.capitalize()} · {speaker.title}" if several else what.capitalize(),
            alt_text=f"Heatmap for {speaker.title}: {what} by layer and strength, {len(layers)} layers by "
            f"{len(pushes)} strengths.{said} {_settings(speaker)}",
            height=height,
            picture_width=340,
        ),
        number,
    )


def _grid(
    layers: list[str], pushes: list[str], what: What, largest: float, scale: str, rows: list[dict[str, Any]]
) -> Layered:
    named = layers[:: -(-len(layers) // LABELS)]
    down = alt.Axis(title="layer", values=named, ticks=False, labelLimit=90)
    # Many strengths stand side by side on a phone: some go unnamed rather than over each other.
    told = pushes[:: -(-len(pushes) // PUSHES)]
    across = alt.Axis(title=f"strength ({scale})", values=told, labelAngle=0, ticks=False, domain=False)
    x = alt.X("push:N", sort=pushes, axis=across, scale=alt.Scale(paddingInner=0.06, paddingOuter=0.03))
    y = alt.Y("layers:N", sort=layers, axis=down, scale=alt.Scale(paddingInner=0.06, paddingOuter=0.03))
    tooltip = _tooltip(rows)
    if what == "change":
        colour = alt.Color("way:N", scale=alt.Scale(domain=["toward", "away"], range=[TOWARDS, AWAY]), legend=None)
        field, top = "size:Q", largest
    else:
        colour = alt.Color("kept:N", scale=alt.Scale(domain=[True, False], range=[KEPT, BROKEN]), legend=None)
        field, top = "fullness:Q", 1.0
    fill = alt.Opacity(field, scale=alt.Scale(domain=[0, top], range=[0.04, STRONGEST], clamp=True), legend=None)
    base = alt.Chart(source())
    ink = base.properties(name="ink")
    return alt.layer(
        base.mark_rect(cursor="pointer").encode(x=x, y=y, color=colour, opacity=fill, tooltip=tooltip),
        ink.transform_filter("!datum.kept")
        .mark_text(text="×", fontSize=11, color=INK, opacity=0.75, cursor="pointer")
        .encode(x=x, y=y, tooltip=tooltip),
        base.properties(name="ink_chosen")
        .transform_filter("datum.chosen")
        .mark_point(shape="diamond", filled=True, size=70, color=INK, opacity=1, cursor="pointer")
        .encode(x=x, y=y, tooltip=tooltip),
    )


def _front(speaker: Speaker, number: int, several: bool) -> Chart:
    rows = [row for row in said_rows(speaker) if pd.notna(row["change"]) and pd.notna(row["coherence"])]
    front = sorted((row for row in rows if row["front"]), key=lambda row: float(row["coherence"]))
    still = speaker.cells["coherence_unsteered"].mean()
    data = [_compact(row) for row in rows]
    if pd.notna(still):
        data.append({"unsteered": True, "coherence": float(still), "change": 0.0, "push": "unsteered"})
    said = ", ".join(f"{row['change']:.1f} at coherence {row['coherence']:.1f} ({placed(row)})" for row in front)
    return _marked(
        finished(
            _scatter(speaker.floor, rows),
            data,
            _csv(rows),
            slug=slugged("tradeoff", speaker.title),
            title=speaker.title if several else "",
            alt_text=f"Scatter plot for {speaker.title}: change against coherence of {len(rows)} cells, with a line at "
            f"a coherence of {speaker.floor:g}. On the front: {said or 'none'}. {_settings(speaker)}",
            height=280,
            picture_width=520,
        ),
        number,
    )


def _scatter(floor: float, rows: list[dict[str, Any]]) -> Layered:
    x = alt.X("coherence:Q", title="coherence", scale=alt.Scale(domain=[0, 10.2], nice=False),
              axis=alt.Axis(values=[0, 2, 4, 6, 8, 10], format="d", domain=False))  # fmt: skip
    y = alt.Y("change:Q", title="change", axis=alt.Axis(tickCount=6, grid=True))
    colour = alt.Color("sign:N", scale=alt.Scale(domain=["+", "−"], range=[TOWARDS, AWAY]), legend=None)
    base = alt.Chart(source())
    cells = base.transform_filter("!datum.unsteered")
    once = base.transform_aggregate(n="count()")
    tooltip = _tooltip(rows)
    rule = once.mark_rule(color="#7d878e", strokeWidth=1, strokeDash=[4, 3]).encode(x=alt.datum(floor))
    zero = alt.Chart(source(), name="zero").transform_aggregate(n="count()").mark_rule(color="#7d878e", strokeWidth=1)
    named = once.properties(name="ink_floor").mark_text(
        text=f"floor {floor:g}", align="right", dx=-4, dy=8, fontSize=11, color=FAINT, baseline="top"
    )
    line = cells.transform_filter("datum.front").mark_line(strokeWidth=1.8)
    order = alt.Order("coherence:Q")
    return alt.layer(
        zero.encode(y=alt.datum(0)),
        rule,
        named.encode(x=alt.datum(floor), y=alt.value(0)),
        line.encode(x=x, y=y, color=colour, order=order),
        cells.mark_point(filled=True, size=46, cursor="pointer").encode(
            x=x, y=y, color=colour, tooltip=tooltip, opacity=alt.condition("datum.front", alt.value(1), alt.value(0.4))
        ),
        base.transform_filter("datum.unsteered")
        .mark_point(filled=True, size=60, color="#7d878e", opacity=1)
        .encode(x=x, y=y, tooltip=[alt.Tooltip("push:N", title="cell"), alt.Tooltip("coherence:Q", format=NUMBER)]),
        base.properties(name="ink_chosen")
        .transform_filter("datum.chosen")
        .mark_point(shape="diamond", filled=True, size=110, color=INK, opacity=1, cursor="pointer")
        .encode(x=x, y=y, tooltip=tooltip),
    )


def _csv(rows: list[dict[str, Any]]) -> pd.DataFrame:
    names = {name: title for name, title in CSV.items() if not rows or name in rows[0]}
    return readable(rows, names)


def _settings(speaker: Speaker) -> str:
    settings = [placed(row) for row in records(speaker.settings) if not row["reason"]]
    return f"Settings to use: {', '.join(settings)}." if settings else "No setting to use."


def _marked(chart: Chart, number: int) -> Chart:
    """A click on one of its cells shows what was said there, by this speaker."""
    chart.spec["usermeta"]["speaker"] = number
    return chart
