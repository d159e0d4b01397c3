"""The vector's effect among those of random directions of its size."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.formatting import fixed, p_equals
from trimtab.analysis.samples import records
from trimtab.analysis.side_effects import THE_VECTOR
from trimtab.report.charts._palette import FAINT, INK, SERIES, UNSTEERED
from trimtab.report.charts.base import NUMBER, Chart, Layered, finished, named_by, slugged, source
from trimtab.report.charts.curves import TITLES, Measure
from trimtab.report.charts.heatmaps import wrapped
from trimtab.report.charts.panels import panels

ROW = 54


def null_plots(nulls: pd.DataFrame, tests: pd.DataFrame) -> list[Chart]:
    """Sizes of the effects of random directions by kind, with the vector's; a figure for each model and behavior."""
    charts = []
    asked = panels(tests)
    for panel in panels(nulls):
        measure: Measure = "glass" if panel.rows["glass"].notna().any() else "delta"
        table = [row for row in records(panel.rows) if pd.notna(row[measure])]
        own = next((row for row in table if row["kind"] == THE_VECTOR), None)
        drawn = [row for row in table if row["kind"] != THE_VECTOR]
        if own is None or not drawn:
            continue
        kinds = list(dict.fromkeys(str(row["kind"]) for row in drawn))
        size = abs(own[measure])
        rows = [{"kind": str(row["kind"]), "draw": int(row["draw"]), "value": abs(row[measure])} for row in drawn]
        rows += [{"kind": kind, "most": float(pd.Series(_sizes(rows, kind)).quantile(0.95))} for kind in kinds]
        p_in_words = {
            str(row["kind"]): f"{row['kind']}, {p_equals(row['p'])}"
            for other in asked
            if other.subject == panel.subject
            for row in records(other.rows)
        }
        charts.append(
            finished(
                _strips(kinds, measure, size, rows),
                rows,
                panel.rows[panel.rows[measure].notna()],
                slug=slugged("random", panel.title),
                title=f"{panel.title} · {'; '.join(p_in_words[kind] for kind in kinds)}",
                alt_text=f"Strip plot for {panel.title}: |{TITLES[measure]}| of "
                f"{plural(len(drawn), 'random direction')} at "
                f"layer {own['layers']}, against {fixed(size)} of the vector. "
                f"{'; '.join(p_in_words[kind] for kind in kinds)}.",
                height=ROW * len(kinds),
            )
        )
    return charts


def _sizes(rows: list[dict[str, Any]], kind: str) -> list[float]:
    return [row["value"] for row in rows if row["kind"] == kind]


def _strips(kinds: list[str], measure: Measure, size: float, rows: list[dict[str, Any]]) -> Layered:
    reach = max(size, *(row["value"] for row in rows if "value" in row)) * 1.06 or 1.0
    y = alt.Y(
        "kind:N",
        scale=alt.Scale(domain=kinds),
        axis=alt.Axis(
            title=None,
            ticks=False,
            labelExpr=named_by({name: wrapped(name, 18) for name in kinds}),
            labelLimit=130,
            labelPadding=6,
            grid=False,
        ),
    )
    scale = alt.Scale(domain=[0, reach], nice=False)
    x = alt.X("value:Q", title=f"|{TITLES[measure]}|", scale=scale, axis=alt.Axis(tickCount=6, domain=True))
    tooltip = [
        alt.Tooltip("kind:N", title="kind"),
        alt.Tooltip("draw:Q", title="direction"),
        alt.Tooltip("value:Q", title=f"|{TITLES[measure]}|", format=NUMBER),
    ]
    base = alt.Chart(source())
    once = base.transform_aggregate(n="count()")
    high = base.transform_filter("isValid(datum.most)")
    late = size > 0.6 * reach
    return alt.layer(
        base.transform_filter("isValid(datum.value)")
        .mark_tick(thickness=2, height=24, opacity=0.65, color=UNSTEERED)
        .encode(x=x, y=y, tooltip=tooltip),
        high.properties(name="ink")
        .mark_point(shape="triangle-down", filled=True, size=46, color=INK, opacity=1, yOffset=-18)
        .encode(
            x=alt.X("most:Q"), y=y,
            tooltip=[alt.Tooltip("kind:N"), alt.Tooltip("most:Q", title="95th percentile", format=NUMBER)],
        ),
        once.mark_rule(color=SERIES[0], strokeWidth=2.2).encode(x=alt.datum(size)),
        once.properties(name="ink_floor")
        .mark_text(align="right" if late else "left", dx=-6 if late else 6, fontSize=11, color=FAINT)
        .encode(x=alt.datum(size), y=alt.value(-7), text=alt.value(f"the vector: {fixed(size)}")),
    )  # fmt: skip
