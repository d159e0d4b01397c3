"""Tables about pairs, layers and methods."""

from __future__ import annotations

import math

import pandas as pd

from trimtab.analysis.diagnosis import LARGEST, SMALLEST
from trimtab.analysis.formatting import decimals_for, fixed, percent_with_interval, plain
from trimtab.analysis.samples import present, records
from trimtab.report.charts.measures.methods import named
from trimtab.report.charts.panels import SUBJECT
from trimtab.report.measures._columns import subject_columns
from trimtab.report.tables import Column, Row, Table, number, share, table, with_interval, word

LEVELS = ("problem", "caution", "good", "note")
"""Of findings, the worst first."""
HEURISTICS = {
    "relative_magnitude": "relative magnitude", "pc1": "share of component 1", "probe_accuracy": "probe accuracy",
    "components_80": "components for 80%", "adjacent_cosine": "cosine with the next layer",
    "consistency": "consistency", "stability": "stability", "signal_to_noise": "signal to noise",
}  # fmt: skip


def diagnoses_table(diagnoses: pd.DataFrame) -> Table:
    """Findings of the diagnosis and advice, the worst first."""
    rows = sorted(records(diagnoses), key=lambda row: LEVELS.index(row["level"]))
    columns = [*subject_columns(diagnoses), word("level"), word("text", "finding"), word("advice")]
    return table("Findings of the diagnosis", columns, rows)


def flags_table(flags: pd.DataFrame) -> Table:
    """Pairs to read."""
    columns = [
        *subject_columns(flags),
        word("prompt_id", "pair"),
        Column("flag", lambda row: str(row["flag"]).replace("_", " "), number=False),
        word("text", "reason"),
    ]
    return table("Pairs to read", columns, records(flags))


def surface_table(surface: pd.DataFrame) -> Table:
    """How well the surface of the texts alone tells two lists apart."""
    columns = [
        *subject_columns(surface),
        word("feature"),
        Column("share in order [95% interval]", _in_order),
        Column("positive texts", lambda row: _of_list(row, "positive")),
        Column("negative texts", lambda row: _of_list(row, "negative")),
    ]
    return table("Two lists told apart by their surface", columns, records(surface))


def picks_table(picks: pd.DataFrame) -> Table:
    """The layer that each heuristic picks, with the share of the best Δ there."""
    rows: dict[tuple[str, ...], Row] = {}
    names = present(picks, SUBJECT)
    for pick in records(picks):
        row = rows.setdefault(tuple(str(pick[name]) for name in names), {name: pick[name] for name in names})
        row |= {"best_layer": pick["best_layer"], "glass_best": pick["glass_best"], pick["heuristic"]: _picked(pick)}
    columns = [
        *subject_columns(picks),
        Column("sweep’s chosen layer", lambda row: fixed(row.get("best_layer"), 0)),
        number("glass_best", "Δ there"),
        *(Column(HEURISTICS[name], lambda row, name=name: row.get(name, "–")) for name in (*LARGEST, *SMALLEST)),  # type: ignore[misc]
    ]
    return table(
        "Layers picked by heuristics, and the share of the chosen layer’s Δ reached there", columns, rows.values()
    )


def methods_table(methods: pd.DataFrame) -> Table:
    """Each method at its own best setting, and against the mean."""
    columns = [
        *subject_columns(methods),
        Column("method", named, number=False),
        Column("layer", lambda row: str(row["layers"])),
        Column("strength", lambda row: "–" if not math.isfinite(row["strength"]) else f"±{plain(row['strength'])}"),
        Column("Glass’s Δ [95% interval]", lambda row: with_interval(row, "glass", 2)),
        Column("range of the draws", _range),
        Column("Δ minus the mean’s [95% interval]", lambda row: with_interval(row, "difference", 2)),
        Column("the same at the mean’s setting", lambda row: with_interval(row, "same_cell", 2)),
        Column("delta [95% interval]", lambda row: with_interval(row, "delta", decimals)),
        Column("held out", lambda row: "yes" if row["held_out"] else "no", number=False),
        Column("prompts", lambda row: str(int(row["n"]))),
    ]
    decimals = decimals_for(methods["delta"]) if len(methods) else 2
    return table("Methods at their own best settings", columns, records(methods))


def _picked(pick: Row) -> str:
    """The layer with the share of Δ reached there; where it was not swept, the pick among the swept ones beside it."""
    if pd.isna(pick["swept_layer"]) or pick["swept_layer"] == pick["layer"]:
        return f"{pick['layer']}{_reached(pick, 'share')}"
    return f"{pick['layer']}; swept: {fixed(pick['swept_layer'], 0)}{_reached(pick, 'swept_share')}"


def _reached(pick: Row, name: str) -> str:
    return f" ({share(pick, name)})" if math.isfinite(pick[name]) else ""


def _in_order(row: Row) -> str:
    return percent_with_interval(row["auroc"], row["auroc_low"], row["auroc_high"], (0.0, 0.5, 1.0))


def _of_list(row: Row, side: str) -> str:
    if row["feature"] == "length":
        return f"{fixed(row[side], 0)} tokens (median)"
    return share(row, side) if math.isfinite(row[side]) else "–"


def _range(row: Row) -> str:
    return f"{fixed(row['glass_least'])} to {fixed(row['glass_most'])}" if row["draws"] > 1 else "–"
