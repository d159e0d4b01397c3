"""`probe`: the weights of a logistic regression."""

from __future__ import annotations

import torch
from torch import Tensor

from trimtab.vectors.aggregations.base import SetAggregation, unit

PROBE_C = 1.0
"""Inverse of the probe's L2 penalty, for states whose root mean square norm about their pair's center is 1."""


class Probe(SetAggregation):
    """The weights of a logistic regression of positive against negative states, as long as the mean along them."""

    name = "probe"
    source = "the probe weight direction of inference-time intervention, Li et al. 2023"

    def in_span(self, coordinates: Tensor, center: Tensor, width: int) -> Tensor:
        """The weights; their sign is their own: outliers may turn the mean round, and must not turn these."""
        axis = probe(coordinates)
        return axis * (axis @ center).abs()

    def in_span_of_sets(self, positive: Tensor, negative: Tensor, width: int) -> Tensor:
        """The weights of a regression with an intercept, both lists counting alike however long they are."""
        return probe_of_sets(positive, negative)


def probe(rows: Tensor) -> Tensor:
    """Unit weights of a logistic regression between the points row/2 and −row/2, [d]: states about their pair's centre.

    L2-regularised by `PROBE_C`, without intercept, as the two classes mirror each other. The weights lie in the span
    of the rows (Kimeldorf & Wahba 1971), so a basis of it gives the same as the whole space.
    """
    from sklearn.linear_model import LogisticRegression

    points = rows / rows.square().sum(1).mean().sqrt()
    states = torch.cat([points, -points]).numpy()
    labels = [1] * len(points) + [0] * len(points)
    # Second-order steps reach the one solution exactly, whatever the order of the pairs.
    fitted = LogisticRegression(C=PROBE_C, fit_intercept=False, solver="newton-cholesky", tol=1e-8).fit(states, labels)
    return unit(torch.from_numpy(fitted.coef_[0]))


def probe_of_sets(positive: Tensor, negative: Tensor) -> Tensor:
    """Unit weights of a logistic regression between the states of two lists about the middle of their means, [d].

    L2-regularised by `PROBE_C` for states whose root mean square norm is 1, with an intercept that is not, and weights
    under which both lists count alike.
    """
    from sklearn.linear_model import LogisticRegression

    states = torch.cat([positive, negative])
    states = states / states.square().sum(1).mean().sqrt()
    labels = [1] * len(positive) + [0] * len(negative)
    fitted = LogisticRegression(C=PROBE_C, solver="newton-cholesky", tol=1e-8, class_weight="balanced")
    return unit(torch.from_numpy(fitted.fit(states.numpy(), labels).coef_[0]))


PROBE = Probe()
