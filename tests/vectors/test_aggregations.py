"""Aggregations against slow, obvious ones."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.covariance import oas
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from trimtab.vectors import AGGREGATIONS
from trimtab.vectors.aggregations import LayerAggregation
from trimtab.vectors.aggregations.logistic import PROBE_C
from trimtab.vectors.aggregations.median import geometric_median
from trimtab.vectors.aggregations.pca import principal_axis

few_and_many = pytest.mark.parametrize(("pairs", "width"), [(12, 50), (60, 8)], ids=["few pairs", "many pairs"])


def direction(method: str, rows: Tensor, mean: Tensor) -> Tensor:
    aggregation = AGGREGATIONS.get(method)
    assert isinstance(aggregation, LayerAggregation)
    return aggregation.direction(rows, mean)


def skewed(pairs: int, width: int) -> Tensor:
    """Differences with a mean, and noise that is larger along some axes."""
    random = np.random.default_rng(pairs)
    return torch.tensor(0.4 * np.eye(width)[3] + random.normal(size=(pairs, width)) * np.linspace(0.1, 2, width))


def assert_parallel(found: Tensor, expected: np.ndarray) -> None:
    assert float(torch.cosine_similarity(found, torch.tensor(expected), dim=0)) == pytest.approx(1, abs=1e-9)


@few_and_many
def test_the_probe_in_the_span_is_the_probe_in_the_whole_space(pairs: int, width: int) -> None:
    rows = skewed(pairs, width)
    points = (rows / 2).numpy()
    points /= np.sqrt((points**2).sum(1).mean())
    states, labels = np.concatenate([points, -points]), np.repeat([1, 0], pairs)
    slow = LogisticRegression(C=PROBE_C, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(states, labels)
    assert_parallel(direction("probe", rows, rows.mean(0)), slow.coef_[0])


@few_and_many
def test_lda_is_the_inverse_of_the_shrunk_covariance_times_the_mean(pairs: int, width: int) -> None:
    rows = skewed(pairs, width)
    covariance, shrinkage = oas(rows.numpy())
    assert 0 < shrinkage < 1
    assert_parallel(direction("lda", rows, rows.mean(0)), np.linalg.inv(covariance) @ rows.mean(0).numpy())


@few_and_many
def test_the_median_has_the_least_sum_of_distances(pairs: int, width: int) -> None:
    rows = skewed(pairs, width)

    def distances(point: np.ndarray) -> float:
        return float(np.linalg.norm(rows.numpy() - point, axis=1).sum())

    slow = minimize(distances, rows.mean(0).numpy(), method="BFGS", options={"gtol": 1e-9})
    found = direction("median", rows, rows.mean(0)).numpy()
    assert distances(found) <= slow.fun + 1e-9
    assert np.allclose(found, slow.x, atol=1e-5)


@few_and_many
def test_pca_is_the_principal_component_of_the_points_about_their_pair_centres(pairs: int, width: int) -> None:
    rows = skewed(pairs, width)
    points = torch.cat([rows / 2, -rows / 2])
    expected = torch.linalg.svd(points - points.mean(0))[2][0]
    assert float((principal_axis(rows) @ expected).abs()) == pytest.approx(1, abs=1e-9)
    assert float(torch.cosine_similarity(direction("pca", rows, rows.mean(0)), expected, dim=0).abs()) > 1 - 1e-9


@pytest.mark.parametrize("method", ["pca", "probe", "lda"])
def test_directions_without_a_length_of_their_own_are_as_long_as_the_mean_along_them(method: str) -> None:
    rows = skewed(12, 50)
    found = direction(method, rows, rows.mean(0))
    assert float(found.norm()) == pytest.approx(abs(float(rows.mean(0) @ (found / found.norm()))))


def test_the_median_gets_away_from_a_row_on_which_it_starts() -> None:
    # The mean, 0, is one of the rows; the steps of Weiszfeld alone would stay there.
    values = torch.tensor([[0.0], [-4.0], [1.0], [1.0], [2.0]], dtype=torch.float64)
    assert geometric_median(values * torch.tensor([1.0, 2.0, 3.0])).tolist() == pytest.approx([1, 2, 3], abs=1e-6)


def test_the_median_comes_to_a_row_that_holds_it() -> None:
    corners = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1], [0.2, 0]], dtype=torch.float64)
    assert geometric_median(corners).tolist() == pytest.approx([0.2, 0], abs=1e-6)


def test_the_median_does_not_leave_a_row_that_holds_it() -> None:
    # It starts on the first row, which outweighs what the others pull together: 1 − √2.
    rows = torch.tensor([[0.0, 0], [2, 0], [-1, 1], [-1, -1]], dtype=torch.float64)
    assert geometric_median(rows).tolist() == [0, 0]
