"""What the model says to open prompts in each cell, with what can be measured of it at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from trimtab.analysis import REPLIES
from trimtab.data import Pair
from trimtab.engines import Model, Reply, Request, Text
from trimtab.evaluation.grid import Cell, Grid
from trimtab.evaluation.reply_measures import measure
from trimtab.evaluation.samples import UNSTEERED
from trimtab.models import user_text
from trimtab.steering import require_fit
from trimtab.vectors import SteeringVector

REPLIES_AT_ONCE = 64
"""Replies of one frame: what an interruption may lose."""
PLAIN: Cell = ((), 0.0)
"""The unsteered cell."""


class ReplyKey(NamedTuple):
    """What a reply answers."""

    split: str
    prompt_id: str
    layers: str
    strength: float


@dataclass(frozen=True)
class Ask:
    """One prompt in one cell."""

    split: str
    pair: Pair
    cell: Cell = PLAIN

    @property
    def key(self) -> ReplyKey:
        """What tells its reply from others."""
        layers, strength = self.cell
        return ReplyKey(self.split, self.pair.id, "+".join(map(str, layers)), strength)


def reply_batches(
    model: Model, vectors: SteeringVector, grid: Grid, asks: Sequence[Ask], behavior: str, *, max_new_tokens: int
) -> Iterator[pd.DataFrame]:
    """Write greedy replies side by side and stream them with their measures, in the order in which they are finished.

    Args:
        model: from `trimtab.load`.
        vectors: from `trimtab.extract`.
        grid: what strengths mean, and where is pushed; cells outside of it may be asked for.
        asks: which prompts in which cells.
        behavior: name for the table.
        max_new_tokens: of each reply.

    Yields:
        Tables with the columns of `trimtab.analysis.REPLIES`.
    """
    require_fit(vectors, model.backbone)
    cells = {cell: None if cell == PLAIN else grid.at(vectors, cell) for cell in dict.fromkeys(a.cell for a in asks)}
    prompts = {ask.pair.id: model.tokens(user_text(ask.pair, "text")) for ask in asks}
    requests = [Request(prompts[ask.pair.id], cells[ask.cell], max_new_tokens) for ask in asks]
    fixed = {
        "model": model.name, "behavior": behavior, "engine": model.engine.name,
        "scale": grid.scale, "positions": grid.positions,
    }  # fmt: skip
    finished: list[tuple[Ask, Request, Reply]] = []
    for index, reply in model.replies(requests):
        finished.append((asks[index], requests[index], reply))
        if len(finished) == REPLIES_AT_ONCE:
            yield _frame(model, fixed, finished)
            finished = []
    if finished:
        yield _frame(model, fixed, finished)


def reply_keys(replies: pd.DataFrame) -> set[ReplyKey]:
    """Which replies, or judgements, a table holds."""
    columns = (replies[name] for name in ReplyKey._fields)
    return {ReplyKey(s, p, layers, float(a)) for s, p, layers, a in zip(*columns, strict=True)}


def prompt_text(pair: Pair) -> str:
    """What the user asks, a conversation as text."""
    if isinstance(pair.prompt, str):
        return pair.prompt
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in pair.prompt)


def _frame(model: Model, fixed: dict[str, Any], finished: Sequence[tuple[Ask, Request, Reply]]) -> pd.DataFrame:
    surprises = _nats_per_token(model, [(request.prompt, reply.tokens) for _, request, reply in finished])
    rows = []
    for (ask, _, reply), nats in zip(finished, surprises, strict=True):
        layers, strength = ask.cell
        first = layers[0] if layers else UNSTEERED
        measures = measure(reply.text)
        rows.append(
            {
                **fixed, "layer": first, "layers": ask.key.layers, "depth": (first + 1) / model.facts.layers,
                "strength": strength, "split": ask.split, "prompt_id": ask.pair.id, "prompt": prompt_text(ask.pair),
                "reply": reply.text, "finish": reply.finish, "tokens": len(reply.tokens), "nll": nats,
                **vars(measures),
            }
        )  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(REPLIES)).astype({"layer": "int32", "words": "int32"})
    return table


def _nats_per_token(model: Model, replies: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[float]:
    """How surprising each reply is to the unsteered model: mean −log p of its tokens; NaN for an empty one."""
    found = [math.nan] * len(replies)
    spoken = [i for i, (_, tokens) in enumerate(replies) if tokens]
    texts = [Text((*replies[i][0], *replies[i][1]), len(replies[i][0])) for i in spoken]
    for followed in model.follow(texts):
        for place, value in zip(followed.indices, followed.log_prob[0].tolist(), strict=True):
            found[spoken[place]] = -value
    return found
