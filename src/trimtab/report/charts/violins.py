"""Violins: how the scores of single prompts are spread at each strength, at the best layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.formatting import fixed, plain
from trimtab.analysis.replies import SPEAKER
from trimtab.analysis.samples import present, records, rows_at
from trimtab.analysis.scores import UNITS
from trimtab.report._strength_units import AT, SIGNED, dosed, measured_doses
from trimtab.report.charts._palette import INK, UNSTEERED, signed_tones
from trimtab.report.charts.base import NUMBER, Chart, Layered, chunks, finished, readable, slugged, source
from trimtab.report.charts.curves import panel_columns, panel_title
from trimtab.report.charts.measures.doses import COLUMNS, SHORT, drawing

HALF_WIDTH = 0.42
STEPS = 40
POINTS, ALL_POINTS = 150, 3000
"""Most prompts drawn as points in a violin, and on the page. Shapes and quartiles are of all prompts."""
ROW, ROOMY = 21, 34
"""Height of a violin; the larger where there are few."""
IN_ONE_CHART = 8

Array = NDArray[np.float64]


def score_violins(samples: pd.DataFrame, best: pd.DataFrame, dose: pd.DataFrame | None = None) -> list[Chart]:
    """Scores by strength at each best cell's layer, on the prompts that are reported.

    A chart for each model: below the name of each behavior one violin for each strength, lying on its side, so that
    names have room on a phone too. With a dose, their strengths can be named in its units.
    """
    scores = _prompt_means(rows_at(samples, best))
    if scores.empty:
        return []
    if dose is not None:
        scores = _dosed(scores, best, dose)
    violins = len(scores.groupby(["cell", "strength"]))
    points = min(POINTS, max(12, ALL_POINTS // violins))
    cells = best.reset_index(drop=True).rename_axis("cell").reset_index()
    cells = cells[cells["cell"].isin(scores["cell"])]
    columns = panel_columns(best)
    charts = []
    for _, table in cells.groupby(columns, sort=False):
        title = panel_title(best, records(table.head(1))[0], columns)
        parts = chunks([str(cell) for cell in table["cell"]], IN_ONE_CHART)
        for part in parts:
            mine = records(table[table["cell"].astype(str).isin(part)])
            several = " ".join(str(cell["behavior"]) for cell in mine) if len(parts) > 1 else ""
            charts.append(_panel(mine, scores, title, several, points))
    return charts


def _panel(cells: list[dict[str, Any]], scores: pd.DataFrame, title: str, several: str, points: int) -> Chart:
    rows: list[dict[str, Any]] = []
    medians_in_words, tables = [], []
    labels: list[str] = []
    units = measured_doses(scores)
    others: dict[str, list[str]] = {unit: [] for unit in units}
    alphas = sorted(scores.loc[scores["cell"].isin([cell["cell"] for cell in cells]), "strength"].unique())
    for cell in cells:
        mine = scores[scores["cell"] == cell["cell"]]
        where = f"layer {cell['layers']}"
        rows.append({"kind": "name", "place": len(labels), "text": str(cell["behavior"]), "where": where})
        labels.append("")
        for unit in units:
            others[unit].append("")
        medians = []
        for alpha, table in mine.groupby("strength"):
            rows += _violin(len(labels), _named(float(str(alpha))), table, points)
            labels.append(_named(float(str(alpha))))
            for unit in units:
                sign = 1.0 if unit in SIGNED else float(np.sign(float(str(alpha))))
                others[unit].append(_dose_named(sign * float(table[unit].iloc[0])))
            medians.append(f"{fixed(table['score'].median())} at strength {plain(float(str(alpha)))}")
        medians_in_words.append(f"{cell['behavior']} at {where}: median {', '.join(medians)}")
        named = {name: str(cell[name]) for name in ("model", "behavior", "layers", "scale")}
        tables.append(mine.assign(**named))
    height = (ROOMY if len(labels) <= 8 else ROW) * len(labels) + 10
    named_unit = f"score_{UNITS.get(str(cells[0]['scoring']), 'units').replace(' ', '_')}"
    unit = "logit difference" if cells[0]["scoring"] == "choice" else f"text score ({UNITS[str(cells[0]['scoring'])]})"
    scales = ", ".join(dict.fromkeys(str(cell["scale"]) for cell in cells))
    names = {name: name for name in ("model", "behavior", "scale", "strength", *units, "prompt_id", "score")}
    chart = finished(
        _chart(labels, alphas, unit, f"strength ({scales})"),
        rows,
        readable(
            records(pd.concat(tables)),
            {
                **names,
                **{name: COLUMNS[name] for name in units},
                "layers": "layer",
                "prompt_id": "prompt",
                "score": named_unit,
            },
        ),
        slug=slugged("scores", title, several),
        title=title,
        alt_text=f"Violins for {title}: {unit} of single prompts. {'; '.join(medians_in_words)}.",
        height=height,
    )
    variants = {
        name: drawing(_chart(texts, alphas, unit, SHORT[name]).to_dict(validate=False))
        for name, texts in others.items()
    }
    return replace(chart, variants=variants)


def _dosed(scores: pd.DataFrame, best: pd.DataFrame, dose: pd.DataFrame) -> pd.DataFrame:
    """The scores with the doses of their cells; an unsteered one has none of anything."""
    on = [*present(best, SPEAKER), *AT]
    cells = best.reset_index(drop=True).rename_axis("cell").reset_index()[["cell", *(n for n in on if n != "strength")]]
    wide = dosed(scores.merge(cells, on="cell"), dose)
    still = wide["strength"] == 0
    units = measured_doses(wide)
    wide = wide.assign(**{name: wide[name].mask(still, 0.0) for name in units})
    table: pd.DataFrame = wide[[*scores.columns, *units]]
    return table


def _dose_named(dose: float) -> str:
    return plain(dose, 3) if np.isfinite(dose) else "?"


def _named(alpha: float) -> str:
    return plain(alpha)


def _prompt_means(rows: pd.DataFrame) -> pd.DataFrame:
    """One score for each cell, strength and prompt, the option orders averaged as in `effects`."""
    rows = rows[np.isfinite(rows["score"])]
    sums = rows.assign(weighted=rows["score"] * rows["weight"]).groupby(["cell", "strength", "prompt_id"])
    table = sums[["weighted", "weight"]].sum().reset_index()
    scores: pd.DataFrame = table.assign(score=table["weighted"] / table["weight"])
    known: pd.DataFrame = scores.dropna(subset=["score"])
    return known


def _violin(place: int, alpha: str, rows: pd.DataFrame, points: int) -> list[dict[str, Any]]:
    """Shape, quartiles and points of one strength, placed around y = `place`."""
    values = rows["score"].to_numpy(float)
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    common = {"alpha": alpha, "place": place}
    spread = {"low": low, "middle": middle, "high": high, "mean": values.mean(), "n": len(values)}
    data: list[dict[str, Any]] = [{**common, "kind": "box", **spread}]
    grid, density = outline(values)
    for x, width in zip(grid, density, strict=True):
        data.append({**common, "kind": "shape", "x": x, "y": place - width, "end": place + width})
    # A fixed pattern instead of chance: the same data gives the same picture.
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), points)).astype(int))
    shown, prompts = values[chosen], rows["prompt_id"].astype(str).to_numpy()[chosen]
    swing = (np.arange(len(shown)) * 0.618034) % 1 - 0.5
    reach = np.interp(shown, grid, density) if len(grid) else np.full(len(shown), 0.1)
    for x, y, prompt in zip(shown, place + swing * 1.2 * reach, prompts, strict=True):
        data.append({**common, "kind": "point", "x": x, "y": y, "prompt": prompt})
    return data


def outline(values: Array) -> tuple[Array, Array]:
    """Gaussian kernel density, scaled to half a violin's width: (scores, widths). Empty if all are equal."""
    nothing = np.empty(0)
    if len(values) < 3:
        return nothing, nothing
    deviation, (low, high) = values.std(ddof=1), np.quantile(values, [0.25, 0.75])
    sizes = [size for size in (deviation, (high - low) / 1.349) if size > 0]
    if not sizes:
        return nothing, nothing
    bandwidth = 0.9 * min(sizes) * len(values) ** -0.2
    grid = np.linspace(values.min() - 2 * bandwidth, values.max() + 2 * bandwidth, STEPS)
    density = np.exp(-0.5 * ((grid[:, None] - values[None, :]) / bandwidth) ** 2).sum(axis=1)
    return grid, HALF_WIDTH * density / density.max()


