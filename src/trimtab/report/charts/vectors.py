"""What the vectors look like before anything is steered: the letter in them, and how long they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import altair as alt

from trimtab.analysis.formatting import plain
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

COSINE, SHARE = "|cosine| with the letter axis", "letter’s share of the variance"


def letter_curves(vectors: Sequence[dict[str, Any]]) -> list[Chart]:
    """Letter leakage over depth, for the vectors that have it.

    Args:
        vectors: Entries of a manifest's "vectors", with a key `panel`: the chart that each belongs to.
    """
    return _curves([v for v in vectors if v.get("letter")], _letter_rows, _letter_chart, "letters", "Letter leakage")


def norm_curves(vectors: Sequence[dict[str, Any]]) -> list[Chart]:
    """The vector's norm as a share of the residual stream's mean norm, over depth."""
    return _curves(vectors, _norm_rows, _norm_chart, "norms", "Vector norm over residual norm")


def _curves(
    vectors: Sequence[dict[str, Any]],
    rows: Callable[[dict[str, Any]], list[dict[str, Any]]],
    chart: Callable[[list[str], list[str], list[float] | None], Layered],
    slug: str,
    words: str,
) -> list[Chart]:
    everything = list(dict.fromkeys(str(vector["behavior"]) for vector in vectors))
    charts = []
    for panel in dict.fromkeys(str(vector["panel"]) for vector in vectors):
        mine = [vector for vector in vectors if vector["panel"] == panel]
        for names in chunks(list(dict.fromkeys(str(vector["behavior"]) for vector in mine))):
            data = [row for vector in mine if str(vector["behavior"]) in names for row in rows(vector)]
            domain = padded(row["value"] for row in data)
            if domain is None:
                continue
            several = " ".join(names) if len(names) < len(everything) else ""
            charts.append(
                finished(
                    chart(names, everything, domain),
                    data,
                    readable(
                        data,
                        {"series": "behavior", "kind": "measure", "layer": "layer", "depth": "depth", "value": "value"},
                    ),
                    slug=slugged(slug, panel, several),
                    title=panel,
                    alt_text=f"Line chart for {panel}: {words.lower()} over depth. {_peaks(data)}",
                    height=190,
                )
            )
    return charts


def _peaks(rows: list[dict[str, Any]]) -> str:
    tops: dict[str, dict[str, Any]] = {}
    for row in rows:
        name = f"{row['series']}, {row['kind']}"
        if name not in tops or row["value"] > tops[name]["value"]:
            tops[name] = row
    described = (f"{name}: largest {plain(row['value'], 2)} at layer {row['layer']}" for name, row in tops.items())
    return "; ".join(described) + "."


def _points(vector: dict[str, Any], kind: str, values: Sequence[float | None]) -> list[dict[str, Any]]:
    name, count = str(vector["behavior"]), len(values)
    return [
        {"series": name, "kind": kind, "layer": i, "depth": (i + 1) / count, "value": float(value)}
        for i, value in enumerate(values)
        if value is not None
    ]


def _letter_rows(vector: dict[str, Any]) -> list[dict[str, Any]]:
    letter = vector["letter"]
    cosine = [None if value is None else abs(value) for value in letter["cosine"]]
    return _points(vector, COSINE, cosine) + _points(vector, SHARE, letter["share"])


def _norm_rows(vector: dict[str, Any]) -> list[dict[str, Any]]:
    pairs = zip(vector["norm"], vector["residual_norm"], strict=True)
    return _points(vector, "norm ratio", [a / b if a is not None and b else None for a, b in pairs])


def _lines(names: list[str], everything: list[str], y: alt.Y, dash: alt.StrokeDash | None) -> Layered:
    x = depth_axis([], "depth")
    shown = legend(names, symbol=None)
    colour = alt.Color("series:N", scale=colours(names, everything), legend=shown)
    tooltip = [
        alt.Tooltip("series:N", title="behavior"),
        alt.Tooltip("kind:N", title="what"),
        alt.Tooltip("layer:Q", title="layer"),
        alt.Tooltip("value:Q", title="value", format=NUMBER),
    ]
    base = alt.Chart(source())
    line = base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour)
    if dash is not None:
        line = line.encode(strokeDash=dash)
    shape = alt.Shape("series:N", scale=shapes(names, everything), legend=shown)
    dots = base.mark_point(filled=True, size=22, opacity=1).encode(x=x, y=y, color=colour, shape=shape)
    hover = base.mark_point(filled=True, size=220, opacity=0).encode(x=x, y=y, tooltip=tooltip)
    return alt.layer(line, dots, hover)


def _letter_chart(names: list[str], everything: list[str], domain: list[float] | None) -> Layered:
    kinds = [COSINE, SHARE]
    dash = alt.StrokeDash("kind:N", scale=alt.Scale(domain=kinds, range=[[1, 0], [4, 3]]), legend=legend(kinds))
    y = alt.Y(
        "value:Q", title="leakage", scale=alt.Scale(domain=[0, _top(domain)], nice=False), axis=alt.Axis(tickCount=5)
    )
    return _lines(names, everything, y, dash)


def _norm_chart(names: list[str], everything: list[str], domain: list[float] | None) -> Layered:
    scale = alt.Scale(domain=[0, domain[1]] if domain else alt.Undefined, nice=False)
    y = alt.Y("value:Q", title="‖v‖ ÷ ‖h‖", scale=scale, axis=alt.Axis(tickCount=5))
    return _lines(names, everything, y, None)


def _top(domain: list[float] | None) -> float:
    """Where the axis of a leakage ends: little of it should look like little, and stay legible."""
    return min(1.0, max(0.2, domain[1])) if domain else 1.0
