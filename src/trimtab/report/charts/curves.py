"""The layer curve: how strongly each layer steers, with its interval, and where the best cell is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import altair as alt
import pandas as pd

from trimtab.analysis.formatting import decimals_for, with_interval
from trimtab.analysis.samples import present, records
from trimtab.analysis.scores import OWNER, UNITS
from trimtab.report._strength_units import measured_doses
from trimtab.report.charts._palette import UNSTEERED
from trimtab.report.charts.base import (
    NUMBER,
    Chart,
    Layered,
    chunks,
    colours,
    depth_axis,
    finished,
    legend,
    padded,
    readable,
    shapes,
    slugged,
    source,
)
from trimtab.report.charts.measures.doses import COLUMNS

Measure = Literal["glass", "delta"]

TITLES = {"glass": "Glass’s Δ", "delta": "delta"}
HEIGHT = 260
FEW = 3
"""With more behaviors in one chart, the curves that chose the cells would hide the rest."""
REPORTED, CHOSE = "test prompts (reported)", "select prompts (chose the cell)"


def panel_columns(table: pd.DataFrame) -> list[str]:
    """What splits curves into charts of their own: everything but the behavior."""
    return [name for name in present(table, OWNER) if name != "behavior"]


def panel_title(table: pd.DataFrame, row: dict[str, Any], columns: list[str]) -> str:
    """What sets a chart apart from the others: the columns that vary, the model always."""
    shown = [name for name in columns if name == "model" or table[name].nunique() > 1]
    return " · ".join(str(row[name]) for name in sorted(shown, key=("model", *columns).index))


def layer_curves(effects: pd.DataFrame, best: pd.DataFrame, measure: Measure) -> list[Chart]:
    """The effect over depth at each best cell's strength; a chart for each model, a line a behavior.

    Models share their axes, but scorings do not: their numbers are not of one kind.
    """
    everything = list(dict.fromkeys(effects["behavior"].astype(str)))
    curves = at_best(effects, best)
    curves = curves[curves[measure].notna()]
    return [
        chart
        for _, alike in curves.groupby("scoring", sort=False)
        for chart in _layer_curves(alike, best, measure, everything)
    ]


def _layer_curves(curves: pd.DataFrame, best: pd.DataFrame, measure: Measure, everything: list[str]) -> list[Chart]:
    reported = curves[curves["prompts"] != CHOSE]
    if curves["behavior"].nunique() > FEW:
        curves = reported
    domain = padded([*curves[measure], *reported[f"{measure}_low"], *reported[f"{measure}_high"]])
    charts = []
    for rows, title in _panels(curves, best):
        for names in chunks([name for name in everything if name in set(rows["behavior"])]):
            chosen = rows[rows["behavior"].isin(names)]
            several = " ".join(names) if len(names) < rows["behavior"].nunique() else ""
            labels = _labels(chosen, names)
            chosen = chosen.assign(label=chosen["behavior"].astype(str).map(labels))
            charts.append(
                finished(
                    _curve(chosen, measure, labels, everything, domain, list(curves["depth"])),
                    curve_rows(chosen, measure, series="label"),
                    curve_data(chosen, measure),
                    slug=slugged("layer-curve" if measure == "glass" else "delta-curve", title, several),
                    title=title,
                    alt_text=_in_words(chosen, measure, title),
                    height=HEIGHT,
                )
            )
    return charts


def _labels(rows: pd.DataFrame, names: list[str]) -> dict[str, str]:
    """What the legend calls each behavior: with its chosen layer where several could not be named beside the curves."""
    if len(names) == 1:
        return {names[0]: names[0]}
    layers = {str(row["behavior"]): str(row["layers"]) for row in records(rows[rows["best"]])}
    return {name: f"{name}, layer {layers[name]}" if name in layers else name for name in names}


def at_best(effects: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """Cells with the scale, positions and strength of their best cell, which `best` marks.

    `reported_here` marks those on the prompts that are reported.
    """
    owner = present(best, OWNER)
    keys = [*owner, "scale", "positions", "strength"]
    chosen = best[[*keys, "layers", "split", "held_out"]].rename(columns={"layers": "at", "split": "reported"})
    curves = effects.merge(chosen, on=keys)
    reported = curves["split"] == curves["reported"]
    names = reported.map({True: REPORTED, False: CHOSE})
    names = names.where(curves["held_out"], "the prompts that also chose the cell")
    curves = curves.assign(best=reported & (curves["layers"] == curves["at"]), reported_here=reported, prompts=names)
    # Where nothing was held out there may be a split that neither chose nor reports: it is not drawn.
    result: pd.DataFrame = curves[reported | curves["held_out"]]
    return result


def _panels(table: pd.DataFrame, best: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, str]]:
    columns = panel_columns(table)
    for _, rows in table.groupby(columns, sort=False):
        yield rows, panel_title(best, records(rows.head(1))[0], columns)


def curve_rows(table: pd.DataFrame, measure: Measure, series: str) -> list[dict[str, Any]]:
    """The points of curves, named by the column `series`."""
    drawn = pd.DataFrame(
        {
            "series": table[series],
            "prompts": table.get("prompts", ""),
            "depth": table["depth"],
            "layers": table["layers"].astype(str),
            "set": table["layers"].astype(str).str.contains("+", regex=False),
            "alpha": table["strength"],
            "n": table["n"],
            "value": table[measure],
            "low": table[f"{measure}_low"],
            "high": table[f"{measure}_high"],
            "best": table["best"],
            **{unit: table[unit] for unit in measured_doses(table)},
        }
    )
    return records(drawn)


def curve_data(table: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """The numbers behind a curve, for its CSV file."""
    names = {
        **{name: name for name in present(table, OWNER)},
        "layers": "layer", "depth": "depth", "scale": "scale", "strength": "strength",
        **{unit: COLUMNS[unit] for unit in measured_doses(table)}, "positions": "positions",
        measure: effect_column(measure, table["scoring"]), f"{measure}_low": "ci95_low",
        f"{measure}_high": "ci95_high", "n": "prompts", "split": "split",
    }  # fmt: skip
    return readable(records(table), names)


def effect_column(measure: Measure, scoring: Iterable[Any]) -> str:
    """The name of an effect in CSV files, with its unit: standard deviations for Δ, those of the scores for delta."""
    units = list(dict.fromkeys(UNITS.get(str(name), "score_units").replace(" ", "_") for name in scoring))
    return "glass_delta_sd" if measure == "glass" else f"delta_{units[0] if len(units) == 1 else 'score_units'}"


def curve_tooltip(measure: Measure) -> list[alt.Tooltip]:
    """What a point of a curve tells when pointed at."""
    number = NUMBER
    return [
        alt.Tooltip("series:N", title="series"),
        alt.Tooltip("layers:N", title="layer"),
        alt.Tooltip("depth:Q", title="depth", format=".2f"),
        alt.Tooltip("value:Q", title=TITLES[measure], format=number),
        alt.Tooltip("low:Q", title="95% from", format=number),
        alt.Tooltip("high:Q", title="to", format=number),
        alt.Tooltip("alpha:Q", title="strength"),
        alt.Tooltip("n:Q", title="prompts"),
        alt.Tooltip("prompts:N", title="measured on"),
    ]


def effect_axis(measure: Measure, domain: list[float] | None) -> alt.Y:
    """The axis of an effect."""
    scale = alt.Scale(domain=domain, nice=False) if domain else alt.Undefined
    return alt.Y("value:Q", title=TITLES[measure], scale=scale, axis=alt.Axis(tickCount=6, grid=True))


def zero_rule() -> alt.Chart:
    """The line of no effect; its name lets the page colour it."""
    base = alt.Chart(source(), name="zero").transform_aggregate(n="count()")
    rule: alt.Chart = base.mark_rule(color=UNSTEERED, strokeWidth=1).encode(y=alt.datum(0))
    return rule


def _curve(
    rows: pd.DataFrame,
    measure: Measure,
    labels: dict[str, str],
    everything: list[str],
    domain: list[float] | None,
    depths: list[float],
) -> Layered:
    """The curve; where there is one only, the layer is written beside its diamond."""
    x, y = depth_axis(depths), effect_axis(measure, domain)
    names = list(labels.values())
    places = [labels.get(name, name) for name in everything]
    shown = legend(names, symbol=None) if len(names) > 1 else None
    colour = alt.Color("series:N", scale=colours(names, places), legend=shown)
    shape = alt.Shape("series:N", scale=shapes(names, places), legend=shown)
    prompts = list(dict.fromkeys(sorted(rows["prompts"], key=(CHOSE).__eq__)))
    dash = alt.StrokeDash(
        "prompts:N",
        scale=alt.Scale(domain=prompts, range=[[1, 0], [4, 3]][: len(prompts)]),
        legend=legend(prompts) if len(prompts) > 1 else None,
    )
    base = alt.Chart(source())
    single = base.transform_filter("!datum.set")
    reported = base.transform_filter(f"datum.prompts != '{CHOSE}'")
    band = single.transform_filter(f"datum.prompts != '{CHOSE}'").mark_area(opacity=0.15, interpolate="linear")
    line = single.mark_line(strokeWidth=2)
    dots = reported.transform_filter("!datum.set").mark_point(filled=True, size=26, opacity=1)
    sets = reported.transform_filter("datum.set").mark_point(filled=False, size=60, strokeWidth=1.6, opacity=1)
    hover = base.mark_point(filled=True, size=260, opacity=0)
    best = base.transform_filter("datum.best").mark_point(
        shape="diamond", size=130, filled=True, opacity=1, stroke="#ffffff", strokeWidth=1.2
    )
    label = base.transform_filter("datum.best").transform_calculate(
        label="'layer ' + datum.layers", above="isValid(datum.high) ? datum.high : datum.value"
    )
    words = alt.Text("label:N")
    # Above the band: nothing is drawn there.
    top = _y("above", y)
    halo = label.mark_text(dy=-9, fontSize=11, fontWeight=600, stroke="#ffffff", strokeWidth=3)
    name = label.mark_text(dy=-9, fontSize=11, fontWeight=600)
    names_of_layers = [halo.encode(x=x, y=top, text=words), name.encode(x=x, y=top, color=colour, text=words)]
    return alt.layer(
        zero_rule(),
        band.encode(x=x, y=y.copy(), color=colour).encode(y=_y("low", y), y2="high:Q"),
        line.encode(x=x, y=y, color=colour, strokeDash=dash),
        dots.encode(x=x, y=y, color=colour, shape=shape),
        sets.encode(x=x, y=y, color=colour, shape=shape),
        best.encode(x=x, y=y, color=colour),
        *(names_of_layers if len(names) == 1 else []),
        hover.encode(x=x, y=y, tooltip=curve_tooltip(measure)),
    )


def set_shape() -> alt.Shape:
    """Layer sets have no line through them: they are squares."""
    return alt.Shape("set:N", scale=alt.Scale(domain=[False, True], range=["circle", "square"]), legend=None)


def _y(field: str, like: alt.Y) -> alt.Y:
    other: alt.Y = like.copy()
    other["shorthand"] = f"{field}:Q"
    return other


def _in_words(rows: pd.DataFrame, measure: Measure, title: str) -> str:
    """The curve for people who do not see it: where each line has its chosen cell."""
    described = []
    for row in records(rows[rows["best"]]):
        low, high = row[f"{measure}_low"], row[f"{measure}_high"]
        value = with_interval(row[measure], low, high, decimals_for([row[measure]]))
        where = f"layer {row['layers']}, depth {row['depth']:.2f}"
        described.append(f"{row['behavior']}: chosen {where}, {value}")
    return f"Line chart for {title}: {TITLES[measure]} over depth. {'; '.join(described)}."
