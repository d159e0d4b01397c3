"""Steering: interventions as pure functions on hidden states, and the hooks that apply them."""

from trimtab.steering.cells import at, require_fit
from trimtab.steering.hooks import Steering, steered
from trimtab.steering.interventions import (
    Intervention,
    Positions,
    check_layers,
    check_one_of,
    check_strength,
    is_steered,
)
from trimtab.steering.pushes import Scale, aimed, push, unit

__all__ = [
    "Intervention",
    "Positions",
    "Scale",
    "Steering",
    "aimed",
    "at",
    "check_layers",
    "check_one_of",
    "check_strength",
    "is_steered",
    "push",
    "require_fit",
    "steered",
    "unit",
]
