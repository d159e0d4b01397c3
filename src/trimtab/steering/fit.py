"""Whether a vector, or another set of rows, belongs to a model."""

from __future__ import annotations

import warnings

from torch import Tensor

from trimtab.errors import TrimtabWarning, VectorError
from trimtab.models import Identity
from trimtab.models.fingerprint import UNKNOWN, difference
from trimtab.vectors.steering_vector import SteeringVector


def require_fit(vector: SteeringVector, backbone: Identity) -> None:
    """Refuse a vector of another shape; warn about one taken from other weights.

    Raises:
        VectorError: When number of layers or width differ.
    """
    require_same_model("vector", vector.direction, vector.provenance.model, vector.provenance.fingerprint, backbone)


def require_same_model(kind: str, rows: Tensor, model: str, fingerprint: str, backbone: Identity) -> None:
    """Refuse what was taken from a model of another shape; warn about what was taken from other weights.

    Args:
        kind: What it is, for the message.
        rows: One row for each layer, [n_layers, d_model].
        model: Name of the model it was taken from.
        fingerprint: Of that model's weights.
        backbone: The model it will be used with.

    Raises:
        VectorError: When number of layers or width differ.
    """
    wanted = [backbone.facts.layers, backbone.facts.width]
    if list(rows.shape) != wanted:
        raise VectorError(
            f"the {kind} is for {model} (layers × width {list(rows.shape)}); {backbone.name} needs {wanted}. "
            "Make one from this model."
        )
    reasons = {
        "unknown": f"it cannot be verified whether the {kind}, taken from {model}, comes from the weights of "
        f"{backbone.name}: {UNKNOWN}. Make the {kind} again to be sure.",
        "weights": f"the {kind} was taken from other weights ({model}) than {backbone.name}; it may not work",
        "configuration": f"the {kind} was taken from the weights of {backbone.name} under another configuration "
        "(rotary base, epsilon, activation, …); it may not work",
    }
    if found := difference(fingerprint, backbone.fingerprint):
        warnings.warn(reasons[found], TrimtabWarning, stacklevel=4)
