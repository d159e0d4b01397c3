"""The effect by layer and strength: a line for each strength over depth, or for each layer over the dose."""

from __future__ import annotations

from dataclasses import replace

import altair as alt
import pandas as pd

from trimtab.analysis.cells import sized
from trimtab.analysis.samples import present, records
from trimtab.analysis.scores import OWNER
from trimtab.report._strength_units import DOSES, dosed, measured_doses
from trimtab.report.charts._palette import ramp
from trimtab.report.charts.base import Chart, Layered, chunks, depth_axis, finished, legend, padded, slugged, source
from trimtab.report.charts.curves import (
    TITLES,
    Measure,
    curve_data,
    curve_rows,
    curve_tooltip,
    effect_axis,
    panel_columns,
    panel_title,
    set_shape,
    zero_rule,
)
from trimtab.report.charts.measures.doses import drawing, over_dose


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
        series = pd.Series([f"{sized(row['strength'], row['compared'])}" for row in records(mine)], index=mine.index)
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
                _strengths(measure, scale, part, domain, list(mine["depth"])),
                curve_rows(rows, measure, series="series"),
                curve_data(rows, measure),
                slug=slugged("strengths", title, " ".join(part) if len(part) < len(names) else ""),
                title=title,
                alt_text=f"Line chart for {title}: {TITLES[measure]} over depth, one line for each of "
                f"{', '.join(part)}.",
                height=240,
            )
            y = effect_axis(measure, domain)
            variants = {
                unit: drawing(over_dose(unit, y, TITLES[measure], signed=False, before=0).to_dict(validate=False))
                for unit in measured_doses(rows)
            }
            charts.append(replace(chart, variants=variants))
    return charts


def _dosed(effects: pd.DataFrame, dose: pd.DataFrame) -> pd.DataFrame:
    """The effects with their doses: a delta is of both signs, and so is the mean size of its dose."""
    both = dose.assign(strength=dose["strength"].abs(), **{name: dose[name].abs() for name in DOSES})
    keys = [name for name in both.columns if name not in DOSES]
    return dosed(effects, both.groupby(keys, sort=False, dropna=False)[list(DOSES)].mean().reset_index())


def _strengths(
    measure: Measure, scale: alt.Scale, names: list[str], domain: list[float] | None, depths: list[float]
) -> Layered:
    x, y = depth_axis(depths), effect_axis(measure, domain)
    colour = alt.Color("series:N", scale=scale, legend=legend(names, "strength"))
    base = alt.Chart(source())
    return alt.layer(
        zero_rule(),
        base.transform_filter("!datum.set").mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        base.mark_point(filled=True, size=22, opacity=1).encode(x=x, y=y, color=colour, shape=set_shape()),
        base.mark_point(filled=True, size=260, opacity=0).encode(x=x, y=y, tooltip=curve_tooltip(measure)),
    )
