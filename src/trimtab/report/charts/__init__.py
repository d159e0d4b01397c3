"""Charts: Vega-Lite specs, one for the interactive page and the pictures alike."""

from trimtab.report.charts.base import Chart
from trimtab.report.charts.behavior_cosines import behavior_cosines
from trimtab.report.charts.curves import Measure, layer_curves
from trimtab.report.charts.heatmaps import effect_heatmap, layer_heatmaps
from trimtab.report.charts.interval_plots import answer_plots, normalised_curves
from trimtab.report.charts.measures.baselines import difference_forests, dose_plots
from trimtab.report.charts.measures.condition_scores import condition_scores
from trimtab.report.charts.measures.diagnosis import pair_curves, quality_plots
from trimtab.report.charts.measures.heuristics import heuristic_plots
from trimtab.report.charts.measures.methods import method_cosines, method_dots
from trimtab.report.charts.measures.projection import separation_curves
from trimtab.report.charts.measures.random_directions import null_plots
from trimtab.report.charts.measures.reply_heatmaps import reply_fronts, reply_heatmaps
from trimtab.report.charts.measures.robustness import survival_forests
from trimtab.report.charts.measures.side_effects import shift_matrices, side_scatter
from trimtab.report.charts.measures.side_text import cost_curves
from trimtab.report.charts.measures.usable import usable_ranges
from trimtab.report.charts.scatter import answer_scatter, architecture_scatters
from trimtab.report.charts.strength_curves import strength_curves
from trimtab.report.charts.vectors import letter_curves, norm_curves
from trimtab.report.charts.violins import score_violins

__all__ = [
    "Chart",
    "Measure",
    "answer_plots",
    "answer_scatter",
    "architecture_scatters",
    "behavior_cosines",
    "condition_scores",
    "cost_curves",
    "difference_forests",
    "dose_plots",
    "effect_heatmap",
    "heuristic_plots",
    "layer_curves",
    "layer_heatmaps",
    "letter_curves",
    "method_cosines",
    "method_dots",
    "norm_curves",
    "normalised_curves",
    "null_plots",
    "pair_curves",
    "quality_plots",
    "reply_fronts",
    "reply_heatmaps",
    "score_violins",
    "separation_curves",
    "shift_matrices",
    "side_scatter",
    "strength_curves",
    "survival_forests",
    "usable_ranges",
]
