"""Vectors: extraction, aggregation, and the file."""

from trimtab.vectors.aggregations import AGGREGATIONS, Aggregation
from trimtab.vectors.contrast_states import ContrastStates, Side, possible_positions, read_contrast
from trimtab.vectors.extraction import extract
from trimtab.vectors.pair_differences import StateDifferences, read_differences
from trimtab.vectors.state_reading import default_position, require_pairs_position, resolve_form, versions
from trimtab.vectors.steering_vector import LetterLeakage, Provenance, SteeringVector

__all__ = [
    "AGGREGATIONS",
    "Aggregation",
    "ContrastStates",
    "LetterLeakage",
    "Provenance",
    "Side",
    "StateDifferences",
    "SteeringVector",
    "default_position",
    "extract",
    "possible_positions",
    "read_contrast",
    "read_differences",
    "require_pairs_position",
    "resolve_form",
    "versions",
]
