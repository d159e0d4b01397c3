"""Side effects: the behaviors that each vector shifts at its chosen cell, and every cell's intended and side effect."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.formatting import ZERO, fixed, signed_strength
from trimtab.analysis.samples import records
from trimtab.analysis.side_effects import EASY
from trimtab.report.charts._palette import FAINT, INK, UNSTEERED, effect_fill
from trimtab.report.charts.base import (
    NUMBER,
    Chart,
    Layered,
    chunks,
    colours,
    finished,
    legend,
    named_by,
    readable,
    slugged,
    source,
)
from trimtab.report.charts.heatmaps import wrapped
from trimtab.report.charts.panels import at_best_cells, panels

ENDS = {1: "+α", -1: "−α"}
MODEL = ("run", "model")
SD = "unsteered standard deviations"
ROW = 29
"""Room for a name in two lines."""


def shift_matrices(shifts: pd.DataFrame, best: pd.DataFrame) -> list[Chart]:
    """Measured by steered behaviors at the best cells; a figure for each model and end of the strength."""
    table = at_best_cells(shifts, best)
    charts = []
    values = [float(value) for value in table["shift"]] if len(table) else []
    for panel in panels(table, by=("chosen_by", *MODEL)):
        several = table["model"].nunique() > 1 or "run" in table.columns
        several = several or ("chosen_by" in table.columns and table["chosen_by"].nunique() > 1)
        for sign, end in ENDS.items():
            mine = panel.rows[panel.rows["strength"] * sign > 0]
            rows = [_cell(row) for row in records(mine)]
            if not rows:
                continue
            steered = list(dict.fromkeys(str(row["steered"]) for row in rows))
            measured = _ordered(rows, steered)
            others = [row for row in rows if not row["own"]]
            most = max(others, key=lambda row: float(row["size"])) if others else None
            largest_in_words = (
                f" Of the others {most['measured']} moves most, by {most['text']} under {most['steered']}."
                if most
                else ""
            )
            charts.append(
                finished(
                    _matrix(measured, steered, values),
                    rows,
                    readable(rows, CSV),
                    slug=slugged("shifts", panel.title if several else "", "plus" if sign > 0 else "minus"),
                    title=f"{panel.title} · {end}" if several else f"At {end}",
                    alt_text=f"Heatmap of shifts at {end}, {len(measured)} measured behaviors by {len(steered)} "
                    f"steered ones, in {SD}.{largest_in_words}",
                    height=ROW * len(measured),
                )
            )
    return charts


CSV = {
    "model": "model", "steered": "steered", "measured": "measured", "layers": "layer", "strength": "strength",
    "value": "shift_sd", "low": "ci95_low", "high": "ci95_high", "n": "prompts",
}  # fmt: skip


def side_scatter(side: pd.DataFrame, best: pd.DataFrame) -> list[Chart]:
    """Intended against side effect, a mark for each cell; a figure for each model."""
    charts = []
    known = side.dropna(subset=["intended", "side"]) if len(side) else side
    chosen = {_key(row) for row in records(at_best_cells(known, best))}
    everything = list(dict.fromkeys(known["behavior"].astype(str))) if len(known) else []
    for panel in panels(known, by=MODEL):
        names = [name for name in everything if name in set(panel.rows["behavior"].astype(str))]
        for part in chunks(names):
            table = records(panel.rows[panel.rows["behavior"].astype(str).isin(part)])
            rows = [{**_scattered(row), "best": _key(row) in chosen} for row in table]
            beyond = sum(row["side"] > abs(row["intended"]) for row in rows)
            charts.append(
                finished(
                    _scatter(part, everything, rows),
                    rows,
                    panel.rows[panel.rows["behavior"].astype(str).isin(part)],
                    slug=slugged("side-effects", panel.title, " ".join(part) if len(part) < len(names) else ""),
                    title=panel.title if known["model"].nunique() > 1 or "run" in known.columns else "",
                    alt_text=f"Scatter plot for {panel.title}: intended against side effect of "
                    f"{plural(len(rows), 'cell')} of "
                    f"{', '.join(part)}; in {beyond} of them the others move more than the behavior itself.",
                    height=300,
                )
            )
    return charts


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in (*MODEL, "behavior", "layers", "strength"))


def _ordered(rows: list[dict[str, Any]], steered: list[str]) -> list[str]:
    """The steered behaviors first, so that each one's own cell is on the diagonal; easy questions last."""
    measured = dict.fromkeys(str(row["measured"]) for row in rows)
    own = [name for name in steered if name in measured]
    return [
        *own,
        *(name for name in measured if name not in own and name != EASY),
        *([EASY] if EASY in measured else []),
    ]


