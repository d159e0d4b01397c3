"""Replies under an arm, with the measures that need no judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pandas as pd

from trimtab.analysis import REPLIES
from trimtab.data import Pair
from trimtab.engines import Model, Request
from trimtab.evaluation.baselines.arms import Arm
from trimtab.evaluation.replies import prompt_text
from trimtab.evaluation.reply_measures import ReplyReferences, measure, nats_of_replies
from trimtab.steering import UNSTEERED


def arm_replies(
    model: Model,
    arm: Arm,
    prompts: Sequence[Pair],
    references: ReplyReferences,
    *,
    behavior: str,
    max_new_tokens: int,
    at_rest: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> pd.DataFrame:
    """Greedy replies to prompts under one arm: the columns `REPLIES` and `arm`, `kind`, `side`, `at`, `wording`.

    The prompt of a row is the user's own, without what the arm adds, and behind that prompt the plain model reads the
    reply: what is likely only because of a system prompt is not taken for fluent.

    Args:
        model: from `trimtab.load`.
        arm: what is done.
        prompts: of the part `test`.
        references: from `reply_references` of these prompts.
        behavior: name for the table.
        max_new_tokens: of each reply.
        at_rest: makes a context within which the model is the plain one, where it has an adapter.

    Raises:
        PromptError: when the model's template refuses what the arm asks.
    """
    push = None if arm.push is None else arm.push.intervention(model)
    requests = [Request(model.prompt_tokens(arm.asked_one(pair), "text"), push, max_new_tokens) for pair in prompts]
    found = dict(model.replies(requests))
    replies = [found[index] for index in range(len(prompts))]
    plain = [model.prompt_tokens(pair, "text") for pair in prompts]
    read = [(prompt, reply.tokens) for prompt, reply in zip(plain, replies, strict=True)]
    others = [references.others["test", pair.id] for pair in prompts]
    with at_rest():
        own, elsewhere = nats_of_replies(model, read, others)
    cell = UNSTEERED if arm.push is None else arm.push.cell
    scale, positions = ("raw", "all") if arm.push is None else (arm.push.grid.scale, arm.push.grid.positions)
    rows = [
        {
            "model": model.name, "behavior": behavior, "engine": model.engine.name,
            **cell.columns(model.facts.layers), "scale": scale, "positions": positions, "split": "test",
            "prompt_id": pair.id, "prompt": prompt_text(pair), "reply": reply.text, "finish": reply.finish,
            "tokens": len(reply.tokens), "nll": likely, **vars(measure(reply.text)),
            "nll_ordinary": references.ordinary, "nll_other": other, **arm.labels,
        }
        for pair, reply, likely, other in zip(prompts, replies, own, elsewhere, strict=True)
    ]  # fmt: skip
    columns = [*REPLIES, *arm.labels]
    table: pd.DataFrame = pd.DataFrame(rows, columns=columns).astype({"layer": "int32", "words": "int32"})
    return table
