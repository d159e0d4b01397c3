"""Steering: interventions as pure functions on hidden states, and the hooks that apply them."""

from trimtab.steering.cells import at, require_fit, require_same_model
from trimtab.steering.gates import Condition, Gate
from trimtab.steering.hooks import Steering, steered
from trimtab.steering.interventions import (
    Intervention,
    Positions,
    check_layers,
    check_one_of,
    check_strength,
    is_steered,
    steered_range,
)
from trimtab.steering.pushes import Aim, Scale, aimed, push, push_each, unit

__all__ = [
    "Aim",
    "Condition",
    "Gate",
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
    "push_each",
    "require_fit",
    "require_same_model",
    "steered",
    "steered_range",
    "unit",
]
