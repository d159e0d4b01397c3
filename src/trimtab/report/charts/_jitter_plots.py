"""Small multiples in one figure: strips below each other that share the axis of depth, each with a scale of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import altair as alt

from trimtab.analysis.formatting import percent, percent_with_interval, plain, with_interval
from trimtab.report.charts._palette import FAINT, INK, UNSTEERED
from trimtab.report.charts.base import Layered, depth_axis, named_by, source

HEIGHT = 78
"""Of a strip."""
_SPAN, _DRAWN = 100, 68
"""Units of the figure's axis for each strip; above what is drawn there is room for its heading."""
ABOVE = -7
"""The name of the best layer stands above the figure."""
_STEPS = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True)
class Strip:
    """One measure over depth."""

    name: str
    """Its heading."""
    bottom: float
    top: float
    percent: bool = False


class Style(NamedTuple):
    """How a series is drawn."""

    colour: str
    dash: list[int]


def strip(name: str, values: Sequence[float], *, top: float | None = None, percent: bool = False) -> Strip:
    """A strip that holds these values and 0.

    Args:
        name: its heading.
        values: all that is drawn in it, ends of intervals included.
        top: where its scale ends; None: at the next round number above the largest value.
        percent: whether its scale is named in percent.
    """
    finite = [value for value in values if math.isfinite(value)]
    low = min(0.0, *finite) if finite else 0.0
    end = top if top is not None else _round_above(max(finite, default=1.0))
    return Strip(name, math.floor(low * 10) / 10, end, percent)


def stacked(
    strips: Sequence[Strip],
    rows: Sequence[dict[str, Any]],
    series: dict[str, Style],
    *,
    best: dict[str, Any] | None = None,
    legend: alt.Legend | None = None,
) -> tuple[Layered, list[dict[str, Any]]]:
    """The figure and its rows.

    Args:
        strips: from the top down.
        rows: `strip`, `series`, `layer`, `depth`, `value`, `text` (of the tooltip), `low` and `high` where there
            is a band, `fill` for its opacity where it is drawn without a line, and `pick` where a diamond marks the
            point.
        series: how each series is drawn, by name.
        best: the best cell of the sweep, which a broken line marks; None where nothing was swept.
        legend: of the series; None: none.

    Returns:
        The chart without data, and the rows placed on its axis.
    """
    bases = {one.name: _SPAN * (len(strips) - 1 - number) for number, one in enumerate(strips)}
    scales = {one.name: one for one in strips}
    data = [_placed(row, scales[row["strip"]], bases[row["strip"]]) for row in rows]
    data += [{"head": one.name, "at": bases[one.name] + _SPAN - 6} for one in strips]
    if best is not None:
        layer = f"layer {best['layers']}"
        name = f"sweep’s choice: {layer}" if best["moved"] else f"{layer}, not shown to move"
        data.append({"best": name, "depth": best["depth"]})
    late = best is not None and best["depth"] > 0.5
    return _layers(_axis(strips, bases), series, legend, late, [row["depth"] for row in rows]), data


def line(
    table: Iterable[dict[str, Any]],
    name: str,
    title: str,
    series: str,
    *,
    pick: int | None = None,
    ends: tuple[str, str] | None = None,
    share: bool = False,
) -> Iterator[dict[str, Any]]:
    """The rows of one line, with its band where the table has one.

    Args:
        table: a row for each layer, with `layer` and `depth`.
        name: the column drawn.
        title: the strip's name.
        series: the line's.
        pick: the layer that a diamond marks.
        ends: columns of the band's ends; `name` with `_low` and `_high` where none are given.
        share: whether the tooltip has percentages.
    """
    ends = ends or (f"{name}_low", f"{name}_high")
    for row in table:
        value, low, high = row[name], *(row.get(end, math.nan) for end in ends)
        if not math.isfinite(value):
            continue
        text = _in_words(value, low, high, share=share)
        band = {"low": low, "high": high} if math.isfinite(low) else {}
        yield {**point(row, title, series), "value": value, "text": text, "pick": row["layer"] == pick, **band}


def point(row: dict[str, Any], title: str, series: str) -> dict[str, Any]:
    """Where a row of a table belongs in the figure."""
    return {"strip": title, "series": series, "layer": int(row["layer"]), "depth": row["depth"]}


