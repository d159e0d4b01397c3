"""Are the pairs good, and which layer without a sweep? From the pairs' differences alone: tables in, tables out."""

from trimtab.analysis.diagnosis.curve import CURVE, pair_curve
from trimtab.analysis.diagnosis.differences import PAIR_COLUMNS, PairDifferences
from trimtab.analysis.diagnosis.findings import diagnosis_findings
from trimtab.analysis.diagnosis.flags import FLAGS, pair_flags
from trimtab.analysis.diagnosis.heuristics import HEURISTICS, layer_heuristics
from trimtab.analysis.diagnosis.picks import PICKS, heuristic_picks
from trimtab.analysis.diagnosis.quality import QUALITY, pair_quality
from trimtab.analysis.diagnosis.sentences import Diagnosis

__all__ = [
    "CURVE",
    "FLAGS",
    "HEURISTICS",
    "PAIR_COLUMNS",
    "PICKS",
    "QUALITY",
    "Diagnosis",
    "PairDifferences",
    "diagnosis_findings",
    "heuristic_picks",
    "layer_heuristics",
    "pair_curve",
    "pair_flags",
    "pair_quality",
]
