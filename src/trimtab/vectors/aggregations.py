"""From the differences of many pairs to one direction.

All of these turn with the data: from turned differences comes the same direction, turned. So each is looked for in the
span of the differences, which has no more dimensions than there are pairs, however wide the model.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from trimtab.errors import SettingError

Method = Literal["mean", "pca", "probe", "lda", "median", "single", "random"]
"""How one direction is made of the pairs' differences:

- `mean`: their mean (contrastive activation addition, Panickssery et al. 2023, section 3).
- `pca`: their first principal component about each pair's centre (representation engineering, Zou et al. 2023,
  section 3.1).
- `probe`: the weights of a logistic regression that tells positive from negative states (the "probe weight direction"
  of inference-time intervention, Li et al. 2023).
- `lda`: Fisher's discriminant (1936), the mean difference whitened by the differences' covariance (as in the mass-mean
  probe of Marks & Tegmark 2023), which is shrunk (Chen et al. 2010).
- `median`: their geometric median: robust, up to half of the pairs may be wrong (Lopuhaä & Rousseeuw 1991).
- `single`: the difference of one pair drawn by the seed (activation addition, Turner et al. 2023).
- `random`: a Gaussian direction drawn by the seed, as long as the mean difference: a control. Its sign means nothing.

`mean`, `median` and `single` are differences and have a difference's length. `pca`, `probe` and `lda` know no length
and are as long as the mean difference along them.
"""

METHODS: tuple[Method, ...] = get_args(Method)

PROBE_C = 1.0
"""Inverse of the probe's L2 penalty, for states whose root mean square norm about their pair's centre is 1."""
MEDIAN_STEPS, MEDIAN_CLOSE = 2000, 1e-10
"""Most steps to the geometric median; and the step, relative to the size of the differences, at which it is reached."""


def check_method(method: str) -> None:
    """Refuse a method that is not there.

    Raises:
        SettingError: naming those that are.
    """
    if method not in METHODS:
        raise SettingError(f"method {method!r} is unknown; it is one of {', '.join(METHODS)}")


def direction(method: Literal["pca", "probe", "lda", "median"], rows: Tensor, mean: Tensor) -> Tensor:
    """One layer's vector by one method, [d_model].

    Args:
        method: how.
        rows: letter-balanced difference of each pair, [pairs, d_model] float64.
        mean: their mean as `mean` weighs them, [d_model] float64.

    Returns:
        Zeros where the differences are, or cancel.
    """
    if not bool(rows.any()):
        return torch.zeros_like(mean)
    basis, places = torch.linalg.qr(rows.T)  # rows = places.T @ basis.T
    coordinates, centre = places.T, basis.T @ mean
    if method == "median":
        found = geometric_median(coordinates)
    elif method == "pca":
        axis = principal_axis(coordinates)
        found = axis * (axis @ centre)
    elif method == "lda":
        axis = discriminant(coordinates, centre, rows.shape[1])
        found = axis * (axis @ centre)
    else:
        axis = probe(coordinates)
        # Its sign is its own: the mean may be led astray by outliers, and must not turn it round.
        found = axis * (axis @ centre).abs()
    vector: Tensor = basis @ found
    return vector


def random_direction(mean: Tensor, seed: int) -> Tensor:
    """Independent Gaussian directions [n_layers, d_model], each as long as `mean` is at its layer."""
    drawn = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    scaled: Tensor = drawn * (mean.norm(dim=1) / drawn.norm(dim=1))[:, None]
    return scaled


def principal_axis(rows: Tensor) -> Tensor:
    """Unit vector along which `rows` [n, d] have the largest sum of squared projections [d].

    The same as the first principal component of the 2n points ±row/2: each pair about its own centre.
    """
    axis: Tensor = torch.linalg.eigh(rows.T @ rows)[1][:, -1]
    return axis


def discriminant(rows: Tensor, mean: Tensor, width: int) -> Tensor:
    """Fisher's discriminant of the points ±row/2, a unit vector: shrunk covariance of the rows, inverted, times `mean`.

    The covariance S is shrunk to (1 − ρ)·S + ρ·m·I, m being its mean eigenvalue, with ρ by Chen et al. 2010, equation
    23, in the form that scikit-learn gives it (`sklearn.covariance.oas`): without the terms in 2/width. It needs the
    traces of S and S² only, and so no more than the span of the rows; and unlike Ledoit & Wolf's ρ, which is 0 for two
    pairs, it always leaves a covariance that can be inverted.

    Args:
        rows: coordinates in an orthonormal basis of the rows' span, [n, rank].
        mean: likewise, [rank].
        width: dimensions of the whole space, in which S has its zeros too.
    """
    centred = rows - rows.mean(0)
    covariance = centred.T @ centred / len(rows)
    trace, trace_of_square = covariance.trace(), covariance.square().sum()
    if trace <= 1e-12 * mean.square().sum():  # one pair, or the same again and again: nothing to whiten by
        return _unit(mean)
    spread = trace_of_square - trace**2 / width
    share = (trace_of_square + trace**2) / ((len(rows) + 1) * spread) if spread > 0 else torch.ones(())
    rho = float(share.clamp(max=1.0))
    shrunk = (1 - rho) * covariance + rho * trace / width * torch.eye(len(covariance), dtype=rows.dtype)
    return _unit(torch.linalg.solve(shrunk, mean))


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
    return _unit(torch.from_numpy(fitted.coef_[0]))


def geometric_median(rows: Tensor) -> Tensor:
    """Point with the least sum of distances to `rows` [n, d], [d].

    Unlike the coordinate-wise median it does not depend on the axes. By Weiszfeld's steps as Vardi & Zhang (2000, PNAS
    97(4), section 2) put them right where a step lands on one of the rows.
    """
    scale = rows.norm(dim=1).max()
    point = rows.mean(0)
    for _ in range(MEDIAN_STEPS):
        away = rows - point
        distance = away.norm(dim=1)
        elsewhere = distance > 1e-12 * scale
        if not bool(elsewhere.any()):
            return point
        pull = (away[elsewhere] / distance[elsewhere, None]).sum(0)
        here, strength = float((~elsewhere).sum()), float(pull.norm())
        if strength <= here:  # the rows at this point hold it against all others
            return point
        step = (1 - here / strength) * pull / (1 / distance[elsewhere]).sum()
        point = point + step
        if step.norm() <= MEDIAN_CLOSE * scale:
            break
    return point


def _unit(axis: Tensor) -> Tensor:
    unit: Tensor = axis / axis.norm().clamp_min(torch.finfo(axis.dtype).tiny)
    return unit
