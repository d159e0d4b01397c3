"""The axis of strength: the same push as it was given, in units of the vector, of the residual stream, and as KL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from trimtab.report.charts._palette import AWAY, RAMP, TOWARD, UNSTEERED, scale_legend
from trimtab.report.charts.base import NUMBER, Layered, legend, named_by, source

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
COLUMNS = {"alpha": "strength_alpha", "relative": "strength_relative_norm", "kl": "strength_kl_nats"}
"""Names of the doses in the CSV files."""


WAYS = {"+": "toward (+)", "−": "away (−)"}
"""How the sign of a strength stands in the data, and what a legend calls it."""


def direction_colour(field: str) -> alt.Color:
    """The colour of the direction of a strength, with a legend."""
    shown = legend(list(WAYS.values()), symbol="circle")
    shown["labelExpr"] = named_by(WAYS)
    return alt.Color(f"{field}:N", scale=alt.Scale(domain=list(WAYS), range=[TOWARD, AWAY]), legend=shown)


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


def over_dose(unit: str, y: alt.Y, title: str, *, signed: bool, before: float) -> Layered:
    """A number over the dose, a line for each layer, coloured by depth.

    Args:
        unit: of the dose, which is a field of the data.
        y: the axis of the number, which is the field `value`.
        title: of the number.
        signed: whether doses have the sign of their strength.
        before: the number of the unsteered model.
    """
    x = alt.X(f"{unit}:Q", title=(TITLES if signed else SIZES)[unit], axis=alt.Axis(tickCount=6))
    tones = [f"rgb({red}, {green}, {blue})" for red, green, blue in RAMP]
    deep = alt.Scale(domain=[0, 1], range=tones)
    colour = alt.Color("depth:Q", scale=deep, legend=scale_legend("depth", ".1f"))
    tooltip = [
        alt.Tooltip("layers:N", title="layer"),
        alt.Tooltip("series:N", title="strength"),
        alt.Tooltip(f"{unit}:Q", title=AXES[unit], format=NUMBER),
        alt.Tooltip("value:Q", title=title, format=NUMBER),
        alt.Tooltip("low:Q", title="95% from", format=NUMBER),
        alt.Tooltip("high:Q", title="to", format=NUMBER),
    ]
    base = alt.Chart(source())
    zero = alt.Chart(source(), name="zero").transform_aggregate(n="count()")
    return alt.layer(
        zero.mark_rule(color=UNSTEERED, strokeWidth=1).encode(y=alt.datum(before)),
        base.mark_line(strokeWidth=1.4, opacity=0.8).encode(
            x=x, y=y, color=colour, detail="layers:N", order=alt.Order(f"{unit}:Q")
        ),
        base.mark_point(filled=True, size=34, opacity=1).encode(x=x, y=y, color=colour, tooltip=tooltip),
    )
