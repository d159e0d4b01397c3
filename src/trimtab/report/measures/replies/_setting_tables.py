"""Tables about replies: the settings to use, and how well scores predict replies."""

from __future__ import annotations

from typing import Any

import pandas as pd

from trimtab import analysis
from trimtab.analysis.cells import sized
from trimtab.analysis.formatting import fixed, signed_strength
from trimtab.analysis.replies import OWNER
from trimtab.analysis.samples import records
from trimtab.report.measures.replies._reply_browser import WAYS
from trimtab.report.measures.replies._reply_results import ReplyResults
from trimtab.report.tables import Column, Row, Table, number, share, table, with_interval, word


def settings_table(results: ReplyResults) -> Table:
    """Settings to use, by the judge that chose them, with the verdicts of other judges on the same cell."""
    rows = [_with_more(row, results) for row in records(analysis.first_judged(results.settings))]
    several = analysis.several(results.settings, ("run", "engine", "scale", "positions"))
    columns = [
        word("model"),
        word("behavior"),
        *(word(name) for name in several),
        Column("direction", lambda row: WAYS[int(row["direction"])], number=False),
        Column("layer", lambda row: "–" if row["reason"] else str(row["layers"])),
        Column("strength", lambda row: "–" if row["reason"] else signed_strength(row["strength"])),
        Column("change", lambda row: with_interval(row, "change", 1)),
        Column("fluency (unsteered)", lambda row: _beside_unsteered(row, "fluency")),
        Column("on-topic (unsteered)", lambda row: _beside_unsteered(row, "on_topic")),
        Column("coherence", lambda row: with_interval(row, "coherence", 1, (row["floor"],))),
        Column("prompts", _prompts),
        Column("incoherent", lambda row: share(row, "incoherent")),
        Column("refusals", lambda row: share(row, "refusals")),
        word("range", "usable strengths there"),
        word("judge"),
        Column("accuracy of the judge", lambda row: share(row, "accuracy")),
        word("others", "other judges"),
        word("reason", "why none"),
    ]
    return table("Settings to use", columns, rows)


def agreement_table(agreement: pd.DataFrame) -> Table:
    """How well the deltas of the sweep predict changes in replies, layer by layer."""
    several = analysis.several(agreement, ("run", "engine", "scale", "positions"))
    columns = [
        word("model"),
        word("behavior"),
        *(word(name) for name in several),
        Column("strength of replies", lambda row: sized(row["size"], row["compared"])),
        Column("layers", lambda row: str(int(row["n_layers"]))),
        number("spearman", "rank correlation"),
        Column("r over layers [95% interval]", lambda row: with_interval(row, "r", 2)),
        Column("best layer by score", lambda row: str(int(row["best_score_layer"]))),
        Column("by replies", lambda row: str(int(row["best_reply_layer"]))),
        number("there", "change at the score's layer", 1),
        number("largest", "largest change", 1),
    ]
    return table("Scores against replies", columns, records(agreement))


def _prompts(row: Row) -> str:
    if row["reason"]:
        return "–"
    return f"{int(row['n'])} held out" if row["held_out"] else str(int(row["n"]))


def _beside_unsteered(row: Row, name: str) -> str:
    """A mean of the replies, with that of the unsteered ones where it was measured."""
    limit = (row["floor"],)
    value, unsteered = (fixed(row[key], 1, limit) for key in (name, f"{name}_unsteered"))
    return value if pd.isna(row[name]) else f"{value} ({unsteered})"


def _with_more(row: Row, results: ReplyResults) -> Row:
    judge = next((j for j in results.judges if _is(j, row)), {})
    accuracy = judge.get("accuracy")
    return {
        **row,
        "accuracy": float("nan") if accuracy is None else accuracy,
        "judge": row["judge"] or "none",
        "others": _others(row, results.cells),
        "range": _range(row, results.usable),
    }


def _is(judge: Any, row: Row) -> bool:
    same = all(judge.get(name) in (None, row[name]) for name in ("run", "model", "behavior"))
    return same and judge.get("name") == row["judge"]


def _others(row: Row, cells: pd.DataFrame) -> str:
    if row["reason"]:
        return ""
    same = cells["judge"] != row["judge"]
    for name in (*(name for name in OWNER if name != "judge"), "layers", "strength"):
        same = same & (cells[name] == row[name])
    mine = cells[same & (cells["split"] == ("test" if row["held_out"] else "select"))]
    return ", ".join(f"{other['judge']} {with_interval(other, 'change', 1)}" for other in records(mine))


def _range(row: Row, usable: pd.DataFrame) -> str:
    if row["reason"]:
        return ""
    same = usable["layers"] == row["layers"]
    for name in OWNER:
        same = same & (usable[name] == row[name])
    ends = {int(r["direction"]): float(r["usable"]) for r in records(usable[same])}
    if not ends:  # strengths are percentiles, which have no largest one that is usable
        return ""
    low, high = -ends.get(-1, 0.0), ends.get(1, 0.0)
    return " to ".join("0" if end == 0 else signed_strength(end) for end in (low, high))
