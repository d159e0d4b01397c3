"""Cells to sweep, and a sweep's stream gathered into one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tiny import random_directions
from trimtab.engines import Scoring, TransformersEngine
from trimtab.engines.queries import read_scores, score_query
from trimtab.engines.transformers.probing.exactness import Mode
from trimtab.models import Backbone, EncodedPair
from trimtab.steering import Intervention, Positions

PLAIN_ROWS = 8
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
    # Bounds that some tokens are beyond and others within.
    cells.append(Intervention(middle, 0.05, "cap", positions, **options))
    cells.append(Intervention(middle, 0.2, "floor", positions, **options))
    mean = {"negative_mean": {1: random_directions(backbone, seed=3)[1]}}
    cells.append(Intervention(middle, 0.5, "affine", positions, statistics=mean, **options))
    noise = random_directions(backbone, seed=4)
    affine_map = {"transport_slope": {1: 1 + 0.3 * noise[0]}, "transport_offset": {1: noise[1]}}
    cells.append(Intervention(middle, 0.6, "transport", positions, statistics=affine_map, **options))
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
    return torch.stack([score_rows(engine, pairs, [cell] * len(pairs), scoring) for cell in (None, *cells)])


@torch.no_grad()
def score_rows(
    engine: TransformersEngine,
    pairs: Sequence[EncodedPair],
    interventions: Sequence[Intervention | None],
    scoring: Scoring,
) -> Tensor:
    """One score a pair [pairs], each under its own intervention, by hooks on plain padded rows.

    The slow, obvious way that the sweep is tested against.
    """
    scores = [torch.zeros(0)]
    for start in range(0, len(pairs), PLAIN_ROWS):
        some, cells = pairs[start : start + PLAIN_ROWS], interventions[start : start + PLAIN_ROWS]
        states = engine.plain_states([score_query(pair, scoring) for pair in some], cells)
        scores.append(read_scores(engine.backbone, some, states[None], scoring)[0])
    return torch.cat(scores)


def padded(backbone: Backbone) -> TransformersEngine:
    """An engine that runs plain padded rows, whatever the model allows."""
    return TransformersEngine(backbone, fastest="padded")


def mode_of(engine: TransformersEngine, pairs: Sequence[EncodedPair]) -> Mode:
    """How an engine runs some pairs."""
    return engine.mode([score_query(pair, "text") for pair in pairs])


def with_budget(backbone: Backbone, **limits: Any) -> TransformersEngine:
    engine = TransformersEngine(backbone)
    engine.budget = replace(engine.budget, **limits)
    return engine
