"""The sections of the page about scores."""

from __future__ import annotations

from trimtab._util.wording import plural
from trimtab.report import charts
from trimtab.report.measures.scores import _score_captions as captions
from trimtab.report.measures.scores import comparison_tables as compare
from trimtab.report.measures.scores import score_tables as tables
from trimtab.report.measures.scores.score_results import ScoreResults
from trimtab.report.section import Part, Section, folded_figures, folded_rows
from trimtab.report.tables import Table


def score_sections(results: ScoreResults) -> list[Section]:
    """All sections about scores, those without figures and tables included."""
    return [
        *_effects(results),
        *_models(results),
        *_trust(results),
        *_details(results),
        *_vectors(results),
    ]


def _effects(results: ScoreResults) -> list[Section]:
    effects, best, measure = results.effects, results.best, results.measure
    curves = charts.layer_curves(effects, best, measure)
    violins = charts.score_violins(results.samples, best, results.dose)
    return [
        Section(
            "scores", "Scores by strength at the chosen layer", captions.VIOLIN, violins, small=True, part="effects"
        ),
        Section(
            "heatmap",
            "Effect by model and behavior",
            captions.heatmap(measure, results.denominator),
            charts.effect_heatmap(best, measure),
            part="effects",
            main=True,
        ),
        Section(
            "layer-curve",
            "Effect by layer",
            captions.curve(measure, results.denominator, results.mirrored),
            curves,
            small=len(curves) > 2,
            part="effects",
            main=True,
        ),
        Section(
            "normalised",
            "Where in its depth each model is steered best",
            captions.NORMALISED,
            charts.normalised_curves(effects, best, results.comparison.models, measure),
            part="effects",
        ),
        Section(
            "best",
            "Chosen settings",
            captions.BEST,
            tables=[compare.layer_grid(best), tables.best_table(best)],
            file="best.csv",
            part="effects",
        ),
    ]


def _models(results: ScoreResults) -> list[Section]:
    found = results.comparison
    scatters, numbered = [], ""
    if len(found.correlations):
        numbered = captions.architecture([str(name) for name in found.by_model["model"]])
        scatters = charts.architecture_scatters(found.by_model, found.models, found.correlations)
    return [
        Section(
            "models",
            "Models side by side",
            captions.MODELS,
            tables=[compare.model_table(found.by_model, results.denominator)] if len(found.by_model) else [],
            file="tables/models.csv",
            part="models",
            main=True,
        ),
        Section(
            "groups",
            "Groups of models",
            captions.GROUPS,
            tables=[compare.group_table(found.groups), compare.contrast_table(found.contrasts)],
            file="tables/groups.csv",
            part="models",
            main=True,
        ),
        Section(
            "architecture",
            "Effect and architecture",
            numbered,
            scatters,
            [compare.correlation_table(found.correlations)],
            small=True,
            folded=f"{plural(len(scatters), 'figure')}, {plural(len(found.correlations), 'correlation')}",
            file="tables/correlations.csv",
            part="models",
        ),
    ]


def _trust(results: ScoreResults) -> list[Section]:
    return [
        Section(
            "choice",
            "Stability of the choice of layer",
            captions.CHOICE,
            tables=[tables.choice_table(results.choice)],
            file="tables/layer_choice.csv",
            part="trust",
        ),
        _long("tails", "Tails", captions.TAILS, tables.tails_table(results.tails), "tables/tails.csv", "trust"),
    ]


def _details(results: ScoreResults) -> list[Section]:
    effects, best, measure = results.effects, results.best, results.measure
    delta = charts.layer_curves(effects, best, "delta") if measure == "glass" else []
    return [
        Section(
            "delta-curve",
            "Effect by layer, in score units",
            captions.curve("delta", results.denominator, results.mirrored),
            delta,
            small=len(delta) > 2,
            part="details",
        ),
        Section(
            "layer-heatmap",
            "Effect by layer and behavior",
            captions.LAYERS,
            charts.layer_heatmaps(effects, best, measure),
            small=True,
            part="details",
        ),
        Section(
            "strengths",
            "Effect by layer and strength",
            captions.STRENGTH if results.dose is None else f"{captions.STRENGTH} {captions.OVER_DOSE}",
            charts.strength_curves(effects, best, measure, results.dose),
            small=True,
            part="details",
        ),
        _long(
            "bounds",
            "Bounds of the layers",
            captions.BOUNDS,
            tables.bounds_table(results.bounds),
            "tables/bounds.csv",
            "details",
        ),
        _long("cells", "All settings", captions.CELLS, tables.cells_table(effects), "cells.csv", "details"),
    ]


def _vectors(results: ScoreResults) -> list[Section]:
    cosines = charts.behavior_cosines(results.cosines, results.best)
    letters, norms = charts.letter_curves(results.vectors), charts.norm_curves(results.vectors)
    return [
        Section(
            "answer-letters",
            "Answer letters",
            captions.BLIND,
            tables=[tables.blindness_table(results.blindness)],
            part="vectors",
        ),
        Section("letters", "Letter leakage of the vectors", captions.LETTER, letters, small=True, part="vectors"),
        Section(
            "behavior-cosines",
            "Similarity of the behaviors’ vectors",
            captions.BEHAVIOR_COSINES,
            cosines,
            small=True,
            folded=folded_figures(cosines),
            file="tables/vector_cosines.csv",
            part="vectors",
        ),
        Section("norms", "Norms of the vectors", captions.NORM, norms, small=True, part="vectors"),
    ]


def _long(slug: str, title: str, text: str, table: Table, file: str, part: Part) -> Section:
    """A section of one table, folded where it is long."""
    return Section(slug, title, text, tables=[table], file=file, folded=folded_rows(table), part=part)
