"""Pictures of charts in the two widths of papers: one column and two."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import altair as alt
import vl_convert

from trimtab.report.charts.base import Chart, legend_columns

TWO_COLUMNS, ONE_COLUMN = "", "one-column"
WIDTHS = {TWO_COLUMNS: 7.0, ONE_COLUMN: 3.4}
"""Inches of a picture, by the folder below `charts` that it lies in: across two columns of a paper, and in one."""
POINTS_A_PIXEL = 0.7
"""The text of a chart has 10.5 to 13 pixels, and so 7.4 to 9.1 points in a paper, in either width."""
DOTS_AN_INCH = 300
_POINTS_AN_INCH = 72
_LETTER = 0.56
"""Width of a letter as a share of its size, on average."""


class Picture(NamedTuple):
    """A chart, drawn in one width."""

    folder: str
    """Below `charts`; "" for `charts` itself."""
    svg: str
    pdf: bytes
    png: bytes


def vegalite_version() -> str:
    """The Vega-Lite version that Altair's specs are written for, as vl-convert names it: "6.4"."""
    major, minor = alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2]
    return f"{major}.{minor}"


def pictures(chart: Chart, folders: Sequence[str] = tuple(WIDTHS)) -> Iterator[Picture]:
    """Draw a chart in each of these `WIDTHS`."""
    compiled = vl_convert.vegalite_to_vega(drawable(chart.picture()), vl_version=vegalite_version())
    for folder in folders:
        svg: str = vl_convert.vega_to_svg(fitted(compiled, WIDTHS[folder] * _POINTS_AN_INCH / POINTS_A_PIXEL))
        yield Picture(
            folder,
            _sized(svg, "in", _POINTS_AN_INCH),
            vl_convert.svg_to_pdf(_sized(svg, "", 1)),
            vl_convert.svg_to_png(svg, scale=POINTS_A_PIXEL, ppi=DOTS_AN_INCH),
        )


def fitted(spec: Mapping[str, Any], width: float) -> dict[str, Any]:
    """A compiled chart in a width in pixels: its titles wrap, its legends have as many columns as fit.

    Args:
        spec: in Vega's language.
        width: in pixels, with axes and margins.
    """
    domains = {scale["name"]: scale.get("domain") for scale in spec.get("scales", ())}
    changed = {**spec, "width": math.floor(width), "autosize": {"type": "fit-x", "contains": "padding"}}
    changed["marks"] = [{**mark, "aria": False} for mark in spec.get("marks", ()) if not _unseen(mark)]
    changed["legends"] = [_legend(legend, domains, width) for legend in spec.get("legends", ())]
    changed["axes"] = [_axis(axis, width, float(spec.get("height") or width)) for axis in spec.get("axes", ())]
    if isinstance(title := spec.get("title"), dict):
        sizes = {name: size for name, size in (("text", 13), ("subtitle", 11)) if name in title}
        changed["title"] = title | {name: _wrapped(title[name], width, size) for name, size in sizes.items()}
    return changed


def _unseen(mark: Mapping[str, Any]) -> bool:
    """Whether a mark is there for the pointer only, which a picture has no use for."""
    return bool(mark.get("encode", {}).get("update", {}).get("opacity") == {"value": 0})


def _legend(legend: dict[str, Any], domains: Mapping[str, Any], width: float) -> dict[str, Any]:
    channels = ("fill", "stroke", "shape", "strokeDash")
    names = next((names for c in channels if isinstance(names := domains.get(str(legend.get(c))), list)), [])
    if "columns" not in legend or not names:
        return legend
    return {**legend, "columns": legend_columns([str(name) for name in names], width - 60)}


def _axis(axis: dict[str, Any], width: float, height: float) -> dict[str, Any]:
    if not isinstance(axis.get("title"), str):
        return axis
    room = width - 70 if axis.get("orient") in ("bottom", "top") else max(height, 60)
    return {**axis, "title": _wrapped(axis["title"], room, 11.5)}


def _wrapped(text: Any, width: float, size: float) -> Any:
    """A text in lines that fit; what is none, or already in lines, as it is."""
    if not isinstance(text, str) or len(text) * size * _LETTER <= width:
        return text
    most, lines = max(8, int(width / (size * _LETTER))), [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _sized(svg: str, unit: str, units_an_inch: float) -> str:
    """The SVG with its size in a paper in place of its size in pixels."""
    scale = POINTS_A_PIXEL / (units_an_inch if unit else 1)

    def sized(found: re.Match[str]) -> str:
        width, height = (float(value) * scale for value in found.groups())
        return f'width="{width:.4g}{unit}" height="{height:.4g}{unit}"'

    return re.sub(r'width="([\d.]+)" height="([\d.]+)"', sized, svg, count=1)


_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTROL_PICTURES = 0x2400
_EXACT = 1 << 53
"""Up to here a float holds every whole number."""


def drawable(spec: Any) -> Any:
    """A chart's spec as the program that draws pictures can take it.

    It ends the whole process at characters that a picture cannot hold, which names and ids from elsewhere may have:
    they are made visible. Whole numbers that only a float holds are one.
    """
    if isinstance(spec, str):
        return _NOT_IN_XML.sub(_made_visible, spec)
    if isinstance(spec, int) and abs(spec) > _EXACT:
        return float(spec)
    if isinstance(spec, dict):
        return {drawable(key): drawable(value) for key, value in spec.items()}
    return [drawable(value) for value in spec] if isinstance(spec, list) else spec


def _made_visible(found: re.Match[str]) -> str:
    number = ord(found[0])
    return chr(_CONTROL_PICTURES + number) if number < 0x20 else "\ufffd"
