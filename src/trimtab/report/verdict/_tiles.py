"""The three tiles of a verdict: does it work, which setting to use, what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from trimtab.analysis.formatting import percent, with_interval
from trimtab.analysis.replies.reply_findings import MANY_INCOHERENT
from trimtab.analysis.samples import records
from trimtab.analysis.side_effects import Limits
from trimtab.report._speakers import QUALITY
from trimtab.report.measures.replies import WAYS
from trimtab.report.measures.side_effects import SIDE_EFFECTS, SideEffectResults
from trimtab.report.results import Results
from trimtab.report.verdict._verdict_sentences import word
from trimtab.report.verdict._words import (
    reply_change,
    reply_setting,
    reported_on,
    scale_and_positions,
    score_change,
    score_setting,
)
from trimtab.report.verdict.base import Tile, Tone
from trimtab.report.verdict.evidence import Case, Evidence


def tiles(case: Case, results: Results) -> list[Tile]:
    """The three tiles."""
    return [_works(case), _setting(case), _cost(case, results)]


def _works(case: Case) -> Tile:
    value, tone = word(case)
    notes = [
        f"{WAYS[int(side.row['direction'])]}: {reply_change(side.row)} of 10, {reported_on(side.row)}"
        for side in (case.toward, case.away)
        if side and side.outcome != "no setting" and side.row["change"] == side.row["change"]
    ]
    for one in case.scores:
        scoring = f"scores ({one.row['scoring']})" if len(case.scores) > 1 else "scores"
        notes.append(f"{scoring}: {score_change(one.row)}, {reported_on(one.row)}")
    if not case.measured:
        notes.append("no judged replies" if case.scorable else "no completions to score, no judged replies")
    return Tile("Does it work?", value, notes, tone)


def _setting(case: Case) -> Tile:
    use = case.setting
    if use is None:
        why = "no setting is shown to do it"
        if not (case.scorable or case.measured):
            why = "without completions to score, only judged replies can recommend one"
        return Tile("Setting to use", "none", [why], "none")
    by_replies = "direction" in use.row
    value = reply_setting(use.row) if by_replies else score_setting(use.row)
    notes = [scale_and_positions(use.row)]
    if by_replies and case.away and use is case.toward and case.away.outcome == "shown":
        notes.append(f"away from it: {reply_setting(case.away.row)}")
    if by_replies:
        notes += [f"by scores: {score_setting(one.row)}" for one in case.scores if one.outcome == "shown"]
    return Tile("Setting to use", value, notes, "good")


def _cost(case: Case, results: Results) -> Tile:
    use = case.setting or case.toward or (case.scores[0] if case.scores else None)
    if use is None or use.outcome == "no setting":
        return Tile("What it costs", "–", ["there is no setting to measure"], "none")
    value = "not measured"
    tone: Tone = "none"
    notes: list[str] = []
    if "coherence" in use.row:
        value, tone, notes = _of_replies(use)
    found, dear = _side_effects(case, use, results)
    tone = "care" if dear else tone
    if value == "not measured" and found:
        value, notes = found[0], found[1:]
    else:
        notes += found or ["side effects: not measured"]
    return Tile("What it costs", value, notes, tone)


def _of_replies(use: Evidence) -> tuple[str, Tone, list[str]]:
    """What the replies at the setting have lost: by the judge where it rates that, else as measured."""
    row = use.row
    known = {title: name for name, title in QUALITY.items() if row[name] == row[name]}
    measured = ", ".join(f"{title} {row[name]:.1f}" for title, name in known.items())
    before = " and ".join(f"{row[f'{name}_unsteered']:.1f}" for name in known.values())
    notes = [f"of 10; unsteered {before}"] if known else []
    incoherent = round(row["incoherent"] * row["prompts"]) if row["incoherent"] == row["incoherent"] else 0
    if incoherent:
        unsteered = round(row["incoherent_unsteered"] * row["prompts"])
        notes.append(f"{incoherent} of {int(row['prompts'])} replies are incoherent (unsteered {unsteered})")
    if row["coherence"] != row["coherence"]:
        return measured or "not measured", "none", notes
    dear = row["coherence"] < row["floor"] or row["incoherent"] >= MANY_INCOHERENT
    tone: Tone = "care" if dear else "good"
    if row["rated"] > 0:
        by_judge = ["of 10, by the judge", *([measured] if measured else []), *notes[1 if known else 0 :]]
        return f"coherence {row['coherence']:.1f}", tone, by_judge
    return measured, tone, notes


def _side_effects(case: Case, use: Evidence, results: Results) -> tuple[list[str], bool]:
    """Other behaviors, plain text and easy questions at the setting, else at the one that scores chose.

    Returns:
        What was measured, a line each, and whether plain text or easy questions suffer more than a little.
    """
    found: SideEffectResults | None = results.measures.get(SIDE_EFFECTS.name)
    side = pd.DataFrame() if found is None else found.side
    for evidence in (use, *case.scores) if len(side) else ():
        rows = _at(side, case, evidence.row)
        if rows:
            elsewhere = "" if evidence is use else f" at {score_setting(evidence.row)}"
            return list(_of_side(rows[0], elsewhere)), _is_dear(rows[0])
    return [], False


def _is_dear(row: Mapping[str, Any]) -> bool:
    limits = Limits()
    lost = row["easy_before"] - row["easy"]
    return bool(row["perplexity"] > limits.perplexity or lost > limits.easy)


def _of_side(row: Mapping[str, Any], elsewhere: str) -> Iterator[str]:
    if row["perplexity"] == row["perplexity"]:
        ratio = with_interval(row["perplexity"], row["perplexity_low"], row["perplexity_high"], 2, (1.0,))
        yield f"perplexity of plain text{elsewhere}: × {ratio}"
    if row["easy"] == row["easy"]:
        yield f"easy questions right{elsewhere}: {percent(row['easy'])} (unsteered {percent(row['easy_before'])})"
    if row["others"] > 0:
        moved = with_interval(row["side"], row["side_low"], row["side_high"], 2)
        yield f"{int(row['others'])} other behaviors{elsewhere}: moved by {moved} standard deviations"


def _at(side: pd.DataFrame, case: Case, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of side effects at a setting of this case."""
    mine = (side["layers"].astype(str) == str(row["layers"])) & (side["strength"] == row["strength"])
    for name in ("run", "model", "behavior"):
        if name in side.columns:
            mine = mine & (side[name] == case.owner[name])
    return records(side[mine])
