"""The pushes of a layer, one after the other: pure functions on hidden states, tensors in, tensors out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from trimtab.steering.gates import Condition, Decided
from trimtab.steering.scales import Scale


class Aim(NamedTuple):
    """One push at one layer, with what does not depend on h worked out."""

    direction: Tensor
    """From `Scale.aim`, or one for each token [..., d_model]; float32. Of a scale that is `per_neuron` 2·d_model."""
    strength: float | Tensor
    """From `Scale.aim`, or one for each token [...]."""
    scale: Scale
    condition: Condition | Decided | None = None
    """What the state of a token must fulfil to be pushed."""


def push_each(
    hidden: Tensor,
    aims: Sequence[Aim],
    steered: Tensor,
    before: Tensor | None = None,
    look: Callable[[int, Tensor, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """Apply the pushes of a layer in order; conditions are evaluated on the state before the first of them.

    Args:
        hidden: Residual stream [..., d_model].
        aims: The pushes, in order.
        steered: True where a token may be pushed [...].
        before: What conditions are evaluated on, like `hidden`, where something else has pushed `hidden` already.
        look: Called with each push, as `trimtab.steering.push_check.Look`.

    Returns:
        A new tensor like `hidden`; tokens that are not pushed keep their exact values.
    """
    state = hidden if before is None else before
    for order, (direction, strength, scale, condition) in enumerate(aims):
        marks = steered if condition is None else steered & condition.holds(state)
        amount = strength.to(hidden.device) if isinstance(strength, Tensor) else strength
        pushed = scale.push(hidden, direction.to(hidden.device), amount, marks)
        if look is not None:
            look(order, marks, hidden, pushed)
        hidden = pushed
    return hidden
