"""The sections of the report: which figures and tables, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from trimtab.report import background, charts, tables, words
from trimtab.report import comparison_tables as compare
from trimtab.report.charts import Chart, Measure
from trimtab.report.checked_sections import checked_sections
from trimtab.report.page import Section, folded_rows
from trimtab.report.reply_sections import reply_sections
from trimtab.report.results import Results
from trimtab.report.runs import RunTables


def sections(runs: Sequence[RunTables], results: Results) -> list[Section]:
    """All sections that have something to show: what was found, what it rests on, how models differ, every cell."""
    # Unsteered scores that do not vary leave no Δ to draw.
    measure: Measure = "glass" if results.effects["glass"].notna().any() else "delta"
    unique = _Unique()
    every = [
        *reply_sections(results.spoken, results.reply_agreement),
        *_effect_sections(results, measure),
        *_model_sections(results),
        *checked_sections(results.checked, results.best),
        *_trust_sections(results),
        *_answer_sections(results),
        *_detail_sections(results, measure),
        *_vector_sections(runs, results),
    ]
    kept = [replace(s, tables=[table for table in s.tables if table.rows]) for s in every]
    shown = [s for s in kept if s.charts or s.tables or s.browser]
    return [replace(s, charts=unique(s.charts), small=s.small and len(s.charts) > 1) for s in shown]


def _effect_sections(results: Results, measure: Measure) -> list[Section]:
    effects, best, models = results.effects, results.best, results.comparison.models
    curves = charts.layer_curves(effects, best, measure)
    violins = charts.score_violins(results.samples, best, results.dose)
    return [
        Section("scores", "Scores by strength at the best layer", words.VIOLIN, violins, small=True),
        Section(
            "heatmap",
            "Effect by model and behavior",
            words.heatmap(measure, results.denominator),
            charts.effect_heatmap(best, measure),
        ),
        Section(
            "layer-curve",
            "Effect by layer",
            words.curve(measure, results.denominator),
            curves,
            small=len(curves) > 2,
        ),
        Section(
            "normalised",
            "Where in its depth each model is steered best",
            words.NORMALISED,
            charts.normalised_curves(effects, best, models, measure),
        ),
        Section(
            "best",
            "Best cells",
            words.BEST,
            tables=[compare.layer_grid(best), tables.best_table(best)],
            file="best.csv",
        ),
    ]


def _trust_sections(results: Results) -> list[Section]:
    return [
        Section(
            "choice",
            "How settled the best layers are",
            words.CHOICE,
            tables=[compare.choice_table(results.choice)],
            file="tables/layer_choice.csv",
        ),
        _long("tails", "Tails", words.TAILS, compare.tails_table(results.tails), "tables/tails.csv"),
    ]


def _model_sections(results: Results) -> list[Section]:
    found = results.comparison
    scatters, numbered = [], ""
    if len(found.correlations):
        numbered = words.architecture([str(name) for name in found.by_model["model"]])
        scatters = charts.architecture_scatters(found.by_model, found.models, found.correlations)
    return [
        Section(
            "models",
            "Models side by side",
            words.MODELS,
            tables=[compare.model_table(found.by_model, results.denominator)] if len(found.by_model) else [],
            file="tables/models.csv",
        ),
        Section(
            "groups",
            "Groups of models",
            words.GROUPS,
            tables=[compare.group_table(found.groups), compare.contrast_table(found.contrasts)],
            file="tables/groups.csv",
        ),
        Section(
            "architecture",
            "Effect and architecture",
            numbered,
            scatters,
            [compare.correlation_table(found.correlations)],
            small=True,
            folded=f"{len(scatters)} figures, {len(found.correlations)} correlations",
            file="tables/correlations.csv",
        ),
    ]


def _answer_sections(results: Results) -> list[Section]:
    curves, agreement = results.answer_curves, results.answer_agreement
    return [
        Section(
            "answers",
            "Logits and generated answers",
            words.ANSWERS,
            charts.answer_bands(curves, agreement) if len(curves) else [],
            [compare.agreement_table(agreement)],
            small=True,
            file="tables/answers.csv",
        ),
        Section(
            "answers-effect", "Effect size and change in answers", words.ANSWER_EFFECT, charts.answer_scatter(agreement)
        ),
    ]


def _detail_sections(results: Results, measure: Measure) -> list[Section]:
    effects, best = results.effects, results.best
    delta = charts.layer_curves(effects, best, "delta") if measure == "glass" else []
    return [
        Section(
            "delta-curve",
            "Effect by layer, in score units",
            words.curve("delta", results.denominator),
            delta,
            small=len(delta) > 2,
        ),
        Section(
            "layer-heatmap",
            "Effect by layer and behavior",
            words.LAYERS,
            charts.layer_heatmaps(effects, best, measure),
            small=True,
        ),
        Section(
            "strengths",
            "Effect by layer and strength",
            words.STRENGTH if results.dose is None else f"{words.STRENGTH} {words.OVER_DOSE}",
            charts.strength_curves(effects, best, measure, results.dose),
            small=True,
        ),
        _long("cells", "All cells", "A click on a heading sorts.", tables.cells_table(effects), "cells.csv"),
    ]


def _vector_sections(runs: Sequence[RunTables], results: Results) -> list[Section]:
    vectors = background.labelled_vectors(runs)
    return [
        Section("answer-letters", "Answer letters", words.BLIND, tables=[tables.blindness_table(results.blindness)]),
        Section("letters", "Letter leakage of the vectors", words.LETTER, charts.letter_curves(vectors), small=True),
        Section("norms", "Length of the vectors", words.NORM, charts.norm_curves(vectors), small=True),
    ]


def _long(slug: str, title: str, text: str, table: tables.Table, file: str) -> Section:
    """A section of one table, folded where it is long."""
    return Section(slug, title, text, tables=[table], file=file, folded=folded_rows(table))


class _Unique:
    """Hands out charts with file names that no other chart of the report has."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def __call__(self, drawn: Iterable[Chart]) -> list[Chart]:
        renamed = []
        for chart in drawn:
            slug, number = chart.slug, 2
            while slug in self.taken:
                slug, number = f"{chart.slug}-{number}", number + 1
            self.taken.add(slug)
            renamed.append(replace(chart, slug=slug))
        return renamed
