"""Baselines: a forest plot of paired differences between arms, and the effect of each arm against its dose."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.baselines.arm_differences import RESISTS
from trimtab.analysis.baselines.arm_names import BEST, EQUAL_DOSE
from trimtab.analysis.baselines.judged_arms import REPLIES_SCORING
from trimtab.analysis.formatting import decimals_for, fixed, with_interval
from trimtab.analysis.samples import present, records
from trimtab.analysis.scores import UNITS
from trimtab.report.charts._palette import KEPT, LOST, UNSTEERED
from trimtab.report.charts.base import NUMBER, Chart, Layered, finished, legend, named_by, readable, slugged, source
from trimtab.report.charts.heatmaps import wrapped

ROW = 27
LOOKS = {
    "prompt": ("#2f6f9f", "square"), "vector": (KEPT, "circle"), "other vector": ("#8a6fb3", "diamond"),
    "control": (UNSTEERED, "cross"), "both": ("#b8860b", "triangle-up"), "contrary": (LOST, "triangle-down"),
    "fine-tuning": ("#7a5230", "stroke"),
}  # fmt: skip
"""Colour and shape of each kind of arm."""
SHOWN = {"more": (KEPT, "circle"), "less": (LOST, "square"), "not shown": (UNSTEERED, "diamond")}
"""Colour and shape of a difference, by whether it is shown."""
_PANEL = ("run", "model", "behavior", "scoring", "side")


def difference_forests(differences: pd.DataFrame) -> list[Chart]:
    """The paired differences of each model, behavior and side: a figure each."""
    charts = []
    for title, rows in _panels(differences[differences["difference"].map(math.isfinite)]):
        lines = [_line(row) for row in rows]
        labels = {line["pair"]: wrapped(line["pair"], 46) for line in lines}
        unit = unit_of(str(rows[0]["scoring"]))
        words = "; ".join(f"{line['pair']}: {line['text']} ({line['shown']})" for line in lines)
        names = {
            "side": "side", "question": "question", "pair": "arms", "value": f"difference_{unit.replace(' ', '_')}",
            "low": "ci95_low", "high": "ci95_high", "p": "p_adjusted", "n": "prompts",
        }  # fmt: skip
        charts.append(
            finished(
                _forest(lines, labels, unit),
                lines,
                readable(lines, names),
                slug=slugged("baselines", title),
                title=title,
                alt_text=f"Forest plot for {title}: {plural(len(lines), 'paired difference')} between arms. {words}.",
                height=ROW * len(lines),
            )
        )
    return charts


def dose_plots(effects: pd.DataFrame) -> list[Chart]:
    """The effect of each arm against its dose, for each model, behavior and side of which doses are known."""
    known = effects[
        effects["chosen"].astype(bool) & effects["kl"].map(math.isfinite) & effects["effect"].map(math.isfinite)
    ]
    charts = []
    for title, rows in _panels(known):
        points = [_point(row) for row in rows]
        unit = unit_of(str(rows[0]["scoring"]))
        words = "; ".join(f"{point['arm']} {point['text']} at {fixed(point['dose'])} nats" for point in points)
        names = {
            "arm": "arm", "kind": "kind", "dose": "dose_nats", "value": f"effect_{unit.replace(' ', '_')}",
            "low": "ci95_low", "high": "ci95_high", "n": "prompts",
        }  # fmt: skip
        charts.append(
            finished(
                _against_dose(points, unit),
                points,
                readable(points, names),
                slug=slugged("baselines-dose", title),
                title=title,
                alt_text=f"Scatter plot for {title}: the effect of {plural(len(points), 'arm')} against its dose. "
                f"{words}.",
                height=260,
            )
        )
    return charts


def unit_of(scoring: str) -> str:
    """The unit of an effect."""
    return "points" if scoring == REPLIES_SCORING else UNITS.get(scoring, "")


def arm_label(row: dict[str, Any], name: str = "arm", at: str = "at") -> str:
    """An arm as tables and figures call it: with what chose its strength, where that is not its effect."""
    return f"{row[name]}, equal dose" if row[at] == EQUAL_DOSE else str(row[name])


def other_label(row: dict[str, Any]) -> str:
    """The arm that another one is compared with."""
    return "contrary prompt" if row["question"] == RESISTS else arm_label(row, "other", "other_at")


def _panels(table: pd.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    columns = present(table, _PANEL)
    varying = [name for name in columns if name in ("behavior", "side") or table[name].nunique() > 1]
    return [
        (" · ".join(str(rows[name].iloc[0]) for name in varying), records(rows))
        for _, rows in table.groupby(columns, sort=False, observed=True)
    ]


def _line(row: dict[str, Any]) -> dict[str, Any]:
    value, low, high, p = (row[name] for name in ("difference", "difference_low", "difference_high", "p_adjusted"))
    shown = p < 0.05 and (low > 0 or high < 0)
    return {
        "side": str(row["side"]), "question": str(row["question"]),
        "pair": f"{arm_label(row)} − {other_label(row)}", "value": value, "low": low,
        "high": high, "p": p, "n": row["n"], "text": with_interval(value, low, high, decimals_for([value, low, high])),
        "shown": ("more" if value > 0 else "less") if shown else "not shown",
    }  # fmt: skip


def _point(row: dict[str, Any]) -> dict[str, Any]:
    value, low, high = row["effect"], row["effect_low"], row["effect_high"]
    return {
        "arm": arm_label(row), "kind": str(row["kind"]), "dose": row["kl"], "value": value,
        "low": low, "high": high, "n": row["n"],
        "text": with_interval(value, low, high, decimals_for([value, low, high])), "best": row["at"] in ("", BEST),
    }  # fmt: skip


def _forest(lines: list[dict[str, Any]], labels: dict[str, list[str]], unit: str) -> Layered:
    order = [line["pair"] for line in lines]
    axis = alt.Axis(title=None, ticks=False, grid=False, labelLimit=260, labelExpr=named_by(labels))
    y = alt.Y("pair:N", scale=alt.Scale(domain=order), axis=axis)
    names = [name for name in SHOWN if any(line["shown"] == name for line in lines)]
    key = legend(names, symbol=None)
    colour = alt.Color("shown:N", scale=alt.Scale(domain=names, range=[SHOWN[n][0] for n in names]), legend=key)
    shape = alt.Shape("shown:N", scale=alt.Scale(domain=names, range=[SHOWN[n][1] for n in names]), legend=key)
    tooltip = [
        alt.Tooltip("pair:N", title="arms"),
        alt.Tooltip("text:N", title="difference"),
        alt.Tooltip("p:Q", title="p, corrected", format=NUMBER),
        alt.Tooltip("n:Q", title="prompts"),
    ]
    base = alt.Chart(source())
    once = base.transform_aggregate(n="count()")
    x = alt.X("value:Q", title=f"difference of effects ({unit})")
    return alt.layer(
        once.properties(name="zero").mark_rule(color=UNSTEERED, strokeWidth=1.2).encode(x=alt.datum(0)),
        base.mark_rule(strokeWidth=1.8).encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"), y=y, color=colour),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip),
    )


def _against_dose(points: list[dict[str, Any]], unit: str) -> Layered:
    names = [name for name in LOOKS if any(point["kind"] == name for point in points)]
    key = legend(names, symbol=None)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=names, range=[LOOKS[n][0] for n in names]), legend=key)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=names, range=[LOOKS[n][1] for n in names]), legend=key)
    tooltip = [
        alt.Tooltip("arm:N", title="arm"),
        alt.Tooltip("text:N", title="effect"),
        alt.Tooltip("dose:Q", title="dose (nats)", format=NUMBER),
        alt.Tooltip("n:Q", title="prompts"),
    ]
    x = alt.X("dose:Q", title="dose (nats of KL divergence on neutral prompts)", scale=alt.Scale(zero=True, nice=True))
    y = alt.Y("value:Q", title=f"effect ({unit})")
    base = alt.Chart(source())
    once = base.transform_aggregate(n="count()")
    return alt.layer(
        once.properties(name="zero").mark_rule(color=UNSTEERED, strokeWidth=1.2).encode(y=alt.datum(0)),
        base.mark_rule(strokeWidth=1.4).encode(x=alt.X("dose:Q"), y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), color=colour),
        base.mark_point(filled=True, size=80, opacity=1).encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip),
    )
