"""Cells to sweep, and a sweep's stream gathered into one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tiny import random_directions
from trimtab.engines import Scoring, TransformersEngine
from trimtab.models import Backbone, EncodedPair
from trimtab.steering import Intervention, Positions

TOLERANCE = 1e-4
"""Absolute, on logits of order 1 to 10 in float32."""


def make_cells(backbone: Backbone, positions: Positions = "all", **options: Any) -> list[Intervention]:
    """Every scale, both signs; the first and the last layer, one in between, several at once; not in layer order."""
    directions = random_directions(backbone)
    last = backbone.facts.layers - 1
    cells = []
    for layers in ([last], [0], [1, last], [0, 1, 2], [2]):
        chosen = {layer: directions[layer] for layer in layers}
        cells.append(Intervention(chosen, -0.7, "raw", positions, **options))
        cells.append(Intervention(chosen, 0.4, "relative", positions, **options))
    middle = {1: directions[1]}
    cells.append(Intervention(middle, 0.6, "rotate", positions, **options))
    cells.append(Intervention(middle, 1.0, "project_out", positions, **options))
    cells.append(Intervention(middle, -1.5, "clamp", positions, **options))
    other = Intervention({1: -directions[0], 3: directions[2]}, 0.5, "relative", positions, **options)
    cells.append(cells[0].and_also(other))
    return cells


def swept(
    engine: TransformersEngine, pairs: Sequence[EncodedPair], cells: Sequence[Intervention], scoring: Scoring
) -> Tensor:
    """[1 + cells, pairs], each pair scored exactly once."""
    table = torch.full((1 + len(cells), len(pairs)), torch.nan)
    for scored in engine.sweep(pairs, cells, scoring):
        assert bool(table[:, scored.indices].isnan().all()), "a pair was scored twice"
        table[:, scored.indices] = scored.scores
    assert not bool(table.isnan().any())
    return table


def hooked(
    engine: TransformersEngine, pairs: Sequence[EncodedPair], cells: Sequence[Intervention], scoring: Scoring
) -> Tensor:
    """The same table by hooks, one forward for every row."""
    return torch.stack([engine.score_choices(pairs, [cell] * len(pairs), scoring) for cell in (None, *cells)])


def padded(backbone: Backbone) -> TransformersEngine:
    """An engine that runs plain padded rows, whatever the model allows."""
    engine = TransformersEngine(backbone)
    engine.__dict__["shares_beginnings"] = False
    return engine


def with_budget(backbone: Backbone, **limits: int) -> TransformersEngine:
    engine = TransformersEngine(backbone)
    engine.budget = replace(engine.budget, **limits)
    return engine
