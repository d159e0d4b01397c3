"""Steering: interventions as pure functions on hidden states, and the hooks that apply them."""

from trimtab._util.callable_packages import make_callable
from trimtab.steering.arming import HookSet, engine_hooks_only, one_pass
from trimtab.steering.cell import UNSTEERED, UNSTEERED_LAYER, Cell, layers_label
from trimtab.steering.fit import require_fit, require_same_model
from trimtab.steering.gates import Condition, Gate, PromptGate
from trimtab.steering.hooks import steered
from trimtab.steering.interventions import (
    MAX_STRENGTH,
    Intervention,
    check_layers,
    check_strength,
    require_layers,
)
from trimtab.steering.positions import (
    POSITIONS,
    POSITIONS_PATTERN,
    PositionPolicy,
    Positions,
    is_steered,
    parse_positions,
    steered_spans,
    valid_positions,
)
from trimtab.steering.push_check import PushCheck
from trimtab.steering.pushes import Aim, push_each
from trimtab.steering.scales import DEFAULT_SCALE, SCALES, Scale, push_scales, usual_strengths
from trimtab.steering.setting import SteeringOptions, SteeringSetting, steering

__all__ = [
    "DEFAULT_SCALE",
    "MAX_STRENGTH",
    "POSITIONS",
    "POSITIONS_PATTERN",
    "SCALES",
    "UNSTEERED",
    "UNSTEERED_LAYER",
    "Aim",
    "Cell",
    "Condition",
    "Gate",
    "HookSet",
    "Intervention",
    "PositionPolicy",
    "Positions",
    "PromptGate",
    "PushCheck",
    "Scale",
    "SteeringOptions",
    "SteeringSetting",
    "check_layers",
    "check_strength",
    "engine_hooks_only",
    "is_steered",
    "layers_label",
    "one_pass",
    "parse_positions",
    "push_each",
    "push_scales",
    "require_fit",
    "require_layers",
    "require_same_model",
    "steered",
    "steered_spans",
    "steering",
    "usual_strengths",
    "valid_positions",
]

make_callable(__name__, "trimtab.steering.setting:steering")
