"""Diagnosis: quality of the pairs and layers without a sweep, from the pairs' differences; and other methods."""

from trimtab.analysis.diagnosis.curve import CURVE, pair_curve
from trimtab.analysis.diagnosis.diagnosis_findings import diagnosis_findings, steadiest
from trimtab.analysis.diagnosis.differences import PAIR_COLUMNS, PairDifferences
from trimtab.analysis.diagnosis.flags import FLAGS, pair_flags
from trimtab.analysis.diagnosis.heuristics import COMPONENTS, HEURISTICS, layer_heuristics
from trimtab.analysis.diagnosis.methods import METHOD_EFFECTS, REFERENCE, method_effects
from trimtab.analysis.diagnosis.picks import LARGEST, PICKS, SMALLEST, heuristic_picks
from trimtab.analysis.diagnosis.quality import QUALITY, pair_quality
from trimtab.analysis.diagnosis.sentences import Diagnosis, Level

__all__ = [
    "COMPONENTS",
    "CURVE",
    "FLAGS",
    "HEURISTICS",
    "LARGEST",
    "METHOD_EFFECTS",
    "PAIR_COLUMNS",
    "PICKS",
    "QUALITY",
    "REFERENCE",
    "SMALLEST",
    "Diagnosis",
    "Level",
    "PairDifferences",
    "diagnosis_findings",
    "heuristic_picks",
    "layer_heuristics",
    "method_effects",
    "pair_curve",
    "pair_flags",
    "pair_quality",
    "steadiest",
]
