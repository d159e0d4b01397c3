"""Judged replies by layer and strength: heatmaps of change and coherence, and the one against the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import altair as alt
import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.formatting import fixed, plain, signed_strength
from trimtab.analysis.replies import placed
from trimtab.analysis.samples import records
from trimtab.report._speakers import QUALITY, Speaker
from trimtab.report._strength_units import measured_doses, signed_doses
from trimtab.report.charts._palette import FAINT, INK, UNSTEERED, effect_fill, quality_fill
from trimtab.report.charts.base import NUMBER, Chart, Layered, finished, readable, slugged, source
from trimtab.report.charts.measures.doses import AXES, COLUMNS, TITLES, direction_colour, drawing

What = Literal["change", "coherence"]

NUMBER_WIDTH, NUMBER_HEIGHT = 34, 14
"""Cells at least this large have their number in them."""
ROWS_HEIGHT, MIN_ROW, MAX_ROW = 380, 8, 24
LABELS, PUSHES = 16, 7
"""Layers and strengths that are named beside a heatmap at most."""

SIGNED_DOSE = {unit: f"{unit}_signed" for unit in COLUMNS}
"""Fields of the doses with the sign of the strength."""

CSV = {
    "model": "model", "behavior": "behavior", "judge": "judge", "split": "split", "layers": "layer", "depth": "depth",
    "scale": "scale", "positions": "positions", "strength": "strength", **COLUMNS, "change": "change_points",
    "change_low": "change_ci95_low", "change_high": "change_ci95_high", "coherence": "coherence_0_to_10",
    "coherence_low": "coherence_ci95_low", "coherence_high": "coherence_ci95_high",
    "fluency": "fluency_0_to_10", "on_topic": "on_topic_0_to_10", "n": "prompts_judged",
    "prompts": "prompts", "failed": "failed", "front": "on_front", "chosen": "setting_to_use",
}  # fmt: skip


def reply_heatmaps(speakers: list[Speaker]) -> list[Chart]:
    """Layers by strengths, change and coherence beside each other; a pair for each speaker."""
    charts = []
    for number, speaker in enumerate(speakers):
        rows = reply_rows(speaker)
        largest = max((abs(row["change"]) for row in rows if pd.notna(row["change"])), default=0.0)
        kinds: dict[What, bool] = {"change": largest > 0, "coherence": bool(speaker.coherence)}
        charts += [_heatmap(speaker, rows, what, number, len(speakers) > 1) for what, known in kinds.items() if known]
    return charts


def reply_fronts(speakers: list[Speaker]) -> list[Chart]:
    """Change against coherence, a dot a cell, with the cells that nothing beats joined by a line."""
    return [
        _front(s, number, len(speakers) > 1)
        for number, s in enumerate(speakers)
        if s.cells["change"].notna().any() and s.coherence
    ]


def reply_rows(speaker: Speaker) -> list[dict[str, Any]]:
    """The cells of a speaker on the prompts that choose, one row for each layer and strength."""
    cells = speaker.cells
    choosing = cells[cells["split"] == "select"] if (cells["split"] == "select").any() else cells
    chosen = {(str(s["layers"]), s["strength"]) for s in records(speaker.settings) if not s["reason"]}
    return [
        {
            **row,
            "push": signed_strength(row["strength"]),
            # A coherence that was not measured is not below the floor.
            "kept": not row["coherence"] < speaker.floor,
            "front": bool(row["front"]),
            "chosen": (str(row["layers"]), row["strength"]) in chosen,
            "sign": "+" if row["strength"] > 0 else "−",
            **{SIGNED_DOSE[unit]: dose for unit, dose in signed_doses(row, measured_doses(choosing)).items()},
        }
        for row in records(choosing.drop_duplicates(["layers", "strength"]))
    ]


def _compact(row: dict[str, Any]) -> dict[str, Any]:
    names = (
        "layers", "push", "strength", *COLUMNS, "change", "change_low", "change_high",
        "coherence", "coherence_low", "coherence_high", *QUALITY, "n", "failed", "kept", "chosen", "front", "sign",
        *SIGNED_DOSE.values(),
    )  # fmt: skip
    return {name: row[name] for name in names if name in row}


def _tooltip(rows: list[dict[str, Any]]) -> list[alt.Tooltip]:
    doses = [alt.Tooltip(f"{n}:Q", title=title, format=NUMBER) for n, title in AXES.items() if rows and n in rows[0]]
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
        *(
            alt.Tooltip(f"{name}:Q", title=title, format=NUMBER)
            for name, title in QUALITY.items()
            if _known(rows, name)
        ),
        alt.Tooltip("n:Q", title="prompts judged"),
        alt.Tooltip("failed:Q", title="failed"),
    ]


def _known(rows: list[dict[str, Any]], name: str) -> bool:
    return any(pd.notna(row[name]) for row in rows)


def _heatmap(speaker: Speaker, rows: list[dict[str, Any]], what: What, number: int, several: bool) -> Chart:
    layers = list(dict.fromkeys(str(r["layers"]) for r in sorted(rows, key=lambda r: (-r["layer"], str(r["layers"])))))
    pushes = list(dict.fromkeys(str(row["push"]) for row in sorted(rows, key=lambda row: row["strength"])))
    height = len(layers) * max(MIN_ROW, min(MAX_ROW, ROWS_HEIGHT // max(1, len(layers))))
    named = speaker.coherence if what == "coherence" else what
    title = named[0].upper() + named[1:]
    known = [row for row in rows if pd.notna(row[what])]
    largest_in_words = ""
    if known:
        top = max(known, key=lambda row: float(row[what]))
        largest_in_words = f" Largest: {fixed(top[what], 1)} at {placed(top)}."
    chart = finished(
        _grid(layers, pushes, what, speaker.floor, str(speaker.owner["scale"]), rows),
        [_compact(row) for row in rows],
        _csv(rows),
        slug=slugged("says", what, speaker.title),
        title=f"{title} · {speaker.title}" if several else title,
        alt_text=f"Heatmap for {speaker.title}: {named} by layer and strength, {plural(len(layers), 'layer')} by "
        f"{plural(len(pushes), 'strength')}.{largest_in_words} {_settings(speaker)}",
        height=height,
    )
    variants = {
        unit: drawing(_over_dose(layers, unit, what, speaker.floor, rows).to_dict(validate=False))
        for unit in measured_doses(speaker.cells)
    }
    return _marked(replace(chart, variants=variants), number)


def _grid(
    layers: list[str], pushes: list[str], what: What, floor: float, scale: str, rows: list[dict[str, Any]]
) -> Layered:
    named = layers[:: -(-len(layers) // LABELS)]
    down = alt.Axis(title="layer", values=named, ticks=False, labelLimit=90)
    # Many strengths stand side by side on a phone: some go unnamed rather than over each other.
    labelled = pushes[:: -(-len(pushes) // PUSHES)]
    across = alt.Axis(title=f"strength ({scale})", values=labelled, labelAngle=0, ticks=False, domain=False)
    x = alt.X("push:N", sort=pushes, axis=across, scale=alt.Scale(paddingInner=0.06, paddingOuter=0.03))
    y = alt.Y("layers:N", sort=layers, axis=down, scale=alt.Scale(paddingInner=0.06, paddingOuter=0.03))
    tooltip, colour = _tooltip(rows), _fill(what, floor, rows)
    # Numbers where there is room for them; where there is none, only what must not be used is marked.
    roomy = f"bandwidth('x') >= {NUMBER_WIDTH} && bandwidth('y') >= {NUMBER_HEIGHT}"
    number = f"datum.{what} == null ? '' : replace(format(datum.{what}, '.1f'), '-', '−')"
    base = alt.Chart(source())
    chosen = base.properties(name="ink_chosen").transform_filter("datum.chosen")
    return alt.layer(
        base.mark_rect(cursor="pointer").encode(x=x, y=y, color=colour, tooltip=tooltip),
        base.properties(name="ink")
        .transform_calculate(cross="datum.kept ? '' : '×'", number=number)
        .transform_calculate(both="datum.number + (datum.cross && datum.number ? ' ' : '') + datum.cross")
        .mark_text(text=alt.ExprRef(f"{roomy} ? datum.both : datum.cross"), fontSize=10, color=INK, cursor="pointer")
        .encode(x=x, y=y, tooltip=tooltip),
        # In a corner of the cell, where its middle has a number.
        chosen.mark_point(
            shape="diamond",
            filled=True,
            size=alt.ExprRef(f"{roomy} ? 40 : 70"),
            xOffset=alt.ExprRef(f"{roomy} ? bandwidth('x') / 2 - 6 : 0"),
            yOffset=alt.ExprRef(f"{roomy} ? 6 - bandwidth('y') / 2 : 0"),
            color=INK,
            opacity=1,
            cursor="pointer",
        ).encode(x=x, y=y, tooltip=tooltip),
    )


def _fill(what: What, floor: float, rows: list[dict[str, Any]]) -> alt.Color:
    if what == "change":
        return effect_fill(what, [row[what] for row in rows if pd.notna(row[what])], what)
    return quality_fill(what, floor, 10, f"{what}, 0 to 10")


def _over_dose(layers: list[str], unit: str, what: What, floor: float, rows: list[dict[str, Any]]) -> Layered:
    """The same cells, each at its own dose: in other units a strength is another one at each layer."""
    named = layers[:: -(-len(layers) // LABELS)]
    down = alt.Axis(title="layer", values=named, ticks=False, labelLimit=90, grid=True)
    x = alt.X(f"{SIGNED_DOSE[unit]}:Q", title=TITLES[unit], axis=alt.Axis(tickCount=6))
    y = alt.Y("layers:N", sort=layers, axis=down)
    base = alt.Chart(source()).transform_filter(f"isValid(datum.{SIGNED_DOSE[unit]})")
    place = {"x": x, "y": y, "tooltip": _tooltip(rows)}
    return alt.layer(
        alt.Chart(source(), name="zero")
        .transform_aggregate(n="count()")
        .mark_rule(color=UNSTEERED, strokeWidth=1)
        .encode(x=alt.datum(0)),
        base.mark_point(
            shape="square", filled=True, size=190, opacity=1, stroke=UNSTEERED, strokeWidth=0.6, cursor="pointer"
        ).encode(**place, fill=_fill(what, floor, rows)),
        base.properties(name="ink")
        .transform_filter("!datum.kept")
        .mark_text(text="×", fontSize=11, color=INK, cursor="pointer")
        .encode(**place),
        base.properties(name="ink_chosen")
        .transform_filter("datum.chosen")
        .mark_point(shape="diamond", filled=True, size=70, color=INK, opacity=1, cursor="pointer")
        .encode(**place),
    )


def _front(speaker: Speaker, number: int, several: bool) -> Chart:
    rows = [row for row in reply_rows(speaker) if pd.notna(row["change"]) and pd.notna(row["coherence"])]
    front = sorted((row for row in rows if row["front"]), key=lambda row: float(row["coherence"]))
    still = speaker.cells["coherence_unsteered"].mean()
    data = [_compact(row) for row in rows]
    if pd.notna(still):
        data.append({"unsteered": True, "coherence": float(still), "change": 0.0, "push": "unsteered"})
    front_in_words = ", ".join(
        f"{fixed(row['change'], 1)} at coherence {fixed(row['coherence'], 1, [speaker.floor])} ({placed(row)})"
        for row in front
    )
    return _marked(
        finished(
            _scatter(speaker, rows),
            data,
            _csv(rows),
            slug=slugged("tradeoff", speaker.title),
            title=speaker.title if several else "",
            alt_text=f"Scatter plot for {speaker.title}: change against {speaker.coherence} of "
            f"{plural(len(rows), 'cell')}, with a line at {plain(speaker.floor)}. On the front: "
            f"{front_in_words or 'none'}. {_settings(speaker)}",
            height=280,
        ),
        number,
    )


def _scatter(speaker: Speaker, rows: list[dict[str, Any]]) -> Layered:
    floor = speaker.floor
    x = alt.X("coherence:Q", title=speaker.coherence, scale=alt.Scale(domain=[0, 10.2], nice=False),
              axis=alt.Axis(values=[0, 2, 4, 6, 8, 10], format="d"))  # fmt: skip
    y = alt.Y("change:Q", title="change", scale=alt.Scale(padding=8), axis=alt.Axis(tickCount=6, grid=True))
    colour = direction_colour("sign")
    base = alt.Chart(source())
    cells = base.transform_filter("!datum.unsteered")
    once = base.transform_aggregate(n="count()")
    tooltip = _tooltip(rows)
    rule = once.mark_rule(color=UNSTEERED, strokeWidth=1, strokeDash=[4, 3]).encode(x=alt.datum(floor))
    zero = alt.Chart(source(), name="zero").transform_aggregate(n="count()").mark_rule(color=UNSTEERED, strokeWidth=1)
    named = once.properties(name="ink_floor").mark_text(
        text=f"floor {plain(floor)}", align="right", dx=-4, dy=8, fontSize=11, color=FAINT, baseline="top"
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
        .mark_point(filled=True, size=60, color=UNSTEERED, opacity=1)
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
    """Mark a chart so that a click on a cell shows the replies of this speaker there."""
    chart.spec["usermeta"]["speaker"] = number
    return chart
