"""What a report shows of side effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from trimtab import analysis
from trimtab.analysis.side_effects import (
    chosen_cells,
    neutral_changes,
    of_signs,
    selective_settings,
    side_findings,
    side_gaps,
    task_changes,
    task_findings,
)
from trimtab.report import charts
from trimtab.report._strength_units import dosed
from trimtab.report.charts.panels import at_best_cells, unmeasured
from trimtab.report.measures.base import MeasureReport, ReportContext, Tables
from trimtab.report.measures.dose import DOSE
from trimtab.report.measures.replies import REPLIES
from trimtab.report.measures.robustness import ROBUSTNESS
from trimtab.report.measures.scores import SCORES
from trimtab.report.measures.side_effects import _side_effects_captions as captions
from trimtab.report.measures.side_effects import _side_effects_tables as tables
from trimtab.report.report_inputs import RunTables
from trimtab.report.section import Section, folded_figures


@dataclass(frozen=True)
class SideEffectResults:
    """Results on side effects; tables that were not made are empty."""

    shifts: pd.DataFrame = field(default_factory=pd.DataFrame)
    side: pd.DataFrame = field(default_factory=pd.DataFrame)
    selective: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The strongest setting with small side effects in each direction."""
    neutral: pd.DataFrame = field(default_factory=pd.DataFrame)
    tasks: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Metrics of harnesses' tasks, steered beside unsteered."""
    nulls: pd.DataFrame = field(default_factory=pd.DataFrame)
    null_tests: pd.DataFrame = field(default_factory=pd.DataFrame)
    chosen: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The settings that were measured: those that scores chose, and those that replies recommend."""
    findings: Sequence[analysis.Finding] = ()


class SideEffectReport(MeasureReport[SideEffectResults]):
    """What else moves, at which cost, and whether a random push does as much."""

    name = "side_effects"
    tables = ("shifts", "easy", "neutral", "replies", "random", "tasks")

    def results(self, context: ReportContext) -> SideEffectResults | None:
        """Shifts of other behaviors, costs, replies to neutral prompts, and tests against random directions."""
        found = context.by_run(self.name, lambda run, made: _analysed(run, made, context))
        return None if found is None else SideEffectResults(**found[0], findings=found[1])

    def findings(self, results: SideEffectResults) -> Sequence[analysis.Finding]:
        """Side effects, what was not measured, and whether the vector does more than random directions."""
        return results.findings

    def sections(self, results: SideEffectResults) -> Sequence[Section]:
        """Other behaviors first, then costs, tasks, replies to neutral prompts, and random directions."""
        return [*_side_effects(results), *_random_directions(results)]

    def files(self, results: SideEffectResults) -> Mapping[str, pd.DataFrame]:
        """All tables on side effects."""
        names = {
            "shifts": "side_shifts", "side": "side_cells", "selective": "selective_settings",
            "neutral": "neutral_replies", "tasks": "side_tasks", "nulls": "random_directions",
            "null_tests": "random_tests",
        }  # fmt: skip
        return {f"tables/{file}.csv": getattr(results, name) for name, file in names.items()}

    def glossary(self, results: SideEffectResults) -> Sequence[tuple[str, str]]:
        """Side effects, their costs, and random directions."""
        return captions.OF_SIDE_EFFECTS if len(results.side) or len(results.nulls) else ()


def _analysed(
    run: RunTables, made: Mapping[str, pd.DataFrame], context: ReportContext
) -> tuple[Tables, list[analysis.Finding]]:
    """Tables and findings of one run."""
    nothing: pd.DataFrame = pd.DataFrame()
    shifts = _scored(made)
    neutral = neutral_changes(made["replies"]) if "replies" in made else nothing
    tasks = task_changes(made["tasks"]) if "tasks" in made else nothing
    nulls = analysis.null_effects(made["random"]) if "random" in made else nothing
    tests = analysis.null_tests(nulls) if len(nulls) else nothing
    side = nothing
    if len(shifts):
        side = analysis.side_cells(shifts, made.get("neutral", pd.DataFrame(columns=["model", "behavior"])))
        side = _dosed(side, shifts, run, context)
    scores, robustness = context.results(SCORES), context.results(ROBUSTNESS)
    best = nothing if scores is None else scores.best[scores.best["run"] == run.name]
    variants = nothing if robustness is None else _of_run(robustness.table, run.name)
    replies = context.results(REPLIES)
    recommended = None if replies is None else _of_run(analysis.first_judged(replies.settings), run.name)
    chosen = chosen_cells(best, (neutral, nulls, variants), recommended)
    neutral, tasks = of_signs(neutral, chosen), of_signs(tasks, chosen, ("benchmark", "task", "metric"))
    findings: list[analysis.Finding] = []
    if len(side):
        findings += side_findings(side, chosen, neutral)
    if len(shifts):
        subjects = shifts[["model", "behavior"]].drop_duplicates().itertuples(index=False, name=None)
        findings += side_gaps(subjects, side, chosen, neutral, tests)
    if len(tasks):
        findings += task_findings(tasks)
    if len(tests):
        findings += analysis.null_findings(tests)
    found = {
        "shifts": analysis.side_shifts(shifts) if len(shifts) else nothing,
        "side": side,
        "selective": selective_settings(side[side["others"] > 0]) if len(side) else nothing,
        "neutral": neutral,
        "tasks": tasks,
        "nulls": nulls,
        "null_tests": tests,
        "chosen": chosen,
    }
    return found, findings


def _dosed(side: pd.DataFrame, shifts: pd.DataFrame, run: RunTables, context: ReportContext) -> pd.DataFrame:
    """The cells with their strength in other units, where doses were measured for the way they were steered."""
    doses = context.results(DOSE)
    if doses is None:
        return side
    keys = ["model", "behavior", "layers", "scale", "strength"]
    how = shifts.loc[shifts["strength"] != 0, [*keys, "engine", "positions"]].drop_duplicates()
    if how.duplicated(keys).any():
        return side
    mine = doses.signed[doses.signed["run"] == run.name].drop(columns="run")
    wide = dosed(side.merge(how, on=keys, how="left"), mine)
    table: pd.DataFrame = wide.drop(columns=["engine", "positions"])
    return table


def _scored(made: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The scores of other behaviors and of easy questions, below each other."""
    parts = [made[name] for name in ("shifts", "easy") if name in made]
    joined: pd.DataFrame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return joined


