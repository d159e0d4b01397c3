"""Which layer, without a sweep? What is used to guess it, over depth, with what each of them picks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from trimtab.analysis.diagnosis import COMPONENTS
from trimtab.analysis.formatting import p_equals, p_value, percent
from trimtab.analysis.samples import records
from trimtab.report.charts._jitter_plots import HEIGHT, Strip, Style, line, point, stacked, strip, values
from trimtab.report.charts._palette import SERIES, UNSTEERED
from trimtab.report.charts.base import Chart, finished, slugged
from trimtab.report.charts.panels import best_of, panels

MEASURED, BY_CHANCE = "pairs as they are", "random labels"


def heuristic_plots(heuristics: pd.DataFrame, picks: pd.DataFrame, best: pd.DataFrame) -> list[Chart]:
    """What is used to guess a layer, over depth, with the layer each picks; a figure for each model and behavior."""
    charts = []
    picked = [(other.subject, row) for other in panels(picks) for row in records(other.rows)]
    for panel in panels(heuristics):
        pick = {str(row["heuristic"]): int(row["layer"]) for subject, row in picked if subject == panel.subject}
        table = records(panel.rows)
        strips = list(_heuristics(table, pick))
        if not strips:
            continue
        rows = [row for _, some in strips for row in some]
        series = {
            MEASURED: Style(SERIES[0], [1, 0]),
            BY_CHANCE: Style(UNSTEERED, [4, 3]),
            **{_component(number): Style(SERIES[0], [1, 0]) for number in range(1, COMPONENTS + 1)},
        }
        found = best_of(panel, best)
        words = "; ".join(f"{name.replace('_', ' ')}: layer {layer}" for name, layer in pick.items())
        against = f" The sweep’s chosen layer is {found['layers']}." if found else ""
        charts.append(
            finished(
                *stacked([one for one, _ in strips], rows, series, best=found),
                panel.rows,
                slug=slugged("heuristics", panel.title),
                title=panel.title,
                alt_text=f"Lines over depth for {panel.title}, with the layer that each heuristic picks: {words}."
                f"{against}",
                height=HEIGHT * len(strips),
            )
        )
    return charts


def _heuristics(table: list[dict[str, Any]], pick: dict[str, int]) -> Iterator[tuple[Strip, list[dict[str, Any]]]]:
    """The strips that have a number, with their rows."""

    def drawn(name: str, title: str) -> list[dict[str, Any]]:
        return list(line(table, name, title, MEASURED, pick=pick.get(name)))

    accuracy, components = "Probe accuracy, and by chance", f"Share of components 1 to {COMPONENTS}"
    probed = line(
        table, "probe_accuracy", accuracy, MEASURED,
        pick=pick.get("probe_accuracy"), ends=("probe_low", "probe_high"), share=True,
    )  # fmt: skip
    for title, rows, top, in_percent in (
        ("Relative magnitude", drawn("relative_magnitude", "Relative magnitude"), None, False),
        (accuracy, [*probed, *_chance(table, accuracy)], 1.0, True),
        (components, _spectrum(table, components, pick.get("pc1")), 1.0, True),
        ("Components for 80%", drawn("components_80", "Components for 80%"), None, False),
        ("Cosine with the next layer", drawn("adjacent_cosine", "Cosine with the next layer"), 1.0, False),
    ):
        if rows:
            yield strip(title, values(rows, title), top=top, percent=in_percent), rows


def _chance(table: list[dict[str, Any]], title: str) -> list[dict[str, Any]]:
    """How well a probe does on random labels: the mean, and a band up to what 95% of them stay below."""
    return [
        {
            **point(row, title, BY_CHANCE), "value": row["probe_null"], "low": row["probe_null"],
            "high": row["probe_null_high"],
            "text": f"{percent(row['probe_null'])} on average, 95% of labellings up to "
            f"{percent(row['probe_null_high'])}; "
            f"{p_equals(row['probe_p'])}, corrected {p_value(row['probe_p_max'])}",
        }
        for row in table
        if math.isfinite(row["probe_null"])
    ]  # fmt: skip


def _spectrum(table: list[dict[str, Any]], title: str, pick: int | None) -> list[dict[str, Any]]:
    """Components stacked, the first at the bottom and fullest; the line on top of the first carries the pick."""
    rows = []
    for row in table:
        below = 0.0
        for number in range(1, COMPONENTS + 1):
            share = row[f"pc{number}"]
            if not math.isfinite(share):
                break
            above = below + share
            rows.append(
                {
                    **point(row, title, _component(number)), "value": above, "low": below, "high": above,
                    "text": f"{percent(share)}; together with those before it {percent(above)}",
                    "pick": number == 1 and row["layer"] == pick,
                    "fill": 0.6 * (1 - (number - 1) / COMPONENTS),
                }
            )  # fmt: skip
            below = above
    return rows


def _component(number: int) -> str:
    return f"component {number}"
