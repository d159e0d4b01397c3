"""What a report shows of the diagnosis of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import pandas as pd

from trimtab.analysis import Finding, Subject, caution, subject_first
from trimtab.analysis.diagnosis import heuristic_picks, method_effects
from trimtab.analysis.findings import Values, picked
from trimtab.analysis.samples import records
from trimtab.report import charts
from trimtab.report.measures.base import MeasureReport, ReportContext, Tables
from trimtab.report.measures.diagnosis import _diagnosis_captions as captions
from trimtab.report.measures.diagnosis import _diagnosis_tables as tables
from trimtab.report.measures.scores import SCORES, ScoreResults
from trimtab.report.report_inputs import RunTables
from trimtab.report.section import Section, folded_figures, folded_rows

MAX_OPEN_FLAGS = 15
"""More flagged pairs are folded."""
USUAL = ("few_pairs", "more_pairs", "few_examples", "more_examples")
"""Codes of cautions that most pairs have: these stand in their section only."""


@dataclass(frozen=True)
class DiagnosisResults:
    """Results of the diagnosis; tables that were not made are empty."""

    quality: pd.DataFrame = field(default_factory=pd.DataFrame)
    curve: pd.DataFrame = field(default_factory=pd.DataFrame)
    heuristics: pd.DataFrame = field(default_factory=pd.DataFrame)
    flags: pd.DataFrame = field(default_factory=pd.DataFrame)
    diagnoses: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Findings of the diagnosis with advice."""
    picks: pd.DataFrame = field(default_factory=pd.DataFrame)
    surface: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of two lists, how well length and words alone tell them apart."""
    cosines: pd.DataFrame = field(default_factory=pd.DataFrame)
    methods: pd.DataFrame = field(default_factory=pd.DataFrame)
    best: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Chosen cells of the sweep."""
    findings: Sequence[Finding] = ()


class DiagnosisReport(MeasureReport[DiagnosisResults]):
    """Whether the pairs are good, which layer heuristics pick, and what other methods give."""

    name = "diagnosis"
    tables = (
        "quality", "curve", "heuristics", "part_quality", "flags", "findings", "cosines", "surface", "method_samples",
    )  # fmt: skip

    def results(self, context: ReportContext) -> DiagnosisResults | None:
        """The tables of the diagnosis, the layers that heuristics pick, and the effects of other methods."""
        scores = context.results(SCORES)
        assert scores is not None  # there always are results of scores, if only empty ones
        found = context.by_run(self.name, lambda run, made: _analysed(run, made, scores))
        return None if found is None else DiagnosisResults(**found[0], best=scores.best, findings=found[1])

    def findings(self, results: DiagnosisResults) -> Sequence[Finding]:
        """What the diagnosis warns of."""
        return results.findings

    def summary(self, results: DiagnosisResults) -> Sequence[str]:
        """Everything that the diagnosis found, what is in order too, with advice."""
        several = len(results.diagnoses) > 0 and results.diagnoses["model"].nunique() > 1
        return [
            f"{row['level']}: {Subject.of(row, ('model',) if several else ())}: {row['text']}"
            + (f" {row['advice']}" if row["level"] in ("problem", "caution") else "")
            for row in records(results.diagnoses)
        ]

    def sections(self, results: DiagnosisResults) -> Sequence[Section]:
        """The pairs first, then layers without a sweep, then other methods."""
        return [*_pairs(results), *_methods(results)]

    def files(self, results: DiagnosisResults) -> Mapping[str, pd.DataFrame]:
        """All tables of the diagnosis."""
        names = {
            "diagnoses": "diagnosis", "quality": "pair_quality", "curve": "pair_curve", "flags": "flagged_pairs",
            "heuristics": "heuristics", "picks": "heuristic_picks", "methods": "methods", "cosines": "method_cosines",
            "surface": "list_surface",
        }  # fmt: skip
        return {f"tables/{file}.csv": getattr(results, name) for name, file in names.items()}

    def glossary(self, results: DiagnosisResults) -> Sequence[tuple[str, str]]:
        """The numbers of the quality of pairs."""
        return captions.GLOSSARY if len(results.quality) else ()


