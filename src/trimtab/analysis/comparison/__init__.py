"""Differences between models: mean effects, ranks, groups, and correlations with their architecture."""

from trimtab.analysis.comparison.compared import Comparison, compared
from trimtab.analysis.comparison.comparison_findings import comparison_findings
from trimtab.analysis.comparison.models import (
    GROUP_PREFIX,
    compare_groups,
    compare_models,
    correlations,
    group_contrasts,
    models_frame,
)

__all__ = [
    "GROUP_PREFIX",
    "Comparison",
    "compare_groups",
    "compare_models",
    "compared",
    "comparison_findings",
    "correlations",
    "group_contrasts",
    "models_frame",
]
