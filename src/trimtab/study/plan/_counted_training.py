"""Counting a training: passes, tokens and memory of its steps, from the way in which they are divided."""

from __future__ import annotations

from typing import NamedTuple

from trimtab.data import Presentation
from trimtab.engines.queries import item_query
from trimtab.engines.transformers.packing.schedule import own_tokens
from trimtab.engines.transformers.training.gradient_passes import NUMBERS_SAVED
from trimtab.models import EncodedPair
from trimtab.study.measures.work import TrainVectors
from trimtab.study.plan._targets import Target
from trimtab.vectors.training import divide, training_item

_FORWARD_AND_BACKWARD = 2
"""Passes that a step is worth: by states the backward one costs what the forward one does, and weights have none."""


class CountedTraining(NamedTuple):
    """A training if no layer stops early."""

    rows: int
    passes: int
    """Steps, and looks at the pairs that are held back."""
    tokens: int
    """Tokens through the whole model; the rows of a layer's vector go through the layers above it only."""
    naive_tokens: int
    """Of a loop that trains one layer after the other, every row alone and whole."""
    held_bytes: int


def count_training(
    work: TrainVectors, presented: list[Presentation], pairs: list[EncodedPair], seed: int, target: Target
) -> CountedTraining:
    """Count the steps of a training.

    Args:
        work: the training.
        presented: its pairs as presented.
        pairs: the same as tokens.
        seed: of the study.
        target: the model and what it runs on.
    """
    settings, facts = work.settings, target.facts
    choice = work.scoring == "choice"
    queries = [item_query(training_item(pair, work.method, "choice" if choice else "text")) for pair in pairs]
    rows = divide(presented, settings.held_back, settings.batch_size, seed)
    shared, whole = ([cost(query) for query in queries] for cost in (lambda q: own_tokens(q, 0), lambda q: q.tokens))
    fitted = [row for batch in rows.batches for row in batch]
    looks = -(-settings.steps // settings.check_every) if rows.held_back else 0
    turns = settings.steps / len(rows.batches)

    def through(costs: list[int]) -> float:
        """Tokens of all steps and looks, forward and backward."""
        steps = turns * sum(costs[row] for row in fitted) * _FORWARD_AND_BACKWARD
        return steps + looks * sum(costs[row] for row in rows.held_back)

    pushes = len(work.method.pushes(settings, 1.0))
    climbed = pushes * sum(facts.layers - 1 - layer for layer in work.layers) / facts.layers
    largest = max(sum(shared[row] for row in batch) for batch in rows.batches)
    one = pushes * largest * NUMBERS_SAVED * facts.width * target.dtype.itemsize
    every = one * sum(facts.layers - 1 - layer for layer in work.layers)
    states = sum(shared) * len(work.layers) * facts.width * target.dtype.itemsize
    room = target.budget.cache_bytes
    return CountedTraining(
        rows=len(queries),
        passes=settings.steps + looks,
        tokens=round(sum(shared) + through(shared) * climbed),
        naive_tokens=round(through(whole) * pushes * len(work.layers)),
        held_bytes=round(min(every, room) + min(states, room)),
    )
