"""The pushes of a layer: pure functions on hidden states, tensors in, tensors out.

Pushes that add something (`raw` and `relative`) are added up: each is measured on the state before the first of them,
so that their order does not matter and that a push and its opposite cancel each other. Every other push acts on what
those before it have made, and so do those behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from trimtab.steering.gates import Condition, Decided
from trimtab.steering.scales import Scale
from trimtab.steering.scales.base import add

Look = Callable[[int, Tensor, Tensor, Tensor, Tensor], None]
"""(number of the push at this layer, marks of the tokens it may push, states before it, states behind it, what it adds
before that is rounded to the type of the states)"""


class Aim(NamedTuple):
    """One push at one layer, with what does not depend on h worked out."""

    direction: Tensor
    """From `Scale.aim`, or one for each token [..., d_model]; float32. Of a scale that is `per_neuron` 2·d_model."""
    strength: float | Tensor
    """From `Scale.aim`, or one for each token [...]."""
    scale: Scale
    condition: Condition | Decided | None = None
    """What the state of a token must fulfil to be pushed."""

    @property
    def adds(self) -> bool:
        """Whether it adds something, and is added up with its neighbours."""
        return self.scale.length is not None


class Pushed(NamedTuple):
    """States behind some pushes of a layer."""

    hidden: Tensor
    base: Tensor | None
    """What a further push that adds is measured on, where the last one added; None: `hidden` itself."""


def push_each(
    hidden: Tensor, aims: Sequence[Aim], steered: Tensor, before: Tensor | None = None, look: Look | None = None
) -> Tensor:
    """Apply the pushes of a layer; see `push_further`.

    Returns:
        A new tensor like `hidden`; tokens that are not pushed keep their exact values.
    """
    return push_further(hidden, aims, steered, before, look).hidden


def push_further(
    hidden: Tensor,
    aims: Sequence[Aim],
    steered: Tensor,
    before: Tensor | None = None,
    look: Look | None = None,
    base: Tensor | None = None,
) -> Pushed:
    """Apply pushes of a layer, behind others of it; conditions are evaluated on the state before the first of them all.

    Args:
        hidden: Residual stream [..., d_model].
        aims: The pushes, in order.
        steered: True where a token may be pushed [...].
        before: What conditions are evaluated on, like `hidden`, where something else has pushed `hidden` already.
        look: Called with each push.
        base: `Pushed.base` of the pushes before.
    """
    state = hidden if before is None else before
    for order, aim in enumerate(aims):
        direction, strength, scale, condition = aim
        marks = steered if condition is None else steered & condition.holds(state)
        direction = direction.to(hidden.device)
        amount = strength.to(hidden.device) if isinstance(strength, Tensor) else strength
        further = aim.adds and base is not None
        measured = base if base is not None and further else hidden
        if further:
            pushed = add(hidden, scale.amount(measured, amount, marks), direction)
        else:
            pushed = scale.push(hidden, direction, amount, marks)
        if look is not None:
            look(order, marks, hidden, pushed, _unrounded(measured, Aim(direction, amount, scale), marks))
        hidden, base = pushed, measured if aim.adds else None
    return Pushed(hidden, base)


def _unrounded(hidden: Tensor, aim: Aim, marks: Tensor) -> Tensor:
    """What a push adds to its states in float32, not rounded to their type."""
    direction, strength, scale, _ = aim
    if aim.adds:
        return scale.amount(hidden, strength, marks).unsqueeze(-1) * direction
    exact = hidden.float()
    return scale.push(exact, direction, strength, marks) - exact
