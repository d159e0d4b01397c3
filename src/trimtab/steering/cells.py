"""From a vector and a setting to an intervention, and the check that the vector fits the model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from trimtab.errors import SettingError, TrimtabWarning, VectorError
from trimtab.models import Backbone
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
) -> Intervention:
    """Push along `vector` behind one layer, or behind each of several with its own direction.

    Raises:
        SettingError: for a layer the vector does not have, or a strength that is not finite.
    """
    chosen = [layers] if isinstance(layers, int) else list(layers)
    if not chosen:
        raise SettingError("no layer to steer at was given")
    for layer in chosen:
        if not 0 <= layer < vector.n_layers:
            raise SettingError(f"layer {layer} is out of range: this model has layers 0 to {vector.n_layers - 1}")
    directions = {layer: vector.direction[layer] for layer in chosen}
    return Intervention(directions, float(strength), scale, positions, first_token)


def require_fit(vector: SteeringVector, backbone: Backbone) -> None:
    """Refuse a vector of another shape; warn about one taken from other weights.

    Raises:
        VectorError: when number of layers or width differ.
    """
    wanted = [backbone.facts.layers, backbone.facts.width]
    if list(vector.direction.shape) != wanted:
        raise VectorError(
            f"the vector is for {vector.provenance.model} (layers × width {list(vector.direction.shape)}); "
            f"{backbone.name} needs {wanted}. Extract one from this model."
        )
    if vector.provenance.fingerprint != backbone.fingerprint:
        warnings.warn(
            f"the vector was taken from other weights ({vector.provenance.model}) than {backbone.name}; "
            "it may not work",
            TrimtabWarning,
            stacklevel=3,
        )
