"""Whether a vector, or another set of rows, belongs to a model."""

from __future__ import annotations

import warnings

from torch import Tensor

from trimtab.errors import TrimtabWarning, VectorError
from trimtab.models import Identity
from trimtab.models.fingerprint import UNKNOWN, difference
from trimtab.vectors.steering_vector import SteeringVector


def require_fit(vector: SteeringVector, backbone: Identity) -> SteeringVector:
    """Refuse a vector of another shape; warn about one taken from other weights.

    Of a vector that was made elsewhere the weights are unknown: its shape alone is compared.

    Returns:
        The vector, with a row for each layer of the model where its file did not say how many there are.

    Raises:
        VectorError: When number of layers or width differ.
    """
    made, facts = vector.provenance, backbone.facts
    if made.origin is None or made.fingerprint:
        require_same_model("vector", vector.direction, made.model, made.fingerprint, backbone)
        return vector
    have = list(vector.direction.shape)
    if have[1] != facts.width or have[0] > facts.layers or (vector.is_whole and have[0] != facts.layers):
        one_more = have == [facts.layers + 1, facts.width]
        raise VectorError(
            f"the vector {made.behavior!r}, made elsewhere ({made.origin.made_by}), has layers × width {have}; "
            f"{backbone.name} needs {[facts.layers, facts.width]}"
            + ("; one row more than layers: if its rows begin with the embeddings, import it with --made-by "
               "persona_vectors" if one_more else "")
        )  # fmt: skip
    return vector if vector.is_whole else vector.with_rows(facts.layers)


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
