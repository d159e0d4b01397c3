"""Aggregations: from the differences of many pairs to one direction at each layer, one file each.

All but `random` turn with the data: from turned differences comes the same direction, turned. An aggregation from
outside this package is a subclass of `LayerAggregation` (one layer at a time), `StreamedAggregation` (needs the mean
only) or `Aggregation`, registered with `AGGREGATIONS.register` or by an entry point in the group
`trimtab.aggregations`.
"""

from __future__ import annotations

from trimtab._util.registry import Entry, Registry
from trimtab.vectors.aggregations.base import Aggregation, Differences, LayerAggregation, Sets, StreamedAggregation

_HERE = "trimtab.vectors.aggregations"
_TRAINED = "trimtab.vectors.training"

AGGREGATIONS: Registry[Aggregation] = Registry(
    "aggregation",
    "trimtab.aggregations",
    {
        "mean": Entry(f"{_HERE}.mean:MEAN", "Mean of the pairs' differences."),
        "pca": Entry(f"{_HERE}.pca:PCA", "Their first principal component about each pair's center."),
        "probe": Entry(f"{_HERE}.logistic:PROBE", "Weights of a logistic regression on positive and negative states."),
        "lda": Entry(f"{_HERE}.lda:LDA", "Fisher's discriminant: the mean whitened by the shrunk covariance."),
        "median": Entry(f"{_HERE}.median:MEDIAN", "Geometric median: robust, up to half of the pairs may be wrong."),
        "single": Entry(f"{_HERE}.single:SINGLE", "The difference of one pair, drawn by the seed."),
        "random": Entry(f"{_HERE}.gaussian:RANDOM", "A control: a random direction as long as the mean difference."),
        "ssv": Entry(f"{_TRAINED}.ssv:SSV", "Trained: the positive completions as likely as can be."),
        "one_shot": Entry(f"{_TRAINED}.one_shot:ONE_SHOT", "Trained: positive completions likely, negative ones not."),
        "bipo": Entry(f"{_TRAINED}.bipo:BIPO", "Trained: preference along +v, the opposite one along −v."),
        "reps": Entry(f"{_TRAINED}.reps:REPS", "Trained: preference along v, the opposite one with v removed."),
    },
)
"""Every aggregation by name."""

__all__ = ["AGGREGATIONS", "Aggregation", "Differences", "LayerAggregation", "Sets", "StreamedAggregation"]
