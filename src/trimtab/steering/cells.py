"""From a vector and a setting to an intervention, and the check that the vector fits the model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from torch import Tensor

from trimtab.errors import SettingError, TrimtabWarning, VectorError
from trimtab.models import Identity
from trimtab.steering.gates import Gate
from trimtab.steering.interventions import Intervention, Positions
from trimtab.steering.pushes import Scale
from trimtab.vectors.steering_vector import SteeringVector


def at(
    vector: SteeringVector,
    layers: int | Sequence[int],
    strength: float,
    *,
    scale: Scale = "raw",
    positions: Positions = "all",
    first_token: bool = False,
    share_strength: bool = False,
    vector_layer: int | None = None,
    gate: Gate | None = None,
) -> Intervention:
    """Push along `vector` behind one layer, or behind each of several.

    Args:
        vector: one direction for each layer.
        layers: behind which decoder layers to push.
        strength: α.
        scale: what α means; see `trimtab.steering.pushes`.
        positions: which tokens are pushed.
        first_token: whether the attention sink is pushed too.
        share_strength: whether several layers share α, each pushed by its part; else each is pushed by all of it.
        vector_layer: push along this layer's direction everywhere; by default along each layer's own.
        gate: push only tokens whose state opens it; see `trimtab.steering.gates`.

    Raises:
        SettingError: for a layer the vector does not have or the gate cannot read, a strength that is not finite, or
            one that cannot be shared: a projection is set or removed, not pushed by parts.
    """
    chosen = [layers] if isinstance(layers, int) else list(layers)
    if not chosen:
        raise SettingError("no layer to steer at was given")
    for layer in (*chosen, *([] if vector_layer is None else [vector_layer])):
        if not 0 <= layer < vector.n_layers:
            raise SettingError(f"layer {layer} is out of range: this model has layers 0 to {vector.n_layers - 1}")
    directions = {layer: vector.direction[layer if vector_layer is None else vector_layer] for layer in chosen}
    each = strength_of_each(strength, len(directions), scale) if share_strength else float(strength)
    return Intervention(directions, each, scale, positions, first_token, gate)


def strength_of_each(strength: float, layers: int, scale: Scale) -> float:
    """The part of a strength that falls to each of some layers when they share it.

    Raises:
        SettingError: when it cannot be shared: a projection is set or removed, not pushed by parts.
    """
    if scale in ("clamp", "project_out"):
        raise SettingError(f"the scale {scale} sets a projection, so layers cannot share its strength")
    return float(strength) / max(layers, 1)


def require_fit(vector: SteeringVector, backbone: Identity) -> None:
    """Refuse a vector of another shape; warn about one taken from other weights.

    Raises:
        VectorError: when number of layers or width differ.
    """
    require_same_model("vector", vector.direction, vector.provenance.model, vector.provenance.fingerprint, backbone)


def require_same_model(kind: str, rows: Tensor, model: str, fingerprint: str, backbone: Identity) -> None:
    """Refuse what was taken from a model of another shape; warn about what was taken from other weights.

    Args:
        kind: what it is, for the message.
        rows: what it holds for each layer, [n_layers, d_model].
        model: name of the model it was taken from.
        fingerprint: of that model's weights.
        backbone: the model it is to be used with.

    Raises:
        VectorError: when number of layers or width differ.
    """
    wanted = [backbone.facts.layers, backbone.facts.width]
    if list(rows.shape) != wanted:
        raise VectorError(
            f"the {kind} is for {model} (layers × width {list(rows.shape)}); {backbone.name} needs {wanted}. "
            "Make one from this model."
        )
    if not fingerprint or not backbone.fingerprint:
        warnings.warn(
            f"it cannot be told whether the {kind}, taken from {model}, comes from the weights of {backbone.name}: "
            "those have no fingerprint, as with quantized weights",
            TrimtabWarning,
            stacklevel=4,
        )
    elif fingerprint != backbone.fingerprint:
        warnings.warn(
            f"the {kind} was taken from other weights ({model}) than {backbone.name}; it may not work",
            TrimtabWarning,
            stacklevel=4,
        )
