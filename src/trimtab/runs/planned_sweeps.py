"""What scoring pairs in the cells of a grid would take, from the engine's own way of dividing the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.data import Shown
from trimtab.engines import Scoring
from trimtab.engines.queries import score_query
from trimtab.engines.schedule import marks_for, moved_tokens, own_tokens, schedule
from trimtab.evaluation import Grid, form_of
from trimtab.models import EncodedPair, encode_pair
from trimtab.runs.targets import Target


@dataclass(frozen=True)
class PlannedSweep:
    """Pairs scored in every cell, counted."""

    rows: int
    cells: int
    """Steered ones."""
    passes: int
    """Or requests, where each cell of each row is one."""
    tokens: int
    """Through the whole model: a step of the staircase counts its own layers only."""
    naive_tokens: int
    """The same for a loop that runs every cell of every row on its own."""
    kept_tokens: int
    """Tokens whose keys and values are kept for the whole sweep."""


def plan_sweep(shown: Sequence[Shown], scoring: Scoring, grid: Grid, target: Target, vectors: int = 1) -> PlannedSweep:
    """Count a sweep.

    Args:
        shown: the rows.
        scoring: how they are scored.
        grid: the cells.
        target: the model and what it runs on.
        vectors: how many vectors are swept side by side over the same cells.
    """
    cells = vectors * len(grid.steered)
    if not shown:
        return PlannedSweep(0, 0, 0, 0, 0, 0)
    queries = [score_query(pair, scoring) for pair in encoded(target, shown, scoring)]
    naive = sum(q.tokens for q in queries) * (1 + cells)
    if target.by_requests:
        requests = sum(len(q.sequences) for q in queries) * (1 + cells)
        return PlannedSweep(len(queries), cells, requests, naive, naive, kept_tokens=0)
    marks = marks_for(grid.positions, grid.first_token)
    planned = schedule(queries, cells, marks, target.budget, share=True)
    climbed = vectors * target.passes_of(layers for layers, _ in grid.steered)
    head = len(planned.head)
    swept = head * (1 + climbed)
    swept += sum(own_tokens(q, head) + moved_tokens(q, head, marks) * climbed for q in queries)
    return PlannedSweep(
        rows=len(queries),
        cells=cells,
        passes=len(planned.batches) * len(planned.groups),
        tokens=int(swept),
        naive_tokens=naive,
        kept_tokens=int(head * (1 + climbed)),
    )


def encoded(target: Target, shown: Sequence[Shown], scoring: Scoring) -> list[EncodedPair]:
    """Rows as tokens."""
    return [encode_pair(target.reached.tokenizer, s.pair, form_of(scoring)) for s in shown]
