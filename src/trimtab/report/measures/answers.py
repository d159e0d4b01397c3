"""What a report shows of generated answers: how well the scores predict them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import pandas as pd

from trimtab import analysis
from trimtab.analysis.findings import Values
from trimtab.analysis.samples import records
from trimtab.report import charts
from trimtab.report.measures.base import MeasureReport, ReportContext
from trimtab.report.measures.scores import SCORES
from trimtab.report.measures.scores.comparison_tables import correlation
from trimtab.report.measures.scores.score_tables import whole
from trimtab.report.report_inputs import rates_together
from trimtab.report.section import Section
from trimtab.report.tables import Column, Table, number, owner_columns, share, table, word

BESIDE_SCORES = (
    "Delta of the logits and the change in generated answers, over depth, each scaled to "
    "0–1. Where the two correlate, the cheap measure predicts the expensive one. Neighboring layers are not "
    "independent, so the intervals of r are too narrow."
)
EFFECT = "Effect size by logits at each chosen setting, and how far the share of matching answers changed there."


READ_BY = ("letter", "text", "yes/no", "wording", "elimination", "likelihood")
UNREAD_BECAUSE = ("ambiguous", "absent", "refusal", "empty", "unfinished thinking")
WAYS = (
    "How many replies were read by a letter or place, by an option's text, by a yes or no, by an option in other words "
    "(wording), because all others were ruled out (elimination), or by the unsteered model's likelihood; and how many "
    "were not, since they leave several options open (ambiguous), answer nothing (absent), or decline (refusal)."
)


@dataclass(frozen=True)
class AnswerResults:
    """Shares of matching answers over depth, and their agreement with the scores."""

    curves: pd.DataFrame
    agreement: pd.DataFrame
    findings: Sequence[analysis.Finding] = ()
    ways: pd.DataFrame = field(default_factory=pd.DataFrame)
    """How the replies were read; see `trimtab.analysis.answer_ways`."""


class AnswerReport(MeasureReport[AnswerResults]):
    """Generated answers beside the scores."""

    name = "answers"

    def results(self, context: ReportContext) -> AnswerResults | None:
        """Curves and agreement; a caution instead where answers do not name the scores that they belong to."""
        rates, scores = rates_together(context.runs), context.results(SCORES)
        if rates is None or rates.empty or scores is None:
            return None
        ways = ways_of_reading(context)
        if scores.best.duplicated(["model", "behavior"]).any():
            caution = analysis.Finding("caution", ambiguous_answers, measure="data")
            return AnswerResults(pd.DataFrame(), pd.DataFrame(), [caution], ways)
        curves = analysis.answer_curves(scores.effects, rates, scores.best)
        return AnswerResults(curves, analysis.answer_agreement(curves, scores.best), ways=ways)

    def findings(self, results: AnswerResults) -> Sequence[analysis.Finding]:
        """That answers could not be matched with scores."""
        return results.findings

    def sections(self, results: AnswerResults) -> Sequence[Section]:
        """Scores and answers over depth, and at the chosen settings."""
        curves, agreement = results.curves, results.agreement
        return [
            Section(
                "answers",
                "Logits and generated answers",
                BESIDE_SCORES,
                charts.answer_plots(curves, agreement) if len(curves) else [],
                [agreement_table(agreement)],
                small=True,
                file="tables/answers.csv",
                part="answers",
            ),
            Section(
                "answers-effect",
                "Effect size and change in answers",
                EFFECT,
                charts.answer_scatter(agreement),
                part="answers",
            ),
            Section(
                "answers-ways",
                "How the replies were read",
                WAYS,
                tables=[ways_table(results.ways)],
                small=True,
                file="tables/answer-ways.csv",
                part="answers",
            ),
        ]

    def files(self, results: AnswerResults) -> Mapping[str, pd.DataFrame]:
        """The agreement of scores and answers, and how the replies were read."""
        return {"tables/answers.csv": results.agreement, "tables/answer-ways.csv": results.ways}


def ways_of_reading(context: ReportContext) -> pd.DataFrame:
    """How the replies of all runs were read; empty where answers were imported by cell."""
    found = [
        (table.assign(run=run.name) if context.several else table)
        for run in context.runs
        if (table := run.of("answers").get("ways")) is not None
    ]
    together: pd.DataFrame = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    return together


def ways_table(ways: pd.DataFrame) -> Table:
    """How many replies were read in each way, a row for each model and behavior."""
    if ways.empty:
        return table("How the replies were read", [], [])
    owner = [name for name in ("run", "model", "behavior") if name in ways]
    counts = ways.pivot_table(index=owner, columns="why", values="n", aggfunc="sum", sort=False).reset_index()
    known = [why for why in (*READ_BY, *UNREAD_BECAUSE) if why in counts]
    columns = [*(word(name) for name in owner), *(Column(why, partial(_whole, why)) for why in known)]
    return table("How the replies were read", columns, records(counts))


def _whole(why: str, row: dict[str, object]) -> str:
    value = row.get(why)
    return "0" if value is None or pd.isna(value) else f"{int(value):,}"  # type: ignore[call-overload]


def ambiguous_answers(_about: str, _values: Values) -> str:
    """That answers could belong to several scores."""
    return (
        "Generated answers are not compared with the logits: a model and behavior are in several runs, engines or "
        "scorings, and the answers do not say which they belong to."
    )


def agreement_table(agreement: pd.DataFrame) -> Table:
    """How well logit curves predict the answers."""
    columns = [
        *owner_columns(agreement),
        Column("layers", lambda row: str(int(row["n_layers"]))),
        Column("r over layers [95% interval]", correlation),
        number("spearman", "rank correlation"),
        Column("layer with most by logits", lambda row: whole(row["best_logit_layer"])),
        Column("by answers", lambda row: whole(row["best_generation_layer"])),
        number("glass", "Δ"),
        Column("change in answers there", lambda row: share(row, "change")),
        Column("largest change", lambda row: share(row, "largest_change")),
    ]
    return table("Logits against answers", columns, records(agreement))


ANSWERS = AnswerReport()
