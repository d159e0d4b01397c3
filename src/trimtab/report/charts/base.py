"""What all charts share: the Chart itself, fonts, axes and legends, compact data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import pandas as pd

from trimtab._util.spreadsheet import csv_text
from trimtab.analysis.scores import UNITS
from trimtab.report.charts._palette import FAINT, GRID, INK, SERIES, SHAPES

SERIES_IN_ONE_CHART = len(SERIES)

FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
LEGEND_WIDTH = 300
"""A legend wraps at this width, so that it fits a phone."""

DATA = "rows"
NUMBER, PERCENT = ".4~r", ".3~p"
"""How tooltips write numbers: by significant digits, so that the end of an interval never reads as 0 unless it is."""

Layered = alt.LayerChart | alt.FacetChart
"""The types that Altair gives layered charts."""


@dataclass(frozen=True)
class Chart:
    """One chart: a Vega-Lite spec without a width, and the words that go with it."""

    slug: str
    """Name of its picture files."""
    title: str
    """What sets it apart from its neighbours: a model, a behavior. May be empty."""
    alt: str
    """The chart in words, for people who do not see it."""
    spec: dict[str, Any]
    data: pd.DataFrame
    """The numbers that the chart shows, under names a reader understands."""
    variants: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    """What the page draws in place of the spec's own parts, by the unit that its axis of strength is then in."""

    @property
    def embedded(self) -> dict[str, Any]:
        """The spec as the page carries it, with its variants."""
        if not self.variants:
            return self.spec
        return {**self.spec, "usermeta": {**self.spec["usermeta"], "variants": self.variants}}

    @property
    def csv(self) -> str:
        """The numbers as a CSV file, the same beside the page and in it."""
        return csv_text(self.data, float_format="%.6g")

    def picture(self) -> dict[str, Any]:
        """The spec with the title and the background that a picture file needs, in a width to be changed."""
        below = self.spec.get("title", {}).get("text", "")
        title = {"text": self.title, "subtitle": below, "anchor": "start", "fontSize": 13, "subtitleColor": FAINT}
        spec = {**self.spec, "width": 400, "background": "white", **({"title": title} if self.title else {})}
        drawable: dict[str, Any] = _drawable(spec)
        return drawable


_UNDRAWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\ufffe\uffff]")
"""What no SVG, or no text of a script, may hold: the program that draws it fails, or ends the whole process."""


def _drawable(value: Any) -> Any:
    """A spec with such characters in its texts as U+001B, as names from elsewhere may hold them."""
    if isinstance(value, str):
        return _UNDRAWABLE.sub(lambda found: f"U+{ord(found[0]):04X}", value)
    if isinstance(value, dict):
        return {_drawable(key): _drawable(inner) for key, inner in value.items()}
    return [_drawable(inner) for inner in value] if isinstance(value, list) else value


def finished(
    chart: Layered,
    rows: Iterable[dict[str, Any]],
    data: pd.DataFrame,
    *,
    slug: str,
    title: str,
    alt_text: str,
    height: int,
) -> Chart:
    """A Chart from an Altair chart that reads the named data `DATA`."""
    # Validation is Altair's most costly part; a spec that is wrong fails when its picture is drawn.
    spec = {**chart.to_dict(validate=False), "width": "container", "height": height}
    # The page and the pictures name the version themselves; a page without addresses is easier to trust.
    spec.pop("$schema", None)
    spec["datasets"] = {DATA: [compact(row) for row in rows]}
    spec["config"] = CONFIG
    spec["description"] = alt_text
    spec["usermeta"] = {}
    return Chart(slug=slug, title=title, alt=alt_text, spec=spec, data=_with_units(data))


_UNITS = {
    "glass": "glass_delta_sd", "intended": "intended_sd", "side": "side_sd", "worst_shift": "worst_shift_sd",
    "perplexity": "perplexity_ratio", "easy": "easy_right_share", "easy_before": "unsteered_easy_right_share",
    "share": "share_of_plain_effect", "alpha": "strength_alpha", "relative": "strength_relative_norm",
    "kl": "strength_kl_nats", "low": "ci95_low", "high": "ci95_high", "n": "prompts",
}  # fmt: skip
"""Names in CSV files of what the tables of measures call by shorter ones."""
_ENDS = ("", "_low", "_high", "_least", "_most")


