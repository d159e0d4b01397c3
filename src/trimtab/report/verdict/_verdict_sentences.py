"""The sentence of a verdict, and its one or two words; each made from values whose interval and test support it."""

from __future__ import annotations

import math

from trimtab.analysis.formatting import plain, with_interval
from trimtab.report.verdict._words import (
    RANGE,
    compared,
    reply_change,
    reply_setting,
    score_change,
    score_setting,
)
from trimtab.report.verdict.base import Tone
from trimtab.report.verdict.evidence import Case, Evidence

WORKS = ("yes", "yes, in scores")
"""Outcomes that count as steering that works."""
NOT_MEASURED = "not measured"
"""The outcome where nothing was scored or judged."""


def size(case: Case) -> str:
    """The change that the verdict rests on, with its interval."""
    if case.judged:
        side = case.setting or case.toward or case.away
        return f"{reply_change(side.row)} of 10" if side and side.outcome != "no setting" else "–"
    one = case.setting or next(iter(case.scores), None)
    return score_change(one.row) if one else "–"


def word(case: Case) -> tuple[str, Tone]:
    """The outcome in a word or two, and how it is colored."""
    if not case.measured:
        return NOT_MEASURED, "none"
    if not case.judged:
        outcomes = [one.outcome for one in case.scores]
        if "shown" in outcomes:
            return ("yes, in scores", "good") if len(set(outcomes)) == 1 else ("in one scoring", "care")
        if "letter" in outcomes:
            return "only the letter", "care"
        return ("the other way", "care") if "reversed" in outcomes else ("not shown", "none")
    toward, away = _outcome(case.toward), _outcome(case.away)
    if toward == "shown":
        return "yes", "good"
    if away == "shown":
        return "only away from it", "care"
    if "reversed" in (toward, away):
        return "the other way", "care"
    return ("only in scores", "care") if _scores_move(case) else ("not shown", "none")


def sentence(case: Case) -> str:
    """Whether steering works, by how much, and the setting to use."""
    return _of_replies(case) if case.judged else _of_scores(case)


def _of_replies(case: Case) -> str:
    model, behavior = case.model, f"“{case.behavior}”"
    toward, away = case.toward, case.away
    if toward and toward.outcome == "shown":
        return (
            f"Steering works: judged replies of {model} move toward {behavior} by {reply_change(toward.row)} {RANGE}. "
            f"Use {reply_setting(toward.row)}."
        )
    if away and away.outcome == "shown":
        tried = f" ({reply_change(toward.row)} at best)" if toward and toward.outcome != "no setting" else ""
        return (
            f"Steering works in one direction: judged replies of {model} move away from {behavior} by "
            f"{reply_change(away.row)} {RANGE}, and are not shown to move toward it{tried}. To avoid the behavior, use "
            f"{reply_setting(away.row)}."
        )
    for side, way, other in ((toward, "toward", "away from it"), (away, "away from", "toward it")):
        if side and side.outcome == "reversed":
            return (
                f"Steering does the opposite: {reply_setting(side.row)}, chosen to move judged replies of {model} "
                f"{way} {behavior}, moves them {other} by {reply_change(side.row)} {RANGE}."
            )
    shown = [side for side in (toward, away) if side and side.outcome == "not shown"]
    if shown:
        tried = " and ".join(f"{reply_change(side.row)} with {reply_setting(side.row)}" for side in shown)
        text = (
            f"Steering is not shown to work: judged replies of {model} change by {tried}, {RANGE}, "
            f"{_unsure(shown[0].row['change_low'])}."
        )
    else:
        sides = [side for side in (toward, away) if side]
        floor = plain(sides[0].row["floor"])
        text = (
            f"There is no setting to recommend: none of those tried moves judged replies of {model} toward {behavior} "
            f"or away from it and keeps a coherence of {floor}."
        )
    if _scores_move(case):
        text += f" Scores do move, by {_moved(case)}."
    return text


def _of_scores(case: Case) -> str:
    behavior = f"“{case.behavior}”"
    shown = next((one for one in case.scores if one.outcome == "shown"), None)
    if shown:
        return (
            f"Steering works in scores: the score of {behavior} in {case.model} rises by {score_change(shown.row)} "
            f"{compared(shown.row)}. Use {score_setting(shown.row)}. What the model writes then was not judged."
        )
    if not case.scorable:
        return (
            f"Whether steering works was not measured: {behavior} has no completions to score, and no reply of "
            f"{case.model} was judged. So no setting is recommended."
        )
    if not case.scores:
        return f"Nothing is known yet of {behavior} in {case.model}: no reply was judged and no score measured."
    one = next((one for one in case.scores if one.outcome == "letter"), case.scores[0])
    if one.outcome == "letter":
        value, low, high = (float(one.row[f"balanced{end}"]) for end in ("", "_low", "_high"))
        return (
            f"Steering moves the answer letter: the score of {behavior} in {case.model} rises by "
            f"{score_change(one.row)} {compared(one.row)} at {score_setting(one.row)}, but with as many keys of each "
            f"letter it is not shown to change, {with_interval(value, low, high, unit='logits')}."
        )
    if one.outcome == "reversed":
        return (
            f"Steering does the opposite: the score of {behavior} in {case.model} changes by {score_change(one.row)} "
            f"{compared(one.row)} at {score_setting(one.row)}."
        )
    return (
        f"Steering is not shown to work: the score of {behavior} in {case.model} changes by {score_change(one.row)} "
        f"{compared(one.row)} at {score_setting(one.row)}, {_unsure(one.row['delta_low'])}."
    )


def _moved(case: Case) -> str:
    one = next(one for one in case.scores if one.outcome == "shown")
    return f"{score_change(one.row)} {compared(one.row)} at {score_setting(one.row)}"


def _unsure(low: float) -> str:
    """Why a change is not called an effect."""
    return "which chance can explain" if math.isfinite(low) else "on too few prompts for an interval"


def _scores_move(case: Case) -> bool:
    return any(one.outcome == "shown" for one in case.scores)


def _outcome(side: Evidence | None) -> str:
    return side.outcome if side else ""