def _cell(row: dict[str, Any]) -> dict[str, Any]:
    value, low, high = row["shift"], row["shift_low"], row["shift_high"]
    shown = low > 0 or high < 0
    text = fixed(value, 2, ZERO if shown else ())
    return {
        "model": str(row["model"]), "steered": str(row["behavior"]), "measured": str(row["measured"]), "value": value,
        "low": low, "high": high, "text": text if shown else f"({text})", "size": abs(value),
        "own": row["behavior"] == row["measured"], "layers": str(row["layers"]),
        "strength": row["strength"], "n": row["n"],
    }  # fmt: skip


def _matrix(measured: list[str], steered: list[str], values: list[float]) -> Layered:
    down = alt.Axis(
        title="measured", labelExpr=named_by({name: wrapped(name) for name in measured}), labelLimit=130, ticks=False,
        domain=False,
    )  # fmt: skip
    turned = len(steered) > 2
    across = alt.Axis(
        title="steered", orient="top", labelAngle=-40 if turned else 0, labelLimit=180 if turned else 120,
        ticks=False, domain=False,
        labelExpr=named_by({name: [name] if turned else wrapped(name, 16) for name in steered}),
    )  # fmt: skip
    x = alt.X("steered:N", axis=across, scale=alt.Scale(domain=steered, padding=0.04))
    y = alt.Y("measured:N", axis=down, scale=alt.Scale(domain=measured, padding=0.06))
    number = NUMBER
    tooltip = [
        alt.Tooltip("steered:N", title="steered"),
        alt.Tooltip("measured:N", title="measured"),
        alt.Tooltip("value:Q", title="shift (sd)", format=number),
        alt.Tooltip("low:Q", title="95% from", format=number),
        alt.Tooltip("high:Q", title="to", format=number),
        alt.Tooltip("layers:N", title="layer"),
        alt.Tooltip("strength:Q", title="strength"),
        alt.Tooltip("n:Q", title="prompts"),
    ]
    base = alt.Chart(source())
    # Numbers stay inside narrow cells.
    size = alt.ExprRef("clamp(bandwidth('x') / 4.2, 7, 11)")
    return alt.layer(
        base.mark_rect().encode(x=x, y=y, color=effect_fill("value", values, "shift (sd)"), tooltip=tooltip),
        base.transform_filter("datum.own").mark_rect(fill=None, stroke=UNSTEERED, strokeWidth=1.8).encode(x=x, y=y),
        base.properties(name="ink")
        .mark_text(fontSize=size, color=INK)
        .encode(x=x, y=y, text="text:N", tooltip=tooltip),
    )


def _scattered(row: dict[str, Any]) -> dict[str, Any]:
    names = (
        "layers", "intended", "intended_low", "intended_high", "side", "side_low", "side_high", "worst", "worst_shift",
    )  # fmt: skip
    return {
        "behavior": str(row["behavior"]), **{name: row[name] for name in names},
        "end": ENDS[1 if row["strength"] > 0 else -1],
        "push": signed_strength(row["strength"]), "label": f"layer {row['layers']}, {signed_strength(row['strength'])}",
    }  # fmt: skip