def _with_units(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the units of its numbers in their names."""
    scorings = {UNITS.get(str(name), "") for name in table["scoring"]} if "scoring" in table.columns else set()
    unit = (next(iter(scorings)) if len(scorings) == 1 else "").replace(" ", "_") or "score_units"
    units = {**_UNITS, "delta": f"delta_{unit}", "unsteered": f"unsteered_{unit}", "difference": "difference_glass_sd"}
    named: pd.DataFrame = table.rename(columns={f"{n}{end}": f"{to}{end}" for n, to in units.items() for end in _ENDS})
    return named


def readable(rows: Iterable[dict[str, Any]], names: dict[str, str]) -> pd.DataFrame:
    """The rows of a chart as the table behind it: these columns, under these names, which are plain ASCII."""
    table: pd.DataFrame = pd.DataFrame(list(rows), columns=list(names)).rename(columns=names)
    return table


def source() -> alt.NamedData:
    """The data that every layer of a chart reads."""
    return alt.NamedData(name=DATA)


def compact(row: dict[str, Any]) -> dict[str, Any]:
    """A row fit for JSON: five significant digits, and null for what is not a finite number."""
    return {key: _plain(value) for key, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, str)) or value is None:
        return value
    number = float(value)
    if not math.isfinite(number):
        return None
    rounded = float(f"{number:.5g}")
    return int(rounded) if rounded.is_integer() else rounded


def colours(names: Sequence[str], everything: Sequence[str]) -> alt.Scale:
    """A colour for each name that stays the same in every chart of the report."""
    return _by_place(names, everything, SERIES)


def shapes(names: Sequence[str], everything: Sequence[str]) -> alt.Scale:
    """A shape of point for each name, as `colours` gives it a colour."""
    return _by_place(names, everything, SHAPES)


def _by_place(names: Sequence[str], everything: Sequence[str], looks: Sequence[str]) -> alt.Scale:
    place = {name: looks[i % len(looks)] for i, name in enumerate(everything)}
    return alt.Scale(domain=list(names), range=[place[name] for name in names])


def depth_axis(depths: Iterable[float], title: str = "depth (share of the layers passed)") -> alt.X:
    """The axis of depth, where the data are: from 0 unless all of them are deeper, to 1 unless all are shallower.

    Charts to compare share it: give the depths of all of them.
    """
    known = [depth for depth in depths if math.isfinite(depth)] or [0.0, 1.0]
    low = math.floor(min(known) * 10 + 1e-9) / 10
    high = math.ceil(max(known) * 10 - 1e-9) / 10
    low, high = (0.0 if low < 0.2 else low), (1.0 if high > 0.8 else high)
    low, high = (low, high) if high > low else (0.0, 1.0)
    step = 0.2 if high - low > 0.7 else 0.1
    marks = [round(place * step, 1) for place in range(math.ceil(low / step - 1e-9), int(high / step + 1e-9) + 1)]
    axis = alt.Axis(values=marks, format=".1f", tickCount=len(marks))
    return alt.X("depth:Q", title=title, scale=alt.Scale(domain=[low, high], nice=False), axis=axis)


def legend(names: Sequence[str], title: str | None = None, *, symbol: str | None = "stroke") -> alt.Legend:
    """A legend above the chart that wraps instead of running out of a phone's screen.

    Args:
        names: what it names.
        title: over it.
        symbol: how each stands there; None: by its own shape.
    """
    columns = legend_columns(names, LEGEND_WIDTH)
    return alt.Legend(
        title=title,
        orient="top",
        direction="horizontal",
        columns=columns,
        labelLimit=LEGEND_WIDTH,
        symbolType=alt.Undefined if symbol is None else symbol,
        symbolSize=60,
    )


def legend_columns(names: Sequence[str], width: float) -> int:
    """The number of columns of these names that fit."""
    longest = max((len(name) for name in names), default=1)
    return max(1, min(len(names), int(width / (7 * longest + 30))))


def named_by(labels: Mapping[str, str | list[str]]) -> str:
    """An expression for the label of an axis in place of each of its values; a list has one line each."""
    # Vega's expressions know fewer characters than JSON does: what is not plain is escaped.
    return f"{json.dumps(labels)}[datum.value]"


def padded(values: Iterable[float]) -> list[float] | None:
    """A domain that holds all finite values and 0 with a little air; None if there is nothing to hold."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(0.0, *finite), max(0.0, *finite)
    air = 0.06 * ((high - low) or 1.0)
    return [low - air if low < 0 else 0.0 - air / 2, high + air]


def slugged(*parts: str) -> str:
    """A file name made of the parts: plain lower-case letters, digits and hyphens."""
    words = [re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in parts]
    return "-".join(word for word in words if word) or "chart"


def chunks(items: Sequence[str], size: int = SERIES_IN_ONE_CHART) -> list[list[str]]:
    """The items, no more than `size` at a time."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


_AXIS = {
    "labelColor": FAINT, "titleColor": INK, "gridColor": GRID,
    "domainColor": "#9aa3aa", "tickColor": "#9aa3aa", "labelFlush": False,
    "labelFontSize": 11, "titleFontSize": 11.5, "titleFontWeight": "normal", "titlePadding": 8, "tickSize": 4,
}  # fmt: skip

CONFIG: dict[str, Any] = {
    "font": FONT,
    "background": None,
    "view": {"stroke": None},
    "axis": _AXIS,
    "axisX": {"grid": False},
    "axisY": {"domain": False, "ticks": False},
    "legend": {"labelColor": INK, "titleColor": FAINT, "labelFontSize": 11.5, "titleFontSize": 11,
               "titleFontWeight": "normal", "symbolStrokeWidth": 2.5, "symbolOpacity": 1, "rowPadding": 3,
               "padding": 2, "layout": {"top": {"direction": "vertical", "anchor": "start", "margin": 2}}},
    "title": {"color": INK, "fontWeight": 600},
}  # fmt: skip
