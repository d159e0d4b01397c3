"""Vectors: extraction, aggregation, and the file."""

from trimtab.vectors.aggregations import METHODS, Method
from trimtab.vectors.extraction import extract
from trimtab.vectors.kept import KeptDifferences, keep_differences
from trimtab.vectors.reading import default_position, resolve_form, versions
from trimtab.vectors.steering_vector import LetterLeakage, Provenance, SteeringVector

__all__ = [
    "METHODS",
    "KeptDifferences",
    "LetterLeakage",
    "Method",
    "Provenance",
    "SteeringVector",
    "default_position",
    "extract",
    "keep_differences",
    "resolve_form",
    "versions",
]
