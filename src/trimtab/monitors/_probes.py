"""Linear probes: logistic regression on states, and Platt scaling of its scores."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FOLDS = 4
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the L2 penalty that are tried, on standardised features; a text counts as one example."""
_NEGLIGIBLE_PENALTY = 1e6
"""An inverse penalty so large that two numbers are fitted without any."""


class Probe(NamedTuple):
    """A direction and a bias: the logit of a state h is w·h + b."""

    weight: Array
    """w [d_model]."""
    bias: float
    strength: float
    """The inverse penalty that was chosen."""


def fit_probe(
    states: NDArray[np.float32], positive: NDArray[np.bool_], weight: Array, fold: NDArray[np.int64]
) -> Probe:
    """L2 logistic regression on standardised states, its strength chosen by cross-validation.

    The strength is the one with the least log-loss on held-out folds; the smaller one of equals.

    Args:
        states: [n, d_model].
        positive: which are from positive texts [n].
        weight: of each state [n].
        fold: which fold it is held out with, 0 to `FOLDS` − 1; states of one prompt share it [n].

    Returns:
        The probe for states as they are: the standardisation is folded into its weights.
    """
    features = states.astype(np.float64)
    mean = np.average(features, axis=0, weights=weight)
    deviation = np.sqrt(np.average((features - mean) ** 2, axis=0, weights=weight))
    deviation[deviation == 0] = 1.0
    features = (features - mean) / deviation
    side = np.where(positive, 1.0, -1.0)

    def loss(strength: float) -> float:
        total = 0.0
        for number in np.unique(fold):
            out = fold == number
            fitted = _logistic(features[~out], positive[~out], weight[~out], strength)
            total += weight[out] @ np.logaddexp(0, -side[out] * fitted.decision_function(features[out]))
        return total

    strength = min(STRENGTHS, key=loss)
    fitted = _logistic(features, positive, weight, strength)
    direction: Array = fitted.coef_[0] / deviation
    return Probe(direction, float(fitted.intercept_[0] - direction @ mean), strength)


def probability(logit: Array) -> Array:
    """1 / (1 + exp(−logit)), written so that no logit overflows."""
    odds: Array = (1 + np.tanh(logit / 2)) / 2
    return odds


class Scaling(NamedTuple):
    """From a score to a logit: slope · score + offset."""

    slope: float
    offset: float

    def probability(self, score: Array) -> Array:
        """The probability of a score."""
        return probability(self.slope * score + self.offset)


def platt(score: Array, positive: NDArray[np.bool_], weight: Array) -> Scaling:
    """Platt scaling (Platt 1999, section 2.2): a logistic curve from scores to probabilities.

    Its targets are drawn in from 0 and 1 by one example more on each side, so that the slope stays finite where the
    scores separate the texts. Where higher scores are not more often positive, the slope is 0: probability one half.

    Args:
        score: [n].
        positive: [n].
        weight: [n].
    """
    sides = weight[positive].sum(), weight[~positive].sum()
    target = np.where(positive, (sides[0] + 1) / (sides[0] + 2), 1 / (sides[1] + 2))
    # An example with target t is one of either label, weighted t and 1 − t.
    fitted = _logistic(
        np.tile(score, 2)[:, None],
        np.repeat([1, 0], len(score)),
        np.concatenate([weight * target, weight * (1 - target)]),
        _NEGLIGIBLE_PENALTY,
    )
    slope = float(fitted.coef_[0, 0])
    return Scaling(slope, float(fitted.intercept_[0])) if slope > 0 else Scaling(0.0, 0.0)


def _logistic(features: Array, positive: NDArray[Any], weight: Array, strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=1000).fit(features, positive, weight)
