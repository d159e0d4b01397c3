"""Charts: Vega-Lite specs, one for the interactive page and the pictures alike."""

from trimtab.report.charts.bands import answer_bands, normalised_curves
from trimtab.report.charts.base import Chart
from trimtab.report.charts.curves import Measure, layer_curves, strength_curves
from trimtab.report.charts.diagnosis import pair_curves, quality_strips
from trimtab.report.charts.heatmaps import effect_heatmap, layer_heatmaps
from trimtab.report.charts.heuristics import heuristic_strips
from trimtab.report.charts.methods import method_cosines, method_dots
from trimtab.report.charts.random_directions import null_strips
from trimtab.report.charts.robustness import survival_forests
from trimtab.report.charts.said import said_fronts, said_heatmaps
from trimtab.report.charts.scatter import answer_scatter, architecture_scatters
from trimtab.report.charts.side_effects import shift_matrices, side_scatter
from trimtab.report.charts.side_text import cost_curves
from trimtab.report.charts.usable import usable_ranges
from trimtab.report.charts.vectors import letter_curves, norm_curves
from trimtab.report.charts.violins import score_violins

__all__ = [
    "Chart",
    "Measure",
    "answer_bands",
    "answer_scatter",
    "architecture_scatters",
    "cost_curves",
    "effect_heatmap",
    "heuristic_strips",
    "layer_curves",
    "layer_heatmaps",
    "letter_curves",
    "method_cosines",
    "method_dots",
    "norm_curves",
    "normalised_curves",
    "null_strips",
    "pair_curves",
    "quality_strips",
    "said_fronts",
    "said_heatmaps",
    "score_violins",
    "shift_matrices",
    "side_scatter",
    "strength_curves",
    "survival_forests",
    "usable_ranges",
]