def _of_run(table: pd.DataFrame, run: str) -> pd.DataFrame:
    """The rows of one run; all of them where there is only one run, which has no name in the table then."""
    if "run" not in table.columns:
        return table
    mine: pd.DataFrame = table[table["run"] == run].drop(columns="run")
    return mine


def _side_effects(results: SideEffectResults) -> list[Section]:
    chosen = results.chosen
    matrices, scatters = charts.shift_matrices(results.shifts, chosen), charts.side_scatter(results.side, chosen)
    costs = charts.cost_curves(_of_main_scale(results.side))
    side = tables.side_table(at_best_cells(results.side, chosen))
    missing = captions.missing(unmeasured(results.side, chosen))
    return [
        Section(
            "shifts",
            "What else moves?",
            captions.SHIFTS + missing,
            matrices,
            paired=True,
            folded=folded_figures(matrices),
            main=True,
        ),
        Section(
            "side-cells",
            "Side effects of the chosen settings",
            captions.CHOSEN + missing,
            tables=[side],
            file="tables/side_cells.csv",
        ),
        Section(
            "side-effects",
            "Intended effect and side effect of every setting",
            captions.SIDE + missing + captions.SELECTIVE,
            scatters,
            [tables.selective_table(results.selective)],
            paired=len(scatters) > 1,
            file="tables/selective_settings.csv",
        ),
        Section(
            "costs",
            "Plain text and easy questions",
            captions.COSTS,
            costs,
            paired=True,
            folded=folded_figures(costs),
        ),
        Section(
            "tasks",
            "Tasks of harnesses",
            captions.TASKS,
            tables=[tables.task_table(results.tasks)],
            file="tables/side_tasks.csv",
        ),
        Section(
            "neutral",
            "Replies to neutral prompts",
            captions.NEUTRAL,
            tables=[tables.neutral_table(results.neutral)],
            file="tables/neutral_replies.csv",
        ),
    ]


def _of_main_scale(side: pd.DataFrame) -> pd.DataFrame:
    """The cells of the scale that most have: a recommended setting in another one is no point of a curve."""
    rows: pd.DataFrame = side[side["scale"] == side["scale"].mode().iloc[0]] if len(side) else side
    return rows


def _random_directions(results: SideEffectResults) -> list[Section]:
    plots, tests = charts.null_plots(results.nulls, results.null_tests), tables.null_table(results.null_tests)
    return [
        Section(
            "random",
            "More than a random push?",
            captions.NULLS,
            plots,
            paired=len(plots) > 1,
            folded=folded_figures(plots),
            main=True,
        ),
        Section(
            "random-tests",
            "The vector against random directions, in numbers",
            captions.TESTS,
            tables=[tests],
            file="tables/random_tests.csv",
        ),
    ]


SIDE_EFFECTS = SideEffectReport()