def _scatter(names: list[str], everything: list[str], rows: list[dict[str, Any]]) -> Layered:
    least = min(0.0, *(float(row["intended"]) for row in rows)) * 1.08
    most = max(0.1, *(float(row["intended_high" if row["best"] else "intended"]) for row in rows)) * 1.08
    high = max(0.1, *(float(row["side_high" if row["best"] else "side"]) for row in rows)) * 1.08
    x = alt.X("intended:Q", title=f"intended effect ({SD})", scale=alt.Scale(domain=[least, most], nice=False),
              axis=alt.Axis(tickCount=6))  # fmt: skip
    y = alt.Y("side:Q", title=f"side effect ({SD})", scale=alt.Scale(domain=[0, high], nice=False),
              axis=alt.Axis(tickCount=5, grid=True))  # fmt: skip
    labels = _named_settings(names, rows)
    shown = legend(list(labels.values()), symbol="circle")
    shown["labelExpr"] = named_by(labels)
    colour = alt.Color("behavior:N", scale=colours(names, everything), legend=shown if len(names) > 1 else None)
    ends = list(ENDS.values())
    ways = legend(ends, symbol=None)
    ways["symbolFillColor"] = ways["symbolStrokeColor"] = UNSTEERED
    shape = alt.Shape("end:N", scale=alt.Scale(domain=ends, range=["triangle-up", "triangle-down"]), legend=ways)
    tooltip = [
        alt.Tooltip("behavior:N", title="behavior"),
        alt.Tooltip("layers:N", title="layer"),
        alt.Tooltip("push:N", title="strength"),
        *(
            alt.Tooltip(f"{name}{end}:Q", title=title, format=NUMBER)
            for name in ("intended", "side")
            for end, title in (("", f"{name} (sd)"), ("_low", "95% from"), ("_high", "to"))
        ),
        alt.Tooltip("worst:N", title="largest shift"),
        alt.Tooltip("worst_shift:Q", title="by", format=NUMBER),
    ]
    base = alt.Chart(source())
    once = base.transform_aggregate(n="count()")
    best = base.transform_filter("datum.best")
    beside = len(names) == 1 and sum(row["best"] for row in rows) <= 2
    # One above its point and one below: the two may lie close together.
    above = alt.ExprRef(f"datum.end === '{ENDS[1]}' ? -13 : 15")
    label = best.properties(name="ink").mark_text(dy=above, fontSize=10.5, color=INK)
    reach = min(most, high)
    even = [_segment(once, reach), *([_segment(once, -min(-least, high))] if least < 0 else [])]
    # On the side of the line's end where there is room.
    early = reach - least < 0.5 * (most - least)
    named = once.properties(name="ink_floor").mark_text(
        text="as much to others as to itself",
        align="left" if early else "right",
        dx=8 if early else -8,
        fontSize=10.5,
        color=FAINT,
        baseline="top",
    )
    return alt.layer(
        *even,
        named.encode(x=alt.datum(reach), y=alt.datum(reach)),
        best.mark_rule(opacity=0.7).encode(x=alt.X("intended_low:Q"), x2=alt.X2("intended_high:Q"), y=y, color=colour),
        best.mark_rule(opacity=0.7).encode(x=x, y=alt.Y("side_low:Q"), y2=alt.Y2("side_high:Q"), color=colour),
        base.mark_point(filled=True, size=60).encode(
            x=x, y=y, color=colour, shape=shape, tooltip=tooltip,
            opacity=alt.condition("datum.best", alt.value(1), alt.value(0.6)),
        ),
        best.mark_point(size=130, strokeWidth=1.6, opacity=1, filled=False).encode(x=x, y=y, color=colour, shape=shape),
        *([label.encode(x=x, y=y, text="label:N")] if beside else []),
    )  # fmt: skip


def _named_settings(names: list[str], rows: list[dict[str, Any]]) -> dict[str, str]:
    """Each behavior with its chosen setting, for the legend: beside the points, the names would cover each other."""
    chosen = {name: [row for row in rows if row["best"] and row["behavior"] == name] for name in names}
    return {
        name: f"{name}: {'; '.join(dict.fromkeys(str(row['label']) for row in mine))}" if mine else name
        for name, mine in chosen.items()
    }


def _segment(once: alt.Chart, reach: float) -> alt.Chart:
    line: alt.Chart = once.mark_rule(color=UNSTEERED, strokeWidth=1, strokeDash=[4, 3]).encode(
        x=alt.datum(0), y=alt.datum(0), x2=alt.datum(reach), y2=alt.datum(abs(reach))
    )
    return line
