"""What a report shows of the sweep's scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from trimtab import analysis
from trimtab.analysis.cells import FULL
from trimtab.analysis.samples import present
from trimtab.analysis.scores import OWNER
from trimtab.analysis.scores.bounds import bound_findings, bounds_table
from trimtab.analysis.scores.condition_findings import condition_findings
from trimtab.report._background import labelled_vectors
from trimtab.report.measures.base import MeasureReport, ReportContext
from trimtab.report.measures.dose import DOSE
from trimtab.report.measures.scores._score_sections import score_sections
from trimtab.report.measures.scores.score_results import ScoreResults
from trimtab.report.report_inputs import gathered, together
from trimtab.report.section import Section


class ScoreReport(MeasureReport[ScoreResults]):
    """Effects of all cells, the chosen ones, and the comparison of models."""

    name = "scores"

    def results(self, context: ReportContext) -> ScoreResults:
        """Effects, chosen cells, checks of these, and the comparison of models; there is always a result."""
        samples = together(context.runs)
        effects = analysis.effects(samples, denominator=context.denominator)
        best = analysis.best_cells(effects)
        orders = analysis.order_effects(samples, best)
        steady = analysis.steerability(samples, best)
        blindness = analysis.option_blindness(samples)
        choice = analysis.layer_choice(samples, best)
        checks = analysis.chosen_checks(samples, best)
        models = gathered(context.runs, "models")
        comparison = analysis.compared(best, analysis.models_frame(models), effects)
        bounds = bounds_table(gathered(context.runs, "bounds"))
        findings = [
            *analysis.comparison_findings(
                comparison.by_model,
                comparison.groups,
                comparison.contrasts,
                comparison.correlations,
                comparison.weights,
            ),
            *analysis.chosen_findings(best, choice, checks),
        ]
        if len(samples) or not _anything_else(context):
            findings += analysis.findings(
                effects, best, checks=checks, blindness=blindness, orders=orders, steerability=steady
            )
        findings += [
            *condition_findings(gathered(context.runs, "conditions")),
            *bound_findings(bounds, best),
            *analysis.engine_agreement(samples, models),
            *analysis.audit(samples),
            *comparison.left_out,
        ]
        owner = present(best, OWNER)
        slopes = steady[[*owner, "slope", "anti", "anti_low", "anti_high"]]
        by_order = ["delta_given", "delta_swapped", "difference", "difference_low", "difference_high"]
        dose = context.results(DOSE)
        return ScoreResults(
            samples=samples,
            effects=effects,
            best=best.merge(slopes, on=owner, how="left").merge(orders[[*owner, *by_order]], on=owner, how="left"),
            choice=choice,
            tails=analysis.tails(samples, best),
            blindness=blindness,
            comparison=comparison,
            dose=None if dose is None else dose.signed,
            vectors=labelled_vectors(context.runs),
            cosines=_cosines(context),
            bounds=bounds,
            denominator=context.denominator,
            mirrored=bool((effects["compared"] == FULL).all()),
            findings=findings,
        )

    def findings(self, results: ScoreResults) -> Sequence[analysis.Finding]:
        """How models differ, what moves, and what limits these numbers."""
        return results.findings

    def sections(self, results: ScoreResults) -> Sequence[Section]:
        """Effects first, then models side by side, how far the choice can be trusted, every cell, and the vectors."""
        return score_sections(results)

    def files(self, results: ScoreResults) -> Mapping[str, pd.DataFrame]:
        """All cells, the chosen ones, and the comparison of models."""
        found = results.comparison
        return {
            "cells.csv": results.effects,
            "best.csv": results.best,
            "tables/layer_choice.csv": results.choice,
            "tables/tails.csv": results.tails,
            "tables/models.csv": found.by_model,
            "tables/groups.csv": found.groups,
            "tables/contrasts.csv": found.contrasts,
            "tables/correlations.csv": found.correlations,
            "tables/vector_cosines.csv": results.cosines,
            "tables/bounds.csv": results.bounds,
        }


def _cosines(context: ReportContext) -> pd.DataFrame:
    """The cosines of the behaviors' vectors of all runs, which they name where there are several."""
    tables = {run.name: run.of("scores") for run in context.runs}
    known = [made["vector_cosines"].assign(run=name) for name, made in tables.items() if "vector_cosines" in made]
    together: pd.DataFrame = pd.concat(known, ignore_index=True) if known else pd.DataFrame()
    return together if context.several else _without_run(together)


def _without_run(table: pd.DataFrame) -> pd.DataFrame:
    plain: pd.DataFrame = table.drop(columns="run", errors="ignore")
    return plain


def _anything_else(context: ReportContext) -> bool:
    """Whether a run has anything but scores: that no score was measured is no finding then."""
    return any((run.replies is not None and len(run.replies)) or run.tables for run in context.runs)


SCORES = ScoreReport()
