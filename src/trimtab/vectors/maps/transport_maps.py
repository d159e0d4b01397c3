"""For each neuron the affine map from one set of values to another: Linear-AcT (arXiv 2410.23054, section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple, cast, get_args

import torch
from torch import Tensor

from trimtab._util.callbacks import Progress
from trimtab._util.progress_bars import progress_of
from trimtab.data import AnyContrast, Balance, Behavior, Form
from trimtab.errors import DataError, VectorError
from trimtab.models import ExamplePosition
from trimtab.vectors.contrast_states import possible_positions, read_contrast
from trimtab.vectors.state_reading import Source, prepare
from trimtab.vectors.steering_vector import SteeringVector

MIN_STATES = 2
"""Of each side: through fewer there is no slope."""
_FLAT = 1e-12
"""A variance below this share of the mean square is none: rounding of one value."""


class NeuronMap(NamedTuple):
    """x ↦ ω·x + β for each neuron."""

    slope: Tensor
    """ω, [d_model] float32."""
    offset: Tensor
    """β, [d_model] float32."""


def fit_neuron_map(
    source: Tensor, target: Tensor, source_weights: Tensor | None = None, target_weights: Tensor | None = None
) -> NeuronMap:
    """Least squares through the sorted values of both sets, neuron by neuron.

    The smallest value goes with the smallest, and so on: of all ways to pair the two sets that moves the values least
    (optimal transport in one dimension). Sets of different sizes, or weights, are paired by their quantiles. The map
    carries the mean of `source` exactly to that of `target`. A neuron that has one value only is moved, not stretched.

    Args:
        source: states [rows, d_model].
        target: states [other rows, d_model].
        source_weights: of the rows; all alike by default.
        target_weights: likewise.

    Raises:
        DataError: for fewer than two states on a side.
    """
    for states in (source, target):
        if len(states) < MIN_STATES:
            raise DataError(f"a map between two sides needs at least {MIN_STATES} states of each, not {len(states)}")
    (x, x_levels), (y, y_levels) = _ranked(source, source_weights), _ranked(target, target_weights)
    levels = torch.cat([x_levels, y_levels], dim=1).sort(dim=1).values
    weight = levels.diff(dim=1, prepend=torch.zeros_like(levels[:, :1]))
    between = levels - weight / 2
    x, y = (
        values.gather(1, torch.searchsorted(ranks, between).clamp_max(values.shape[1] - 1))
        for values, ranks in ((x, x_levels), (y, y_levels))
    )
    weight = weight / weight.sum(dim=1, keepdim=True)
    x_mean, y_mean = ((weight * values).sum(dim=1) for values in (x, y))
    apart = x - x_mean[:, None]
    variance = (weight * apart.square()).sum(dim=1)
    shared = (weight * apart * (y - y_mean[:, None])).sum(dim=1)
    flat = variance <= _FLAT * (weight * x.square()).sum(dim=1)
    slope = torch.where(flat, 1.0, shared / variance.where(~flat, torch.ones_like(variance)))
    return NeuronMap(slope.float(), (y_mean - slope * x_mean).float())


def _ranked(states: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Sorted values of each neuron, and the share of the weight up to each: [d_model, rows] float64."""
    values, order = states.double().T.contiguous().sort(dim=1)
    weight = torch.ones(len(states), dtype=torch.float64) if weights is None else weights.double()
    levels = weight[order].cumsum(dim=1)
    return values, levels / levels[:, -1:]


def with_transport(
    vector: SteeringVector,
    model: Source,
    behavior: AnyContrast,
    *,
    seed: int = 0,
    progress: Progress | bool = True,
) -> SteeringVector:
    """The vector with what the scale `transport` needs: each layer's map from the negative states to the positive.

    The states are read once more, at the tokens and in the form that the vector was taken from, and held meanwhile:
    rows × layers × width × 8 bytes. Maps of several layers are fitted to the unsteered model, each by itself. The
    vector's own direction, trained or not, has no part in it.

    Args:
        vector: of this model.
        model: from `trimtab.load`.
        behavior: what the vector was made of: pairs, best the `train` part of a split, or a contrast.
        seed: of `balance="subsample"`, as in `extract`.
        progress: as in `extract`.

    Raises:
        VectorError: for a vector of a model of another shape.
        DataError: for fewer than two states on a side, or pairs whose completions become the same tokens.
    """
    shape = (model.facts.layers, model.facts.width)
    if tuple(vector.direction.shape) != shape:
        raise VectorError(
            f"the vector {vector.provenance.behavior!r} is {vector.n_layers} layers × {vector.direction.shape[1]}; "
            f"{model.name} has {shape[0]} × {shape[1]}"
        )
    with progress_of(progress, f"reading both sides of {behavior.name} in {model.name}") as advance:
        maps = list(_maps(vector, model, behavior, seed, advance))
    slope, offset = (torch.stack(rows) for rows in zip(*maps, strict=True))
    known = {"transport_slope": slope, "transport_offset": offset}
    return replace(vector, statistics={**vector.statistics, **known})


def _maps(
    vector: SteeringVector, model: Source, behavior: AnyContrast, seed: int, progress: Progress | None
) -> Iterator[NeuronMap]:
    """The map of each layer, lowest first."""
    made = vector.provenance
    if not isinstance(behavior, Behavior):
        where = made.token_position if made.token_position in possible_positions(behavior) else "auto"
        states = read_contrast(model, behavior, token_position=cast(ExamplePosition, where), progress=progress)
        for layer in range(vector.n_layers):
            yield fit_neuron_map(states.negative.states[:, layer], states.positive.states[:, layer])
        return
    form = cast(Any, made.form if made.form in get_args(Form) else "auto")
    balance = cast(Any, made.balance if made.balance in get_args(Balance) else "both_orders")
    reading = prepare(model, behavior, made.token_position or "auto", form, balance, seed)
    weights = torch.tensor(reading.weights, dtype=torch.float64)
    negative, positive = torch.empty(2, len(weights), *vector.direction.shape)
    for batch in reading.batches(progress):
        negative[batch.rows] = batch.negative
        positive[batch.rows] = batch.negative + batch.difference
    for layer in range(vector.n_layers):
        yield fit_neuron_map(negative[:, layer], positive[:, layer], weights, weights)
