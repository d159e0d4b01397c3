"""What a push does to hidden states: pure functions, tensors in, tensors out.

v is the vector of a layer, v̂ = v/‖v‖, h the residual stream of one token, α the strength.

| scale | h becomes | source |
|---|---|---|
| `raw` | h + α·v | contrastive activation addition, Panickssery et al. 2023, section 3 |
| `relative` | h + α·‖h‖·v̂ | the same, so that α carries over between layers and models |
| `rotate` | ‖h‖·u/‖u‖ with u = h + α·‖h‖·v̂ | a turn toward v in the plane of h and v that keeps the norm |
| `project_out` | h − α·(h·v̂)·v̂ | directional ablation, Arditi et al. 2024, section 2.4; α = 1 removes all of it |
| `clamp` | h + (α·‖v‖ − h·v̂)·v̂ | the projection set to a value, as Templeton et al. 2024 do with features |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from trimtab.steering.gates import Condition

Scale = Literal["raw", "relative", "rotate", "project_out", "clamp"]


class Aim(NamedTuple):
    """One push at one layer, with what does not depend on h worked out."""

    direction: Tensor
    """From `aimed`, [d_model], or one for each token [..., d_model]; float32."""
    strength: float | Tensor
    """From `aimed`, or one for each token [...]."""
    scale: Scale
    condition: Condition | None = None
    """What the state of a token must fulfil to be pushed."""


def unit(direction: Tensor) -> Tensor:
    """v̂ = v / ‖v‖ in float32, over the last dimension."""
    normed: Tensor = direction.float() / direction.float().norm(dim=-1, keepdim=True)
    return normed


def aimed(direction: Tensor, strength: float, scale: Scale) -> tuple[Tensor, float]:
    """Direction and strength as `push` takes them: what does not depend on h, worked out once.

    Args:
        direction: v [d_model].
        strength: α.
        scale: what α means.

    Returns:
        v and α for `raw`; v̂ and α otherwise, α in units of ‖v‖ for `clamp`. Float32.
    """
    if scale == "raw":
        return direction.float(), strength
    return unit(direction), strength * float(direction.float().norm()) if scale == "clamp" else strength


def push_each(hidden: Tensor, aims: Sequence[Aim], steered: Tensor, before: Tensor | None = None) -> Tensor:
    """Make the pushes of a layer, one behind the other; conditions look at the state before the first.

    Args:
        hidden: residual stream [..., d_model].
        aims: the pushes, in order.
        steered: True where a token may be pushed [...].
        before: what conditions look at, like `hidden`, where something else has pushed `hidden` already.

    Returns:
        A new tensor like `hidden`; tokens that are not pushed keep their exact values.
    """
    state = hidden if before is None else before
    for direction, strength, scale, condition in aims:
        marks = steered if condition is None else steered & condition.holds(state)
        hidden = push(hidden, direction.to(hidden.device), strength, scale, marks)
    return hidden


def push(hidden: Tensor, direction: Tensor, strength: float | Tensor, scale: Scale, steered: Tensor) -> Tensor:
    """Steer the tokens that `steered` marks.

    Args:
        hidden: residual stream [..., d_model], any float type.
        direction: from `aimed`, [d_model], or one for each token [..., d_model]; float32.
        strength: from `aimed`, or one for each token [...]. 0 leaves a token alone, bit by bit, except in `clamp`.
        scale: what strength and direction mean; see the table of this module.
        steered: True where a token is pushed, [...] as `hidden` without its last dimension.

    Returns:
        A new tensor like `hidden`; unmarked tokens keep their exact values.
    """
    if scale in ("project_out", "clamp"):
        along = (hidden.float() * direction).sum(-1)
        amount = (strength - along if scale == "clamp" else -strength * along) * steered.float()
    else:
        amount = steered.float() * strength
        if scale != "raw":
            amount = amount * torch.linalg.vector_norm(hidden, dim=-1, dtype=torch.float32)
    moved = hidden + (amount.unsqueeze(-1) * direction).to(hidden.dtype)
    return _rescaled(moved, hidden, amount != 0) if scale == "rotate" else moved


def _rescaled(moved: Tensor, hidden: Tensor, where: Tensor) -> Tensor:
    """`moved` with the norms of `hidden`; rounding must not touch what was not moved."""
    before, after = (torch.linalg.vector_norm(h, dim=-1, keepdim=True, dtype=torch.float32) for h in (hidden, moved))
    scaled = (moved.float() * (before / after.clamp_min(torch.finfo(torch.float32).tiny))).to(hidden.dtype)
    return torch.where(where.unsqueeze(-1), scaled, hidden)
