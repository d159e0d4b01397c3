"""The layer curve: how strongly each layer steers, with its interval, and where the best cell is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import altair as alt
import pandas as pd

from trimtab.analysis.choice import OWNER
from trimtab.analysis.samples import present, records
from trimtab.report.charts.base import (
    Chart,
    Layered,
    chunks,
    colours,
    finished,
    legend,
    padded,
    ramp,
    readable,
    slugged,
    source,
)  # fmt: skip
from trimtab.report.charts.doses import COLUMNS, drawing, over_dose
from trimtab.report.spoken import DOSES, dosed, measured_doses

Measure = Literal["glass", "delta"]

TITLES = {"glass": "Glass’s Δ", "delta": "delta"}
HEIGHT = 260
FEW = 3
"""With more behaviors in one chart, the curves that chose the cells and the names of layers would hide the rest."""
DEPTH_AXIS = alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], format=".1f")
REPORTED, CHOSE = "test prompts (reported)", "select prompts (chose the cell)"


def panel_columns(table: pd.DataFrame) -> list[str]:
    """What splits curves into charts of their own: everything but the behavior."""
    return [name for name in present(table, OWNER) if name != "behavior"]


def panel_title(table: pd.DataFrame, row: dict[str, Any], columns: list[str]) -> str:
    """What sets a chart apart from the others: the columns that vary, the model always."""
    shown = [name for name in columns if name == "model" or table[name].nunique() > 1]
    return " · ".join(str(row[name]) for name in sorted(shown, key=("model", *columns).index))


def layer_curves(effects: pd.DataFrame, best: pd.DataFrame, measure: Measure) -> list[Chart]:
    """The effect over depth at each best cell's strength; a chart for each model, a line a behavior."""
    curves = at_best(effects, best)
    curves = curves[curves[measure].notna()]
    reported = curves[curves["prompts"] != CHOSE]
    crowded = curves["behavior"].nunique() > FEW
    if crowded:
        curves = reported
    domain = padded([*curves[measure], *reported[f"{measure}_low"], *reported[f"{measure}_high"]])
    everything = list(dict.fromkeys(effects["behavior"].astype(str)))
    charts = []
    for rows, title in _panels(curves, best):
        for names in chunks([name for name in everything if name in set(rows["behavior"])]):
            chosen = rows[rows["behavior"].isin(names)]
            several = " ".join(names) if len(names) < rows["behavior"].nunique() else ""
            charts.append(
                finished(
                    _curve(chosen, measure, names, everything, domain, named=not crowded),
                    _rows(chosen, measure),
                    _data(chosen, measure),
                    slug=slugged("layer-curve" if measure == "glass" else "delta-curve", title, several),
                    title=title,
                    alt_text=_in_words(chosen, measure, title),
                    height=HEIGHT,
                )
            )
    return charts


def strength_curves(
    effects: pd.DataFrame, best: pd.DataFrame, measure: Measure, dose: pd.DataFrame | None = None
) -> list[Chart]:
    """The effect over depth at every strength, where a study has more than one; a chart for each behavior.

    With a dose, it can be drawn over that instead, a line for each layer.
    """
    owner = present(best, OWNER)
    if dose is not None:
        effects = _dosed(effects, dose)
    table = effects.merge(best[[*owner, "split"]], on=[*owner, "split"])
    table = table[table[measure].notna()]
    charts = []
    for cell in records(best):
        mine = table[(table[owner] == pd.Series({name: cell[name] for name in owner})).all(axis=1)]
        varying = [name for name in ("strength", "scale", "positions") if mine[name].nunique() > 1]
        if not varying:
            continue
        mine = mine.sort_values(["scale", "positions", "strength", "layer"])
        series = mine["strength"].map("α {:g}".format)
        for name in varying:
            if name != "strength":
                series = series + " " + mine[name].astype(str)
        mine = mine.assign(series=series, best=False)
        names = list(dict.fromkeys(series))
        title = f"{panel_title(best, cell, panel_columns(best))} · {cell['behavior']}"
        domain = padded([*mine[measure], *mine[f"{measure}_low"], *mine[f"{measure}_high"]])
        for part in chunks(names):
            rows = mine[mine["series"].isin(part)]
            scale = alt.Scale(domain=part, range=ramp(len(part)))
            chart = finished(
                _strengths(measure, scale, part, domain),
                _rows(rows, measure, series="series"),
                _data(rows, measure),
                slug=slugged("strengths", title, " ".join(part) if len(part) < len(names) else ""),
                title=title,
                alt_text=f"Line chart for {title}: {TITLES[measure]} over depth, one line for each of "
                f"{', '.join(part)}.",
                height=240,
            )
            variants = {
                unit: drawing(over_dose(unit, TITLES[measure], domain).to_dict(validate=False))
                for unit in measured_doses(rows)
            }
            charts.append(replace(chart, variants=variants))
    return charts


