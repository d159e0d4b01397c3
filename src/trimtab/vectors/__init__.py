"""Vectors: extraction, aggregation, and the file."""

from trimtab.vectors._class_statistics import STATISTICS
from trimtab.vectors._provenance import LetterLeakage, Origin, Provenance, layer_ranges
from trimtab.vectors._training_record import TrainingRecord
from trimtab.vectors.aggregations import AGGREGATIONS, Aggregation
from trimtab.vectors.contrast_states import ContrastStates, Side, possible_positions, read_contrast
from trimtab.vectors.description import VectorDescription, describe
from trimtab.vectors.extraction import extract
from trimtab.vectors.pair_differences import StateDifferences, read_differences
from trimtab.vectors.residual_norms import with_residual_norms
from trimtab.vectors.state_reading import default_position, require_pairs_position, resolve_form, versions
from trimtab.vectors.steering_vector import SteeringVector

__all__ = [
    "AGGREGATIONS",
    "STATISTICS",
    "Aggregation",
    "ContrastStates",
    "LetterLeakage",
    "Origin",
    "Provenance",
    "Side",
    "StateDifferences",
    "SteeringVector",
    "TrainingRecord",
    "VectorDescription",
    "default_position",
    "describe",
    "extract",
    "layer_ranges",
    "possible_positions",
    "read_contrast",
    "read_differences",
    "require_pairs_position",
    "resolve_form",
    "versions",
    "with_residual_norms",
]
