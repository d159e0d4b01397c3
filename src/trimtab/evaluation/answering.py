"""Answers to choice pairs: generated at every cell and prompt, and parsed."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from trimtab._util.callbacks import Progress
from trimtab.data import Pair, Presentation
from trimtab.engines import Model, Reply, Request
from trimtab.evaluation.grid import Grid
from trimtab.evaluation.option_likelihood import option_margins
from trimtab.evaluation.option_reading import can_stop, read_answer
from trimtab.evaluation.sweeping import Row
from trimtab.steering import UNSTEERED, Cell, Intervention, require_fit
from trimtab.vectors import SteeringVector

ANSWER_COLUMNS = (
    "model", "behavior", "engine", "layer", "layers", "depth", "scale", "strength", "positions", "split", "prompt_id",
    "order", "label", "weight", "reply", "finish", "read", "why", "matched",
)  # fmt: skip
"""A row for each reply: `read` is the label of the option it chose, "" where none can be read; `matched` is 1 where
that is the behavior's, 0 where it is the other, NaN where the reply is invalid; `why` is the kind of evidence for the
option (`letter`, `text`, `yes/no`, `wording`, `elimination`, `likelihood`), or why none can be read (`refusal`,
`ambiguous`, `absent`, `empty`, `unfinished thinking`)."""

ROWS_PER_FRAME = 200
"""Replies of one frame; an interruption loses at most these."""


class AnswerKey(NamedTuple):
    """Identifies a reply: its prompt, option order and cell."""

    split: str
    prompt_id: str
    order: int
    layers: str
    strength: float


def answer_batches(
    model: Model,
    vectors: SteeringVector,
    rows: Sequence[Row],
    grid: Grid,
    behavior: str,
    *,
    max_new_tokens: int = 32,
    done: Collection[AnswerKey] = (),
    progress: Progress | None = None,
    min_margin: float = math.inf,
) -> Iterator[pd.DataFrame]:
    """Generate a reply to every row in every cell, the unsteered one included, and stream them with the parsed options.

    Args:
        model: From `trimtab.load`.
        vectors: From `trimtab.extract`.
        rows: Choice pairs as shown.
        grid: The cells.
        behavior: Name for the table.
        max_new_tokens: Of each reply; a reply ends earlier once its answer is decided.
        done: Replies that exist already.
        progress: Called with (replies written, replies in all) while the others are written.
        min_margin: Where the rules find no answer, nor that there is none, the option that the reply makes likeliest
            under the unsteered model is read, if the next one is behind by this many nats; see
            `trimtab.evaluation.option_likelihood`. By default none is.

    Yields:
        Tables with the columns of `ANSWER_COLUMNS`, in the order in which replies are finished.
    """
    vectors = require_fit(vectors, model.backbone)
    cells: list[tuple[Cell, Intervention | None]] = [(UNSTEERED, None)]
    cells += zip(grid.steered, grid.interventions(vectors), strict=True)
    asked: list[tuple[Row, Cell]] = []
    requests = []
    for row in rows:
        pair = row.shown.pair
        prompt = model.prompt_tokens(pair, "choice")
        stop = partial(can_stop, options=pair.choices, prompt=_question(pair))
        for cell, intervention in cells:
            if _key(row, cell) not in done:
                asked.append((row, cell))
                requests.append(Request(prompt, intervention, max_new_tokens, stop=stop))
    fixed = {
        "model": model.name, "behavior": behavior, "engine": model.engine.name,
        "scale": grid.scale, "positions": grid.positions,
    }  # fmt: skip
    found: list[tuple[Row, dict[str, Any]]] = []
    for index, reply in model.replies(requests, progress=progress):
        row, cell = asked[index]
        found.append((row, {**fixed, **cell.columns(model.facts.layers), **_parsed(row, reply)}))
        if len(found) == ROWS_PER_FRAME:
            yield _frame(model, found, min_margin)
            found = []
    if found:
        yield _frame(model, found, min_margin)


def answer_keys(replies: pd.DataFrame) -> set[AnswerKey]:
    """Keys of the replies in a table."""
    columns = (replies[name] for name in AnswerKey._fields)
    return {AnswerKey(s, p, int(o), layers, float(a)) for s, p, o, layers, a in zip(*columns, strict=True)}


def _key(row: Row, cell: Cell) -> AnswerKey:
    return AnswerKey(row.split, row.shown.pair.id, row.shown.order, cell.layers_label, cell.strength)


def _parsed(row: Row, reply: Reply) -> dict[str, Any]:
    shown: Presentation = row.shown
    pair = shown.pair
    reading = read_answer(reply.text, pair.choices, prompt=_question(pair))
    return {
        "split": row.split,
        "prompt_id": pair.id,
        "order": shown.order,
        "label": pair.label,
        "weight": shown.weight,
        "reply": reply.text,
        "finish": reply.finish,
        **_as_read(shown, reading.option, reading.reason),
    }


def _as_read(shown: Presentation, option: int | None, why: str) -> dict[str, Any]:
    pair = shown.pair
    return {
        "read": "" if option is None else ("AB" if pair.listed else pair.choices)[option],
        "why": why,
        "matched": np.nan if option is None else float(pair.choices[option] == pair.positive),
    }


def _question(pair: Pair) -> str:
    """What is asked last."""
    return pair.prompt if isinstance(pair.prompt, str) else pair.prompt[-1]["content"]


def _frame(model: Model, found: Sequence[tuple[Row, dict[str, Any]]], min_margin: float) -> pd.DataFrame:
    """The replies as a table, those without an answer read by likelihood if the model reads well enough."""
    if math.isfinite(min_margin):
        unread = [(row, values) for row, values in found if values["why"] == "absent"]
        margins = option_margins(model, [(row.shown.pair, values["reply"]) for row, values in unread])
        for (row, values), (option, margin) in zip(unread, margins, strict=True):
            if margin >= min_margin:
                values.update(_as_read(row.shown, option, "likelihood"))
    frame = pd.DataFrame([values for _, values in found], columns=list(ANSWER_COLUMNS))
    table: pd.DataFrame = frame.astype({"layer": "int32", "order": "int8"})
    return table
