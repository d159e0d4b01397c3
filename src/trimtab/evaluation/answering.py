"""Choice behaviors asked in words: every cell answers every prompt, and the answers are read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from trimtab.data import Shown
from trimtab.engines import Model, Reply, Request
from trimtab.evaluation.answers import can_stop, read_answer
from trimtab.evaluation.grid import Grid
from trimtab.evaluation.samples import UNSTEERED
from trimtab.evaluation.sweeping import Row
from trimtab.models import user_text
from trimtab.steering import Intervention, require_fit
from trimtab.vectors import SteeringVector

ANSWER_COLUMNS = (
    "model", "behavior", "engine", "layer", "layers", "depth", "scale", "strength", "positions", "split", "prompt_id",
    "order", "label", "weight", "reply", "finish", "read", "why", "matched",
)  # fmt: skip
"""A row for each reply: `read` is the label of the option it chose, "" where none can be read; `matched` is 1 where
that is the behavior's, 0 where it is the other, NaN where the reply is invalid; `why` says from what it was read, or
why it was not."""

ROWS_AT_ONCE = 200
"""Replies of one frame: what an interruption may lose."""


class AnswerKey(NamedTuple):
    """What a reply answers."""

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
) -> Iterator[pd.DataFrame]:
    """Ask every row in every cell, the unsteered one included, and stream the replies with what is read from them.

    Args:
        model: from `trimtab.load`.
        vectors: from `trimtab.extract`.
        rows: choice pairs as shown.
        grid: the cells.
        behavior: name for the table.
        max_new_tokens: of each reply; a reply ends earlier once its answer is settled.
        done: replies that are there already.

    Yields:
        Tables with the columns of `ANSWER_COLUMNS`, in the order in which replies are finished.
    """
    require_fit(vectors, model.backbone)
    cells: list[tuple[tuple[int, ...], float, Intervention | None]] = [((), 0.0, None)]
    cells += [(*cell, i) for cell, i in zip(grid.steered, grid.interventions(vectors), strict=True)]
    asked: list[tuple[Row, tuple[int, ...], float]] = []
    requests = []
    for row in rows:
        pair = row.shown.pair
        prompt = model.tokens(user_text(pair, "choice"))
        stop = partial(can_stop, options=pair.choices)
        for layers, strength, intervention in cells:
            if _key(row, layers, strength) not in done:
                asked.append((row, layers, strength))
                requests.append(Request(prompt, intervention, max_new_tokens, stop=stop))
    fixed = {
        "model": model.name, "behavior": behavior, "engine": model.engine.name,
        "scale": grid.scale, "positions": grid.positions,
    }  # fmt: skip
    found: list[dict[str, Any]] = []
    for index, reply in model.replies(requests):
        row, layers, strength = asked[index]
        found.append({**fixed, **_place(layers, strength, model.facts.layers), **_told(row, reply)})
        if len(found) == ROWS_AT_ONCE:
            yield _frame(found)
            found = []
    if found:
        yield _frame(found)


def answer_keys(replies: pd.DataFrame) -> set[AnswerKey]:
    """Which replies a table holds."""
    columns = (replies[name] for name in AnswerKey._fields)
    return {AnswerKey(s, p, int(o), layers, float(a)) for s, p, o, layers, a in zip(*columns, strict=True)}


def _key(row: Row, layers: tuple[int, ...], strength: float) -> AnswerKey:
    return AnswerKey(row.split, row.shown.pair.id, row.shown.order, _name(layers), strength)


def _name(layers: tuple[int, ...]) -> str:
    return "+".join(map(str, layers))


def _place(layers: tuple[int, ...], strength: float, n_layers: int) -> dict[str, Any]:
    first = layers[0] if layers else UNSTEERED
    return {"layer": first, "layers": _name(layers), "depth": (first + 1) / n_layers, "strength": strength}


def _told(row: Row, reply: Reply) -> dict[str, Any]:
    shown: Shown = row.shown
    pair = shown.pair
    reading = read_answer(reply.text, pair.choices)
    option = reading.option
    return {
        "split": row.split,
        "prompt_id": pair.id,
        "order": shown.order,
        "label": pair.label,
        "weight": shown.weight,
        "reply": reply.text,
        "finish": reply.finish,
        "read": "" if option is None else _labels(shown)[option],
        "why": reading.why,
        "matched": np.nan if option is None else float(pair.choices[option] == pair.positive),
    }


def _labels(shown: Shown) -> Sequence[str]:
    return "AB" if shown.pair.listed else shown.pair.choices


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(ANSWER_COLUMNS)).astype({"layer": "int32", "order": "int8"})
    return table
