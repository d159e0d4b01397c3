"""The figures of single objects, each a chart of the report: what `PLOTS` names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab.errors import SettingError
from trimtab.notebook.figure import ChartFigure
from trimtab.report import charts
from trimtab.report.charts import Chart
from trimtab.report.charts.layer_cosines import layer_cosines

if TYPE_CHECKING:
    from trimtab.evaluation import Sweep
    from trimtab.notebook.baseline_comparison import BaselineComparison
    from trimtab.notebook.pair_diagnosis import Diagnosis
    from trimtab.notebook.setting_robustness import Robustness
    from trimtab.notebook.setting_side_effects import SideEffects
    from trimtab.notebook.tuning_replies import Tuning
    from trimtab.vectors import SteeringVector


def _first(found: Sequence[Chart], without: str) -> ChartFigure:
    """The chart, or why there is none."""
    if not found:
        raise SettingError(f"nothing to draw: {without}")
    return ChartFigure(found[0])


def _entry(vector: SteeringVector) -> dict[str, Any]:
    """A vector as manifests, and with them the charts, have it."""
    made, norms = vector.provenance, vector.residual_norm
    return {
        "behavior": made.behavior, "panel": made.model, "norm": vector.norm.tolist(),
        "residual_norm": [None] * vector.n_layers if norms is None else norms.tolist(),
        "letter": asdict(made.letter) if made.letter else None,
    }  # fmt: skip


def vector_norms(vector: SteeringVector) -> ChartFigure:
    """Norm of the vector over the mean norm of the states, over depth."""
    vector.require_residual_norm()
    return _first(charts.norm_curves([_entry(vector)]), "the norm of the states is 0 at every layer")


def vector_letter(vector: SteeringVector) -> ChartFigure:
    """How much of the answer letter is left in the vector, over depth."""
    return _first(
        charts.letter_curves([_entry(vector)]), "there is no letter in a vector that was not made of choice pairs"
    )


def vector_cosines(vector: SteeringVector) -> ChartFigure:
    """Cosines between the directions of all layers."""
    unit = vector.unit().direction.double().numpy()
    cosines = unit @ unit.T
    zero = vector.norm.numpy() == 0
    cosines[zero] = cosines[:, zero] = np.nan
    return ChartFigure(layer_cosines(cosines, f"{vector.provenance.behavior} in {vector.provenance.model}"))


_NO_EFFECT = "no cell has an effect"


def sweep_layers(sweep: Sweep) -> ChartFigure:
    """Glass's Δ over depth at the strength of the best cell; delta where the scores do not vary."""
    return _by_measure(lambda measure: charts.layer_curves(sweep.effects, sweep.chosen, measure), _NO_EFFECT)


def sweep_strengths(sweep: Sweep) -> ChartFigure:
    """The effect over depth, a line for each strength."""
    return _by_measure(
        lambda measure: charts.strength_curves(sweep.effects, sweep.chosen, measure), "only one strength was swept"
    )


def sweep_scores(sweep: Sweep) -> ChartFigure:
    """How the scores are distributed at the layer of the best cell, at each strength."""
    return _first(charts.score_violins(sweep.samples, sweep.chosen), _NO_EFFECT)


def _by_measure(draw: Callable[[charts.Measure], list[Chart]], without: str) -> ChartFigure:
    return _first(draw("glass") or draw("delta"), without)


def tuning_settings(tuning: Tuning) -> ChartFigure:
    """Change of the judged replies at every layer and strength."""
    return _first(charts.reply_heatmaps(list(tuning.results.speakers)), "no reply was judged")


def tuning_front(tuning: Tuning) -> ChartFigure:
    """Change against what it costs, a dot for each layer and strength."""
    return _first(charts.reply_fronts(list(tuning.results.speakers)), "no reply was judged")


def tuning_usable(tuning: Tuning) -> ChartFigure:
    """The strengths that can be used, by layer."""
    return _first(
        charts.usable_ranges(list(tuning.results.speakers)), "no reply was judged, or strengths are percentiles"
    )


def diagnosis_quality(diagnosis: Diagnosis) -> ChartFigure:
    """How well the pairs agree, over depth."""
    found = diagnosis.results
    return _first(charts.quality_plots(found.quality, found.best), "the quality of the pairs is not known at any layer")


def diagnosis_curve(diagnosis: Diagnosis) -> ChartFigure:
    """How alike the vectors of two sets of pairs are, by the size of the sets."""
    found = diagnosis.results
    return _first(charts.pair_curves(found.curve, found.quality), "there are too few pairs to halve them")


def diagnosis_heuristics(diagnosis: Diagnosis) -> ChartFigure:
    """What is used to guess a layer, over depth, with the layer that each picks."""
    found = diagnosis.results
    return _first(charts.heuristic_plots(found.heuristics, found.picks, found.best), "no heuristic picks a layer")


def side_shifts(effects: SideEffects) -> ChartFigure:
    """How far other behaviors move."""
    found = effects.results
    return _first(charts.shift_matrices(found.shifts, found.chosen), "no other behavior was measured")


def side_random(effects: SideEffects) -> ChartFigure:
    """The effect of the vector beside the effects of random directions."""
    found = effects.results
    return _first(charts.null_plots(found.nulls, found.null_tests), "no random direction was measured")


def robust_variants(robustness: Robustness) -> ChartFigure:
    """The share of the effect that each variant keeps."""
    return _first(charts.survival_forests(robustness.variants), "on the plain prompts there is no effect to keep")


def baseline_differences(compared: BaselineComparison) -> ChartFigure:
    """How much more one arm does than another, with intervals."""
    return _first(charts.difference_forests(compared.results.differences), "no two arms were measured")


def baseline_doses(compared: BaselineComparison) -> ChartFigure:
    """The effect of each arm against its dose."""
    return _first(charts.dose_plots(compared.results.effects), "no dose is known")
