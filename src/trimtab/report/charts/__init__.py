"""Charts: Vega-Lite specs, one for the interactive page and the pictures alike."""

from trimtab.report.charts.bands import answer_bands, normalised_curves
from trimtab.report.charts.base import Chart
from trimtab.report.charts.curves import Measure, layer_curves, strength_curves
from trimtab.report.charts.heatmaps import effect_heatmap, layer_heatmaps
from trimtab.report.charts.said import said_fronts, said_heatmaps
from trimtab.report.charts.scatter import answer_scatter, architecture_scatters
from trimtab.report.charts.usable import usable_ranges
from trimtab.report.charts.vectors import letter_curves, norm_curves
from trimtab.report.charts.violins import score_violins

__all__ = [
    "Chart",
    "Measure",
    "answer_bands",
    "answer_scatter",
    "architecture_scatters",
    "effect_heatmap",
    "layer_curves",
    "layer_heatmaps",
    "letter_curves",
    "norm_curves",
    "normalised_curves",
    "said_fronts",
    "said_heatmaps",
    "score_violins",
    "strength_curves",
    "usable_ranges",
]
