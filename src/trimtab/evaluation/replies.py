"""Replies to open prompts in each cell, with the measures that need no judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from trimtab._util.callbacks import Progress
from trimtab.analysis import REPLIES, WRITTEN_REPLIES
from trimtab.data import Pair
from trimtab.engines import Model, Reply, Request
from trimtab.engines.requests import Prompt
from trimtab.evaluation.grid import Grid
from trimtab.evaluation.reply_measures import ReplyReferences, measure, nats_of_replies
from trimtab.steering import UNSTEERED, Cell, require_fit
from trimtab.vectors import SteeringVector

REPLIES_PER_FRAME = 64
"""Replies of one frame; an interruption loses at most these."""


class ReplyKey(NamedTuple):
    """Identifies a reply: its prompt and cell."""

    split: str
    prompt_id: str
    layers: str
    strength: float


@dataclass(frozen=True)
class ReplyTask:
    """One prompt in one cell."""

    split: str
    pair: Pair
    cell: Cell = UNSTEERED

    @property
    def key(self) -> ReplyKey:
        """What tells its reply from others."""
        return ReplyKey(self.split, self.pair.id, self.cell.layers_label, self.cell.strength)


def reply_batches(
    model: Model,
    vectors: SteeringVector,
    grid: Grid,
    tasks: Sequence[ReplyTask],
    behavior: str,
    *,
    max_new_tokens: int,
    progress: Progress | None = None,
    references: ReplyReferences | None = None,
) -> Iterator[pd.DataFrame]:
    """Generate greedy replies in batches and stream them with their measures, in the order in which they are finished.

    Args:
        model: From `trimtab.load`.
        vectors: From `trimtab.extract`.
        grid: Scale, positions and the other steering options; cells outside of it are allowed.
        tasks: Prompts with their cells.
        behavior: Name for the table.
        max_new_tokens: Of each reply.
        progress: Called with (replies written, replies in all) while they are written.
        references: What the replies are read beside, from `reply_references`. Without, they are read behind their own
            prompts only.

    Yields:
        Tables with the columns of `trimtab.analysis.REPLIES`; without references `WRITTEN_REPLIES`.
    """
    vectors = require_fit(vectors, model.backbone)
    cells = {
        cell: None if cell == UNSTEERED else grid.intervention(vectors, cell)
        for cell in dict.fromkeys(task.cell for task in tasks)
    }
    prompts = {task.pair.id: model.prompt_tokens(task.pair, "text") for task in tasks}
    requests = [Request(prompts[task.pair.id], cells[task.cell], max_new_tokens) for task in tasks]
    fixed = {
        "model": model.name, "behavior": behavior, "engine": model.engine.name,
        "scale": grid.scale, "positions": grid.positions,
    }  # fmt: skip
    finished: list[tuple[ReplyTask, Request, Reply]] = []
    for index, reply in model.replies(requests, progress=progress):
        finished.append((tasks[index], requests[index], reply))
        if len(finished) == REPLIES_PER_FRAME:
            yield _frame(model, fixed, finished, references)
            finished = []
    if finished:
        yield _frame(model, fixed, finished, references)


def reply_keys(replies: pd.DataFrame) -> set[ReplyKey]:
    """Keys of the replies, or judgements, in a table."""
    columns = (replies[name] for name in ReplyKey._fields)
    return {ReplyKey(s, p, layers, float(a)) for s, p, layers, a in zip(*columns, strict=True)}


def prompt_pairs(prompts: Sequence[str]) -> list[Pair]:
    """Neutral prompts as pairs without completions."""
    return [Pair(f"neutral-{number}", prompt, "", "") for number, prompt in enumerate(prompts)]


def prompt_text(pair: Pair) -> str:
    """The prompt of a pair; a conversation as text."""
    return conversation_text(pair.prompt)


def conversation_text(prompt: Prompt) -> str:
    """A conversation as text, for judges; a single message as it is."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in prompt)


def _frame(
    model: Model,
    fixed: dict[str, Any],
    finished: Sequence[tuple[ReplyTask, Request, Reply]],
    references: ReplyReferences | None,
) -> pd.DataFrame:
    others = [references.others[task.split, task.pair.id] if references else () for task, _, _ in finished]
    read = [(request.prompt, reply.tokens) for _, request, reply in finished]
    rows = []
    for (task, _, reply), own, elsewhere in zip(finished, *nats_of_replies(model, read, others), strict=True):
        measures = measure(reply.text)
        beside = {"nll_ordinary": references.ordinary, "nll_other": elsewhere} if references else {}
        rows.append(
            {
                **fixed, **task.cell.columns(model.facts.layers), "split": task.split,
                "prompt_id": task.pair.id, "prompt": prompt_text(task.pair),
                "reply": reply.text, "finish": reply.finish, "tokens": len(reply.tokens), "nll": own,
                **vars(measures), **beside,
            }
        )  # fmt: skip
    columns = list(REPLIES if references else WRITTEN_REPLIES)
    table: pd.DataFrame = pd.DataFrame(rows, columns=columns).astype({"layer": "int32", "words": "int32"})
    return table
