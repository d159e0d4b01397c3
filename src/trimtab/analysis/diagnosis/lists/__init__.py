"""Diagnosis of two lists without pairs: what can be measured of them, and what needs pairs."""

from trimtab.analysis.diagnosis.lists.list_findings import list_findings
from trimtab.analysis.diagnosis.lists.list_flags import list_flags
from trimtab.analysis.diagnosis.lists.list_heuristics import list_heuristics
from trimtab.analysis.diagnosis.lists.list_quality import list_curve, list_quality
from trimtab.analysis.diagnosis.lists.list_states import LIST_COLUMNS, ListStates
from trimtab.analysis.diagnosis.lists.surface import SURFACE, list_surface

__all__ = [
    "LIST_COLUMNS",
    "SURFACE",
    "ListStates",
    "list_curve",
    "list_findings",
    "list_flags",
    "list_heuristics",
    "list_quality",
    "list_surface",
]
