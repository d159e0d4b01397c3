"""States of the newest tokens, shown to the watches of the texts that are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from torch import Tensor

from trimtab.engines.requests import Writing
from trimtab.engines.transformers._forward import watched
from trimtab.engines.transformers.packing.batches import Batch
from trimtab.models import Backbone

Result = TypeVar("Result")
Steering = AbstractContextManager[None]


def run_watched(
    backbone: Backbone, batch: Batch, writings: Sequence[Writing], steering: Steering, run: Callable[[Steering], Result]
) -> Result:
    """Run a pass, and show each text that has a watch the states of its newest token.

    Args:
        backbone: the model.
        batch: with a row for each text, read at its newest token.
        writings: the texts.
        steering: of the pass.
        run: makes the pass, under the steering that it is given.
    """
    watches = [writing.request.watch for writing in writings if not writing.ended]
    layers = {layer for watch in watches if watch is not None for layer in watch.layers}
    if not layers:
        return run(steering)
    found: dict[int, Tensor] = {}
    result = run(watched(backbone, batch, layers, steering, found))
    for row, writing in enumerate(writings):
        writing.look({layer: states[row] for layer, states in found.items()})
    return result
