"""Classes of other packages that may stand in a file of `torch.save`: their fields are read, their code is not."""

from __future__ import annotations

from typing import Any


class SavedSteeringVector:
    """In place of `steering_vectors.SteeringVector`: a plain object with the fields that were saved."""

    layer_activations: Any
    """Layer → direction."""
    layer_type: Any
    """The site: decoder_block, self_attn, mlp, …"""


STAND_INS: tuple[tuple[Any, str], ...] = (
    (SavedSteeringVector, "steering_vectors.steering_vector.SteeringVector"),
    (SavedSteeringVector, "steering_vectors.SteeringVector"),
)
"""(stand-in, the class that a file names)."""
