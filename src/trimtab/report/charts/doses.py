"""The axis of strength: the same push as it was given, in units of the vector, of the residual stream, and as KL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from trimtab.report.charts.base import RAMP, Layered, source

AXES = {"alpha": "α", "relative": "relative norm", "kl": "KL"}
"""The choices on the page, besides the strength as given."""

TITLES = {
    "alpha": "α (units of the vector)",
    "relative": "norm of the push ÷ norm of the residual stream",
    "kl": "KL from the unsteered model (nats), with the sign of the strength",
}
SHORT = {"alpha": "α (units of the vector)", "relative": "relative norm", "kl": "KL (nats)"}
"""The same for an axis that runs up a low figure."""
SIZES = {
    "alpha": "size of α (units of the vector)",
    "relative": "norm of the push ÷ norm of the residual stream",
    "kl": "KL from the unsteered model (nats)",
}
"""The same without a sign, for what is measured between −α and +α."""
COLUMNS = {"alpha": "α", "relative": "relative norm", "kl": "KL"}
"""Names of the doses in the CSV files."""


def drawing(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a spec that a variant replaces."""
    return {name: spec[name] for name in ("layer", "encoding", "transform") if name in spec}


def renamed(spec: Mapping[str, Any], fields: Mapping[str, str], titles: Mapping[str, str]) -> dict[str, Any]:
    """The drawing part of a spec with other fields on its axes, under other titles."""

    def walked(node: Any) -> Any:
        if isinstance(node, list):
            return [walked(item) for item in node]
        if not isinstance(node, dict):
            return node
        changed = {key: walked(value) for key, value in node.items()}
        if isinstance(node.get("field"), str):
            changed["field"] = fields.get(node["field"], node["field"])
        if isinstance(node.get("title"), str):
            changed["title"] = titles.get(node["title"], node["title"])
        return changed

    found: dict[str, Any] = walked(drawing(spec))
    return found


def over_dose(unit: str, measure: str, domain: list[float] | None) -> Layered:
    """An effect over its dose, a line for each layer, coloured by depth."""
    x = alt.X(f"{unit}:Q", title=SIZES[unit], axis=alt.Axis(tickCount=6, domain=False))
    scale = alt.Scale(domain=domain, nice=False) if domain else alt.Undefined
    y = alt.Y("value:Q", title=measure, scale=scale, axis=alt.Axis(tickCount=6, grid=True))
    tones = [f"rgb({red}, {green}, {blue})" for red, green, blue in RAMP]
    deep = alt.Scale(domain=[0, 1], range=tones)
    colour = alt.Color("depth:Q", scale=deep, legend=alt.Legend(title="depth", orient="top", tickCount=5))
    tooltip = [
        alt.Tooltip("layers:N", title="layer"),
        alt.Tooltip("series:N", title="strength"),
        alt.Tooltip(f"{unit}:Q", title=COLUMNS[unit], format=".3~g"),
        alt.Tooltip("value:Q", title=measure, format=".3~f"),
        alt.Tooltip("low:Q", title="95% from", format=".3~f"),
        alt.Tooltip("high:Q", title="to", format=".3~f"),
    ]
    base = alt.Chart(source())
    zero = alt.Chart(source(), name="zero").transform_aggregate(n="count()")
    return alt.layer(
        zero.mark_rule(color="#7d878e", strokeWidth=1).encode(y=alt.datum(0)),
        base.mark_line(strokeWidth=1.4, opacity=0.8).encode(
            x=x, y=y, color=colour, detail="layers:N", order=alt.Order(f"{unit}:Q")
        ),
        base.mark_point(filled=True, size=34, opacity=1).encode(x=x, y=y, color=colour, tooltip=tooltip),
    )