def _dosed(effects: pd.DataFrame, dose: pd.DataFrame) -> pd.DataFrame:
    """The effects with their doses: a delta is of both signs, and so is the mean size of its dose."""
    both = dose.assign(strength=dose["strength"].abs(), **{name: dose[name].abs() for name in DOSES})
    keys = [name for name in both.columns if name not in DOSES]
    return dosed(effects, both.groupby(keys, sort=False, dropna=False)[list(DOSES)].mean().reset_index())


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
    # Where nothing was held out there may be a split that neither chose nor reports: it says nothing here.
    result: pd.DataFrame = curves[reported | curves["held_out"]]
    return result


def _panels(table: pd.DataFrame, best: pd.DataFrame) -> Iterator[tuple[pd.DataFrame, str]]:
    columns = panel_columns(table)
    for _, rows in table.groupby(columns, sort=False):
        yield rows, panel_title(best, records(rows.head(1))[0], columns)


def _rows(table: pd.DataFrame, measure: Measure, series: str = "behavior") -> list[dict[str, Any]]:
    kept = pd.DataFrame(
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
    return records(kept)


def _data(table: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """The numbers behind a curve, for its CSV file."""
    names = {
        **{name: name for name in present(table, OWNER)},
        "layers": "layer", "depth": "depth", "scale": "scale", "strength": "strength",
        **{unit: COLUMNS[unit] for unit in measured_doses(table)}, "positions": "positions",
        measure: TITLES[measure], f"{measure}_low": "95% from", f"{measure}_high": "to", "n": "prompts",
        "split": "split",
    }  # fmt: skip
    return readable(records(table), names)


def _tooltip(measure: Measure) -> list[alt.Tooltip]:
    number = ".3~f"
    return [
        alt.Tooltip("series:N", title="series"),
        alt.Tooltip("layers:N", title="layer"),
        alt.Tooltip("depth:Q", title="depth", format=".2f"),
        alt.Tooltip("value:Q", title=TITLES[measure], format=number),
        alt.Tooltip("low:Q", title="95% from", format=number),
        alt.Tooltip("high:Q", title="to", format=number),
        alt.Tooltip("alpha:Q", title="strength α"),
        alt.Tooltip("n:Q", title="prompts"),
        alt.Tooltip("prompts:N", title="measured on"),
    ]


def _axes(measure: Measure, domain: list[float] | None) -> tuple[alt.X, alt.Y]:
    x = alt.X("depth:Q", title="depth (share of the layers passed)", scale=alt.Scale(domain=[0, 1]), axis=DEPTH_AXIS)
    scale = alt.Scale(domain=domain, nice=False) if domain else alt.Undefined
    return x, alt.Y("value:Q", title=TITLES[measure], scale=scale, axis=alt.Axis(tickCount=6, grid=True))


def _zero() -> alt.Chart:
    """The line of no effect; its name lets the page colour it."""
    base = alt.Chart(source(), name="zero").transform_aggregate(n="count()")
    rule: alt.Chart = base.mark_rule(color="#7d878e", strokeWidth=1).encode(y=alt.datum(0))
    return rule


def _curve(
    rows: pd.DataFrame,
    measure: Measure,
    names: list[str],
    everything: list[str],
    domain: list[float] | None,
    *,
    named: bool,
) -> Layered:
    """The curve; `named` writes the layer beside each diamond."""
    x, y = _axes(measure, domain)
    colour = alt.Color("series:N", scale=colours(names, everything), legend=legend(names))
    prompts = list(dict.fromkeys(sorted(rows["prompts"], key=(CHOSE).__eq__)))
    dash = alt.StrokeDash(
        "prompts:N",
        scale=alt.Scale(domain=prompts, range=[[1, 0], [4, 3]][: len(prompts)]),
        legend=legend(prompts) if len(prompts) > 1 else None,
    )
    base = alt.Chart(source())
    single = base.transform_filter("!datum.set")
    reported = f"datum.prompts != '{CHOSE}'"
    band = single.transform_filter(reported).mark_area(opacity=0.15, interpolate="linear")
    line = single.mark_line(strokeWidth=2)
    dots = base.transform_filter(reported).mark_point(filled=True, size=22, opacity=1)
    hover = base.mark_point(filled=True, size=260, opacity=0)
    best = base.transform_filter("datum.best").mark_point(
        shape="diamond", size=130, filled=True, opacity=1, stroke="#ffffff", strokeWidth=1.2
    )
    label = base.transform_filter("datum.best").transform_calculate(label="'layer ' + datum.layers")
    words = alt.Text("label:N")
    halo = label.mark_text(dy=-14, fontSize=11, fontWeight=600, stroke="#ffffff", strokeWidth=3)
    name = label.mark_text(dy=-14, fontSize=11, fontWeight=600)
    names_of_layers = [halo.encode(x=x, y=y, text=words), name.encode(x=x, y=y, color=colour, text=words)]
    return alt.layer(
        _zero(),
        band.encode(x=x, y=y.copy(), color=colour).encode(y=_y("low", y), y2="high:Q"),
        line.encode(x=x, y=y, color=colour, strokeDash=dash),
        dots.encode(x=x, y=y, color=colour, shape=_shape()),
        best.encode(x=x, y=y, color=colour),
        *(names_of_layers if named else []),
        hover.encode(x=x, y=y, tooltip=_tooltip(measure)),
    )


def _strengths(measure: Measure, scale: alt.Scale, names: list[str], domain: list[float] | None) -> Layered:
    x, y = _axes(measure, domain)
    colour = alt.Color("series:N", scale=scale, legend=legend(names))
    base = alt.Chart(source())
    return alt.layer(
        _zero(),
        base.transform_filter("!datum.set").mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        base.mark_point(filled=True, size=22, opacity=1).encode(x=x, y=y, color=colour, shape=_shape()),
        base.mark_point(filled=True, size=260, opacity=0).encode(x=x, y=y, tooltip=_tooltip(measure)),
    )


def _shape() -> alt.Shape:
    """Layer sets have no line through them: they are squares of their own."""
    return alt.Shape("set:N", scale=alt.Scale(domain=[False, True], range=["circle", "square"]), legend=None)


def _y(field: str, like: alt.Y) -> alt.Y:
    other: alt.Y = like.copy()
    other["shorthand"] = f"{field}:Q"
    return other


def _in_words(rows: pd.DataFrame, measure: Measure, title: str) -> str:
    """The curve for people who do not see it: where each line has its best cell."""
    said = []
    for row in records(rows[rows["best"]]):
        low, high = row[f"{measure}_low"], row[f"{measure}_high"]
        interval = f" (95% interval {low:.2f} to {high:.2f})" if math.isfinite(low) else ""
        where = f"layer {row['layers']}, depth {row['depth']:.2f}"
        said.append(f"{row['behavior']}: best at {where}, {row[measure]:.2f}{interval}")
    return f"Line chart for {title}: {TITLES[measure]} over depth. {'; '.join(said)}."
