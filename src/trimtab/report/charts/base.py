"""What all charts share: the Chart itself, colours, fonts, compact data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import pandas as pd

# Middle tones: a contrast of at least 3 to 1 with the white page and with the dark one.
PALETTE = ("#2f7fc1", "#c9601a", "#2b9168", "#b04a9a", "#8c7a12", "#7068d6", "#c24a5a", "#5f7f8c")
RAMP = ((58, 142, 200), (112, 108, 212), (176, 72, 156), (204, 72, 84))
SERIES_IN_ONE_CHART = len(PALETTE)

INK, FAINT, GRID = "#1d2328", "#5c666e", "#e3e6e8"
FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
PICTURE_WIDTH = 680
LEGEND_WIDTH = 300
"""A legend wraps at this width, so that it fits a phone."""

DATA = "rows"

Layered = alt.LayerChart | alt.FacetChart
"""What Altair says layering gives."""


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
        return str(self.data.to_csv(index=False, float_format="%.6g", lineterminator="\n"))

    def picture(self) -> dict[str, Any]:
        """The spec with the size, the title and the background that a picture file needs."""
        width = self.spec.get("usermeta", {}).get("picture_width", PICTURE_WIDTH)
        below = self.spec.get("title", {}).get("text", "")
        title = {"text": self.title, "subtitle": below, "anchor": "start", "fontSize": 13}
        return {**self.spec, "width": width, "background": "white", **({"title": title} if self.title else {})}


def finished(
    chart: Layered,
    rows: Iterable[dict[str, Any]],
    data: pd.DataFrame,
    *,
    slug: str,
    title: str,
    alt_text: str,
    height: int,
    picture_width: int = PICTURE_WIDTH,
) -> Chart:
    """A Chart from an Altair chart that reads the named data `DATA`."""
    # Validation is Altair's most costly part; a spec that is wrong fails when its picture is drawn.
    spec = {**chart.to_dict(validate=False), "width": "container", "height": height}
    # The page and the pictures name the version themselves; a page without addresses is easier to trust.
    spec.pop("$schema", None)
    spec["datasets"] = {DATA: [compact(row) for row in rows]}
    spec["config"] = CONFIG
    spec["description"] = alt_text
    spec["usermeta"] = {"picture_width": picture_width}
    return Chart(slug=slug, title=title, alt=alt_text, spec=spec, data=data)


def readable(rows: Iterable[dict[str, Any]], names: dict[str, str]) -> pd.DataFrame:
    """The rows of a chart as the table behind it: these columns, under these names."""
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
    place = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(everything)}
    return alt.Scale(domain=list(names), range=[place[name] for name in names])


def ramp(count: int) -> list[str]:
    """So many colours in an order the eye can follow, none too pale or too dark for either page."""
    steps = [0.0] if count == 1 else [i * (len(RAMP) - 1) / (count - 1) for i in range(count)]
    return [_blend(step) for step in steps]


def _blend(step: float) -> str:
    left = min(int(step), len(RAMP) - 2)
    part = step - left
    rgb = (round(a + part * (b - a)) for a, b in zip(RAMP[left], RAMP[left + 1], strict=True))
    return "#" + "".join(f"{value:02x}" for value in rgb)


def legend(names: Sequence[str], title: str | None = None, *, symbol: str | None = "stroke") -> alt.Legend:
    """A legend above the chart that wraps instead of running out of a phone's screen.

    Args:
        names: what it names.
        title: over it.
        symbol: how each stands there; None: by its own shape.
    """
    longest = max((len(name) for name in names), default=1)
    columns = max(1, min(len(names), int(LEGEND_WIDTH / (7 * longest + 30))))
    return alt.Legend(
        title=title,
        orient="top",
        direction="horizontal",
        columns=columns,
        labelLimit=LEGEND_WIDTH,
        symbolType=alt.Undefined if symbol is None else symbol,
    )


def named_by(labels: Mapping[str, str | list[str]]) -> str:
    """An expression for what an axis says instead of each of its values; a list is one line each."""
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
    "domainColor": "#9aa3aa", "tickColor": "#9aa3aa",
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