def _chart(labels: list[str], alphas: list[float], score: str, title: str) -> Layered:
    texts = "[" + ", ".join(f"'{label}'" for label in labels) + "][datum.value]"
    places = [place for place, label in enumerate(labels) if label]
    axis = alt.Axis(
        values=places,
        labelExpr=texts,
        labelOverlap=False,
        tickCount=len(labels),
        ticks=False,
        grid=False,
        titleFontSize=11,
    )
    down = alt.Scale(domain=[len(labels) - 0.4, -0.6], nice=False)
    across = alt.Axis(tickCount=6, grid=True)
    x = alt.X("x:Q", title=score, scale=alt.Scale(zero=False), axis=across)
    tones = signed_tones(alphas)
    names = [_named(alpha) for alpha in alphas]
    colour = alt.Color("alpha:N", scale=alt.Scale(domain=names, range=tones), legend=None)
    base = alt.Chart(source())
    box = base.transform_filter("datum.kind == 'box'")
    number = NUMBER
    tooltip = [
        alt.Tooltip("alpha:N", title="strength"),
        alt.Tooltip("mean:Q", title="mean", format=number),
        alt.Tooltip("middle:Q", title="median", format=number),
        alt.Tooltip("low:Q", title="quartile 1", format=number),
        alt.Tooltip("high:Q", title="quartile 3", format=number),
        alt.Tooltip("n:Q", title="prompts"),
    ]
    one = [alt.Tooltip("prompt:N", title="prompt"), alt.Tooltip("x:Q", title="score", format=number)]
    place = alt.Y("place:Q", scale=down)
    zero = alt.Chart(source(), name="zero").transform_aggregate(n="count()")
    heads = base.transform_filter("datum.kind == 'name'")
    head = heads.properties(name="ink").mark_text(align="left", fontSize=11.5, fontWeight=600, color=INK)
    return alt.layer(
        zero.mark_rule(color=UNSTEERED, strokeWidth=1).encode(x=alt.datum(0)),
        base.transform_filter("datum.kind == 'shape'")
        .mark_area(opacity=0.3)
        .encode(x=x, y=alt.Y("y:Q", scale=down, axis=axis, title=title), y2="end:Q", color=colour, detail="place:N"),
        base.transform_filter("datum.kind == 'point'")
        .mark_point(filled=True, size=9, opacity=0.6)
        .encode(x=x, y=alt.Y("y:Q", scale=down), color=colour, tooltip=one),
        box.mark_rule(strokeWidth=4, strokeCap="round").encode(
            x=alt.X("low:Q"), x2="high:Q", y=place, color=colour, tooltip=tooltip
        ),
        box.mark_point(shape="circle", filled=True, fill="#ffffff", strokeWidth=2, size=46, opacity=1).encode(
            x=alt.X("middle:Q"), y=place, stroke=colour, tooltip=tooltip
        ),
        head.transform_calculate(label="datum.text + ' · ' + datum.where").encode(
            x=alt.value(2), y=place, text="label:N"
        ),
    )
