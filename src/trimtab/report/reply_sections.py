"""The sections about what the models say: settings to use, cells, replies, and what a push costs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from trimtab import analysis
from trimtab.analysis.reply_cells import OWNER
from trimtab.analysis.reply_findings import pushed
from trimtab.analysis.samples import records
from trimtab.report import charts, words
from trimtab.report.page import Section, folded_figures
from trimtab.report.reply_browser import WAYS, browser, examples
from trimtab.report.spoken import Spoken
from trimtab.report.tables import Column, Row, Table, fixed, number, share, table, with_interval, word


def reply_sections(spoken: Spoken | None, agreement: pd.DataFrame) -> list[Section]:
    """What to use first, then what there was to choose from, then every reply; [] where nothing was said."""
    if spoken is None:
        return []
    speakers = list(spoken.speakers)
    floors = " or ".join(dict.fromkeys(f"{speaker.floor:g}" for speaker in speakers))
    heatmaps, fronts, ranges = (
        draw(speakers) for draw in (charts.said_heatmaps, charts.said_fronts, charts.usable_ranges)
    )
    found = browser(speakers)
    return [
        Section(
            "says",
            "What the model says",
            words.says(floors),
            tables=[settings_table(spoken)],
            file="recommended.csv",
            examples=examples(speakers),
        ),
        Section(
            "says-cells",
            "Change and coherence by layer and strength",
            words.says_cells(floors),
            heatmaps,
            paired=True,
            folded=folded_figures(heatmaps),
        ),
        Section("replies", "The replies", words.REPLIES, browser=found),
        Section(
            "tradeoff",
            "Change against coherence",
            words.tradeoff(floors),
            fronts,
            small=len(fronts) > 1,
            folded=folded_figures(fronts),
        ),
        Section(
            "usable",
            "How far each layer can be pushed",
            words.usable(floors),
            ranges,
            small=len(ranges) > 1,
            folded=folded_figures(ranges),
        ),
        Section(
            "says-scores",
            "Do scores foretell replies?",
            words.SAYS_SCORES,
            tables=[agreement_table(agreement)],
            file="tables/reply_agreement.csv",
        ),
    ]


def settings_table(spoken: Spoken) -> Table:
    """Settings to use, by the judge that chose them, with what other judges say of the same cell."""
    rows = [_with_more(row, spoken) for row in records(analysis.first_judged(spoken.settings))]
    several = analysis.several(spoken.settings, ("run", "engine", "scale", "positions"))
    columns = [
        word("model"),
        word("behavior"),
        *(word(name) for name in several),
        Column("direction", lambda row: WAYS[int(row["direction"])], number=False),
        Column("layer", lambda row: "–" if row["reason"] else str(row["layers"])),
        Column("strength", lambda row: "–" if row["reason"] else pushed(row["strength"])),
        Column("change", lambda row: with_interval(row, "change", 1)),
        Column("coherence", lambda row: with_interval(row, "coherence", 1)),
        number("coherence_unsteered", "unsteered coherence", 1),
        Column("prompts", _prompts),
        Column("refusals", lambda row: share(row, "refusals")),
        word("range", "usable strengths there"),
        word("judge"),
        Column("accuracy of the judge", lambda row: share(row, "accuracy")),
        word("others", "other judges"),
        word("reason", "why none"),
    ]
    return table("Settings to use", columns, rows)


def agreement_table(agreement: pd.DataFrame) -> Table:
    """How well the deltas of the sweep foretell changes in replies, layer by layer."""
    several = analysis.several(agreement, ("run", "engine", "scale", "positions"))
    columns = [
        word("model"),
        word("behavior"),
        *(word(name) for name in several),
        Column("strength of replies", lambda row: f"±{row['size']:g}"),
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


def _with_more(row: Row, spoken: Spoken) -> Row:
    judge = next((j for j in spoken.judges if _is(j, row)), {})
    accuracy = judge.get("accuracy")
    return {
        **row,
        "accuracy": float("nan") if accuracy is None else accuracy,
        "judge": row["judge"] or "none",
        "others": _others(row, spoken.cells),
        "range": _range(row, spoken.usable),
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
    low, high = -ends.get(-1, 0.0), ends.get(1, 0.0)
    return f"{fixed(low, 0) if low == 0 else pushed(low)} to {fixed(high, 0) if high == 0 else pushed(high)}"