def values(rows: Iterable[dict[str, Any]], title: str) -> list[float]:
    """All that is drawn in a strip."""
    return [row[end] for row in rows if row["strip"] == title for end in ("value", "low", "high") if end in row]


def _in_words(value: float, low: float, high: float, *, share: bool) -> str:
    return percent_with_interval(value, low, high) if share else with_interval(value, low, high)


def _round_above(value: float) -> float:
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return float(next(step for step in _STEPS if step * power >= value * (1 - 1e-9)) * power)


def _placed(row: dict[str, Any], scale: Strip, base: int) -> dict[str, Any]:
    def at(value: float) -> float:
        return base + _DRAWN * (value - scale.bottom) / (scale.top - scale.bottom)

    places = {f"{name}_at": at(row[name]) for name in ("value", "low", "high") if row.get(name) is not None}
    return {**row, **places}


def _axis(strips: Sequence[Strip], bases: dict[str, int]) -> alt.Y:
    labels = {}
    for one in strips:
        share = -one.bottom / (one.top - one.bottom)
        # The scale's lower end is named where that leaves room for the name of 0.
        for value in dict.fromkeys((one.bottom, 0.0, one.top) if share > 0.25 else (0.0, one.top)):
            place = bases[one.name] + round(_DRAWN * (value - one.bottom) / (one.top - one.bottom))
            labels[str(place)] = percent(value) if one.percent else plain(value, 3)
    axis = alt.Axis(
        values=[int(place) for place in labels],
        tickCount=len(labels),
        labelExpr=named_by(labels),
        labelOverlap=False,
        title=None,
        grid=True,
    )
    return alt.Y("value_at:Q", scale=alt.Scale(domain=[0, _SPAN * len(strips)], nice=False), axis=axis)


def _layers(y: alt.Y, series: dict[str, Style], legend: alt.Legend | None, late: bool, depths: list[float]) -> Layered:
    x = depth_axis(depths, "depth")
    styles = series.values()
    colour = alt.Color(
        "series:N", scale=alt.Scale(domain=list(series), range=[style.colour for style in styles]), legend=legend
    )
    dash = alt.StrokeDash(
        "series:N", scale=alt.Scale(domain=list(series), range=[style.dash for style in styles]), legend=legend
    )
    detail = alt.Detail("strip:N")
    fill = alt.condition("isValid(datum.fill)", alt.Opacity("fill:Q", scale=None), alt.value(0.16))
    tooltip = [
        alt.Tooltip("strip:N", title="measure"),
        alt.Tooltip("series:N", title="of"),
        alt.Tooltip("layer:Q", title="layer"),
        alt.Tooltip("depth:Q", title="depth", format=".2f"),
        alt.Tooltip("text:N", title="value"),
    ]
    base = alt.Chart(source())
    points = base.transform_filter("isValid(datum.value_at)")
    best = base.transform_filter("isValid(datum.best)")
    named = best.properties(name="ink_floor").mark_text(
        align="right" if late else "left", dx=-4 if late else 4, fontSize=10.5, color=FAINT
    )
    return alt.layer(
        base.transform_filter("isValid(datum.low_at)")
        .mark_area(interpolate="linear")
        .encode(x=x, y=alt.Y("low_at:Q"), y2=alt.Y2("high_at:Q"), color=colour, detail=detail, opacity=fill),
        best.mark_rule(color=UNSTEERED, strokeWidth=1.2, strokeDash=[3, 3]).encode(x=x),
        points.transform_filter("!datum.fill")
        .mark_line(strokeWidth=1.8)
        .encode(x=x, y=y, color=colour, strokeDash=dash, detail=detail),
        points.transform_filter("datum.pick")
        .mark_point(shape="diamond", filled=True, size=80, opacity=1)
        .encode(x=x, y=y, color=colour),
        points.mark_point(filled=True, size=170, opacity=0).encode(x=x, y=y, tooltip=tooltip),
        base.properties(name="ink")
        .transform_filter("isValid(datum.head)")
        .mark_text(align="left", baseline="top", fontSize=11, fontWeight=600, color=INK)
        .encode(x=alt.value(2), y=alt.Y("at:Q"), text="head:N"),
        named.encode(x=x, y=alt.value(ABOVE), text="best:N"),
    )
