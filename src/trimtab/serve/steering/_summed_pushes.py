"""Pushes of one kind as one push: the same as all of them, see `trimtab.steering.pushes`, in one step of the engine.

vLLM holds one push a layer in the tables that its compiled passes read; several would be made between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor

from trimtab.errors import SettingError
from trimtab.steering import Intervention

_ADDED = ("raw", "relative")
"""Scales of which several pushes are one of the same scale: h + α·v + β·w, and h + ‖h‖·(α·v̂ + β·ŵ)."""
_CANCELLED = 1e-6
"""Part of the pushes' lengths below which their sum is what rounding leaves of pushes that cancel each other."""


def summed(pushes: Sequence[Intervention]) -> Intervention:
    """All pushes at once.

    Neighbours at a layer become one push where both are `raw`, or both `relative`.

    Args:
        pushes: each of one vector, at the same positions and without gates, in their order.

    Raises:
        SettingError: for pushes that cancel each other.
    """
    return reduce(Intervention.and_also, _parts(pushes))


def _parts(pushes: Sequence[Intervention]) -> Iterator[Intervention]:
    groups = {layer: _neighbours(pushes, layer) for push in pushes for layer in push.directions}
    for number, push in enumerate(pushes):
        alone = [layer for layer in push.directions if [number] in groups[layer]]
        if alone:
            yield push if len(alone) == len(push.directions) else _at(push, alone)
        for layer in push.directions:
            together = next(group for group in groups[layer] if number in group)
            if len(together) > 1 and together[0] == number:
                yield _sum([pushes[index] for index in together], layer)


def _neighbours(pushes: Sequence[Intervention], layer: int) -> list[list[int]]:
    """Numbers of the pushes at a layer, in order; those that are added up in one list."""
    found: list[list[int]] = []
    for number, push in enumerate(pushes):
        if layer not in push.directions:
            continue
        if found and push.scale in _ADDED and pushes[found[-1][-1]].scale == push.scale:
            found[-1].append(number)
        else:
            found.append([number])
    return found


def _at(push: Intervention, layers: Sequence[int]) -> Intervention:
    """A push at some of its layers."""
    return replace(push, directions={layer: push.directions[layer] for layer in layers})


def _sum(pushes: Sequence[Intervention], layer: int) -> Intervention:
    vectors = [_vector(push, layer) for push in pushes]
    whole = torch.stack(vectors).sum(0)
    length = float(whole.norm())
    if length <= _CANCELLED * sum(float(one.norm()) for one in vectors):
        raise SettingError(f"the {len(pushes)} pushes at layer {layer} cancel each other, so nothing would be pushed")
    strength = length if pushes[0].scaling.normalizes else 1.0
    return replace(_at(pushes[0], [layer]), directions={layer: whole.float()}, strength=strength)


def _vector(push: Intervention, layer: int) -> Tensor:
    """What a push adds, in lengths of the state where its scale is relative to it."""
    direction, strength = push.scaling.aim(push.directions[layer].double(), push.strength)
    return direction.double() * strength
