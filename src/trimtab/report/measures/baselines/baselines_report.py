"""What a report shows of baselines: which of prompt, vector and fine-tuning does more, at what dose and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from trimtab.analysis import Finding
from trimtab.analysis.baselines import (
    ARM_DIFFERENCES,
    ARM_EFFECTS,
    arm_differences,
    arm_effects,
    baseline_findings,
    judged_scores,
    reply_quality,
)
from trimtab.report import charts
from trimtab.report.measures.base import MeasureReport, ReportContext, Tables
from trimtab.report.measures.baselines._baselines_tables import arms_table, differences_table, wordings_table
from trimtab.report.report_inputs import RunTables
from trimtab.report.section import Section, folded_figures, folded_rows

LEAD = ("winner", "no_winner", "none_moves", "only_one")
"""Codes of the finding that the section begins with."""
FORESTS = (
    "Each line is the effect of one arm minus that of another on the same held-out prompts; above 0 the first does "
    "more. Bars are 95% intervals; more and less are stated only where the interval leaves out 0 and p, corrected for "
    "all differences of the figure, is below 0.05. Wordings, layers and strengths were chosen on other prompts."
)
DOSES = (
    "The dose is how far an arm moves the model on prompts that have nothing to do with the behavior: KL divergence "
    "from the plain model. Of two arms with the same effect the one further to the left changes less else."
)
ARMS = (
    "Effects are against the plain model on the same held-out prompts, toward the behavior (for) or away from it "
    "(against). Anti-steerable: prompts that move the other way. Milliseconds: median time of the first tokens of a "
    "reply, in turns with the plain model on this machine. Easy questions: how many are still answered correctly."
)
DIFFERENCES = (
    "The numbers behind the figure, p before and after the correction. At equal dose only arms are compared whose "
    "measured doses differ by at most 5%: demonstrations and fine-tuning have doses of their own, usually others."
)
WORDINGS = "The wording with the largest effect on the prompts that choose stands for the system prompt elsewhere."
GLOSSARY = (
    ("arm", "One thing that could be done to get a behavior: a system prompt, demonstrations, a vector, fine-tuning."),
    (
        "equal dose",
        "A vector at the strength that moves the model as far on neutral prompts as the system prompt does.",
    ),
)


@dataclass(frozen=True)
class BaselineResults:
    """The arms of every run that compares any."""

    effects: pd.DataFrame
    """The columns `trimtab.analysis.baselines.ARM_EFFECTS`."""
    differences: pd.DataFrame
    """The columns `trimtab.analysis.baselines.ARM_DIFFERENCES`."""
    findings: Sequence[Finding] = ()


class BaselinesReport(MeasureReport[BaselineResults]):
    """The vector beside prompts, other vectors and fine-tuning."""

    name = "baselines"
    tables = ("scores", "arms", "easy", "replies", "judgements")

    def results(self, context: ReportContext) -> BaselineResults | None:
        """Effects of the arms and their paired differences."""
        found = context.by_run(self.name, _analysed)
        return None if found is None else BaselineResults(found[0]["effects"], found[0]["differences"], found[1])

    def findings(self, results: BaselineResults) -> Sequence[Finding]:
        """What wins, and the rest."""
        return results.findings

    def sections(self, results: BaselineResults) -> Sequence[Section]:
        """The leading sentence with a forest plot, effect against dose, and the numbers."""
        forests, doses = charts.difference_forests(results.differences), charts.dose_plots(results.effects)
        arms, differences = arms_table(results.effects), differences_table(results.differences)
        wordings = wordings_table(results.effects)
        lead = " ".join(_sentence(finding) for finding in results.findings if finding.code in LEAD)
        return [
            Section(
                "baselines",
                "What else would do it?",
                f"{lead} {FORESTS}".strip(),
                forests,
                [arms],
                paired=len(forests) > 1,
                folded=folded_figures(forests),
                file="tables/baselines.csv",
                main=True,
            ),
            Section(
                "baseline-doses", "Effect and dose of the baselines", DOSES, doses, paired=len(doses) > 1,
                folded=folded_figures(doses),
            ),
            Section(
                "baseline-differences", "All differences between arms", DIFFERENCES, tables=[differences],
                file="tables/baseline_differences.csv", folded=folded_rows(differences),
            ),
            Section("baseline-wordings", "Wordings of the system prompt", WORDINGS, tables=[wordings]),
        ]  # fmt: skip

    def files(self, results: BaselineResults) -> Mapping[str, pd.DataFrame]:
        """Arms and differences."""
        return {
            "tables/baselines.csv": results.effects,
            "tables/baseline_differences.csv": results.differences,
        }

    def glossary(self, results: BaselineResults) -> Sequence[tuple[str, str]]:
        """Arms and equal doses."""
        return GLOSSARY if len(results.effects) else ()


def _sentence(finding: Finding) -> str:
    text = finding.text
    return text[:1].upper() + text[1:] if not finding.subjects else text


def _analysed(_run: RunTables, tables: Mapping[str, pd.DataFrame]) -> tuple[Tables, list[Finding]]:
    scores, arms, easy = tables.get("scores"), tables.get("arms"), tables.get("easy")
    replies, judgements = tables.get("replies"), tables.get("judgements")
    effects, differences = [], []
    if replies is not None and judgements is not None:  # what a model says comes before what it finds likely
        judged = judged_scores(replies, judgements)
        effects.append(arm_effects(judged, arms, easy, reply_quality(replies, judgements)))
        differences.append(arm_differences(judged, arms))
    if scores is not None:
        effects.append(arm_effects(scores, arms, easy))
        differences.append(arm_differences(scores, arms))
    if not effects:
        nothing = {"effects": pd.DataFrame(columns=ARM_EFFECTS), "differences": pd.DataFrame(columns=ARM_DIFFERENCES)}
        return nothing, []
    found, gaps = pd.concat(effects, ignore_index=True), pd.concat(differences, ignore_index=True)
    return {"effects": found, "differences": gaps}, baseline_findings(found, gaps)


BASELINES = BaselinesReport()
