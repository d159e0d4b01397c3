"""What is stored of a training: settings, loss curves, steps and seconds, for the provenance of its vector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from trimtab.vectors.tensor_file import NO_OTHER_FIELDS


@dataclass(frozen=True)
class TrainingRecord:
    """How a trained vector was trained. Values by layer stand in the order of `layers`."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    settings: dict[str, bool | float | int | str]
    """Every setting of the training, the defaults among them."""
    layers: tuple[int, ...]
    """The layers that were trained; the others have no direction."""
    fit_pairs: int
    """Pairs that the vectors were fitted to."""
    held_back: int
    """Pairs of the training part that decided when to stop; 0: there were too few, and every step was taken."""
    unsteered_loss: float
    """Loss of the unsteered model on the pairs that decided, or on all where none were held back."""
    loss: tuple[tuple[float, ...], ...]
    """Loss of each step's batch before the step, by layer: a curve as long as the layer was trained."""
    checked_at: tuple[tuple[int, ...], ...]
    """The steps after which the held-back pairs were looked at, by layer."""
    checked_loss: tuple[tuple[float, ...], ...]
    """Their loss then, by layer."""
    best_step: tuple[int, ...]
    """The step whose vector it is, by layer."""
    seconds: float
    """How long the training took, all layers together."""
    stopped: dict[str, str] = field(default_factory=dict)
    """Why a layer stopped before its last step, by layer as text."""
