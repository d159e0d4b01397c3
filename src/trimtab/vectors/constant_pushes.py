"""A push as one vector that is the same for every token: what files, engines and weights elsewhere can hold."""

from __future__ import annotations

from torch import Tensor

from trimtab.errors import SettingError, VectorError
from trimtab.vectors.steering_vector import SteeringVector

CONSTANT_SCALES = ("raw", "relative")
"""Scales whose push can be a constant."""

DEFAULT_SCALE = "relative"
"""What a strength means where nobody says it: options, study keys, signatures and requests all take it from here.

α then carries over between layers, behaviors and models, as it does not with `raw`. Here, since the exports of vectors
have strengths and are below the scales; `trimtab.steering` has it too."""


def constant_push(vector: SteeringVector, layer: int, strength: float, scale: str) -> Tensor:
    """What is added behind a layer [d_model]: α·v, or α·mean ‖h‖·v̂ for a relative strength.

    Args:
        vector: One direction for each layer.
        layer: Which layer.
        strength: α.
        scale: `raw` or `relative`; the mean is that of the vector's `residual_norm`.

    Raises:
        SettingError: For another scale, whose push depends on the state of each token.
        VectorError: Where the layer has no direction, or its residual norm is unknown.
    """
    if scale not in CONSTANT_SCALES:
        raise SettingError(
            f"scale {scale!r} is no constant: its push depends on the state of each token; "
            f"{' and '.join(CONSTANT_SCALES)} can be one"
        )
    vector.require_directions([layer])
    direction = vector.direction[layer]
    if scale == "raw":
        return direction * strength
    norm = float(vector.require_residual_norm()[layer])
    if not norm > 0:
        raise VectorError(f"the mean residual norm at layer {layer} is 0, so a relative strength is no push there")
    return direction * (strength * norm / float(direction.norm()))