def _analysed(run: RunTables, made: Mapping[str, pd.DataFrame], scores: ScoreResults) -> tuple[Tables, list[Finding]]:
    """Tables and findings of one run."""
    best, effects = (table[table["run"] == run.name] for table in (scores.best, scores.effects))
    nothing: pd.DataFrame = pd.DataFrame()
    names = [column.name for column in fields(DiagnosisResults) if column.name not in ("best", "findings")]
    found = {name: made.get(name, nothing) for name in names}
    found["diagnoses"] = made.get("findings", nothing)
    if "method_samples" in made:
        found["methods"] = method_effects(made["method_samples"])
    if len(found["heuristics"]) and "part_quality" in made:
        found["picks"] = heuristic_picks(found["heuristics"], made["part_quality"], best, effects)
    return found, _findings(found["diagnoses"])


def _findings(table: pd.DataFrame) -> list[Finding]:
    """What the diagnosis warns of; what is in order, or true of most pairs, stands in its section only."""
    warned = table[table["level"].isin(("problem", "caution")) & ~table["code"].isin(USUAL)] if len(table) else table
    named = ("model",) if len(table) > 0 and table["model"].nunique() > 1 else ()
    return [
        caution(
            Subject.of(row, named),
            diagnosed,
            picked(row, "code", "level", "text", "advice"),
            "pairs",
            decisive=row["level"] == "problem",
        )
        for row in records(warned)
    ]


@subject_first
def diagnosed(values: Values) -> str:
    """One finding of the diagnosis, as the run stored it."""
    return str(values["text"])


def _pairs(results: DiagnosisResults) -> list[Section]:
    quality = charts.quality_plots(results.quality, results.best)
    curves = charts.pair_curves(results.curve, results.quality)
    heuristics = charts.heuristic_plots(results.heuristics, results.picks, results.best)
    flags, picks = tables.flags_table(results.flags), tables.picks_table(results.picks)
    return [
        Section(
            "pairs",
            "Are the pairs good?",
            captions.PAIRS,
            tables=[tables.diagnoses_table(results.diagnoses)],
            file="tables/diagnosis.csv",
        ),
        Section(
            "pair-layers",
            "Agreement of the pairs by layer",
            captions.LAYERS,
            quality,
            small=True,
            folded=folded_figures(quality),
        ),
        Section(
            "pair-number",
            "Would more pairs help?",
            captions.NUMBER,
            curves,
            small=True,
            folded=folded_figures(curves),
        ),
        Section(
            "flags",
            "Pairs to read",
            captions.FLAGS,
            tables=[flags],
            file="tables/flagged_pairs.csv",
            folded=folded_rows(flags, MAX_OPEN_FLAGS),
        ),
        Section(
            "surface",
            "Are the lists told apart by their surface?",
            captions.SURFACE,
            tables=[tables.surface_table(results.surface)],
            file="tables/list_surface.csv",
        ),
        Section(
            "heuristics",
            "Which layer, without a sweep?",
            captions.HEURISTICS,
            heuristics,
            [picks],
            small=True,
            folded=folded_figures(heuristics, picks),
            file="tables/heuristic_picks.csv",
        ),
    ]


def _methods(results: DiagnosisResults) -> list[Section]:
    dots, cosines = charts.method_dots(results.methods), charts.method_cosines(results.cosines)
    methods = tables.methods_table(results.methods)
    return [
        Section(
            "methods",
            "Other methods of extraction",
            captions.METHODS,
            dots,
            [methods],
            small=True,
            folded=folded_figures(dots, methods),
            file="tables/methods.csv",
        ),
        Section(
            "method-cosines",
            "Similarity of these vectors",
            captions.COSINES,
            cosines,
            small=True,
            folded=folded_figures(cosines),
        ),
    ]


DIAGNOSIS = DiagnosisReport()
