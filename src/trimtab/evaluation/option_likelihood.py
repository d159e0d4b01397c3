"""Reading answers by likelihood: which option a reply makes more likely, under the unsteered model.

An option's score is how much more likely its text becomes as the answer once the reply stands before it,

    log p(option | question, reply, "So the answer is:") − log p(option | question, "So the answer is:"),

so that short and common options have no advantage (domain-conditional PMI, Holtzman et al. 2021). No letters take
part. The margin is the score of the best option minus that of the next.

A small model's margins say little, so each model must show first that it reads replies well: on `labelled_replies`,
which were labelled by hand, which the rules cannot read, and almost half of which answer nothing. Only margins at which
it is right in 99 of 100 of them count; a model without such margins reads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from trimtab.data import Pair
from trimtab.engines import Model
from trimtab.errors import DataError
from trimtab.inputs.bounded_files import MIB, FileKind, read_text
from trimtab.inputs.json_text import parse_json
from trimtab.models import Text

MIN_PRECISION = 0.99
MIN_READINGS = 20
"""Fewer right readings show nothing."""
_CUE = "\n\nSo the answer is:"


class OptionMargin(NamedTuple):
    """The option that a reply makes likeliest, and by how much, in nats."""

    option: int
    margin: float


_REPLIES = FileKind("file of labelled replies", MIB, DataError)


class LabelledReply(NamedTuple):
    """A reply to a choice question with the option that it chooses; None where it chooses none."""

    pair: Pair
    reply: str
    answer: int | None


@cache
def labelled_replies() -> tuple[LabelledReply, ...]:
    """Replies labelled by hand that no rule reads: options in other words, and replies that answer nothing."""
    with as_file(files("trimtab.evaluation.option_reading") / "labelled_replies.jsonl") as path:
        rows = [parse_json(line) for line in read_text(path, _REPLIES).splitlines()]
    return tuple(
        LabelledReply(
            Pair(
                f"labelled-{n:03}", row["prompt"], row["options"][0], row["options"][1], choices=tuple(row["options"])
            ),
            row["reply"],
            row["answer"],
        )
        for n, row in enumerate(rows)
    )


def option_margins(model: Model, asked: Sequence[tuple[Pair, str]]) -> list[OptionMargin]:
    """The option that each reply makes likeliest under the unsteered model.

    Texts of one reply share their beginning. With R replies to Q questions of two options, 2·R + 2·Q short texts are
    scored.

    Args:
        model: from `trimtab.load`, not being steered.
        asked: choice pairs as shown, and a reply to each.
    """
    tokenizer = model.backbone.tokenizer
    prompts = {pair.id: model.prompt_tokens(pair, "text") for pair, _ in asked}
    # Once for each question: without a reply.
    wanted = dict.fromkeys((pair.id, reply, o) for pair, given in asked for reply in (given, "") for o in pair.choices)
    texts = []
    for question, reply, option in wanted:
        opening = (*prompts[question], *_tokens(tokenizer, reply + _CUE))
        texts.append(Text((*opening, *_tokens(tokenizer, f" {option}")), len(opening)))
    log_probs = dict(zip(wanted, _totals(model, texts), strict=True))
    found = []
    for pair, reply in asked:
        scores = [log_probs[pair.id, reply, option] - log_probs[pair.id, "", option] for option in pair.choices]
        best, second = np.argsort(scores)[::-1][:2]
        found.append(OptionMargin(int(best), float(scores[best] - scores[second])))
    return found


def calibration(model: Model) -> pd.DataFrame:
    """How a model reads `labelled_replies`: a row for each, with reply, answer, option and margin.

    Returns:
        `reply`; `answer`, the letter of the option that it chooses, "" where it chooses none; `read`, the letter of the
        option that it makes likeliest; `margin` in nats.
    """
    replies = labelled_replies()
    margins = option_margins(model, [(labelled.pair, labelled.reply) for labelled in replies])
    rows = [
        (labelled.reply, "" if labelled.answer is None else "AB"[labelled.answer], "AB"[found.option], found.margin)
        for labelled, found in zip(replies, margins, strict=True)
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=["reply", "answer", "read", "margin"])
    return table


def least_margin(calibrated: pd.DataFrame) -> float:
    """The smallest margin from which on a model's readings are precise enough; infinite where none are.

    Args:
        calibrated: from `calibration`.
    """
    ordered = calibrated.sort_values("margin", ascending=False, kind="stable")
    right = (ordered["answer"] == ordered["read"]).to_numpy()
    read = np.arange(1, len(right) + 1)
    enough = (right.cumsum() >= MIN_PRECISION * read) & (read >= MIN_READINGS)
    return float(ordered["margin"].iloc[np.flatnonzero(enough)[-1]]) if enough.any() else float("inf")


def _tokens(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def _totals(model: Model, texts: Sequence[Text]) -> list[float]:
    """Log-probability of each text behind its prompt, in nats."""
    totals = [0.0] * len(texts)
    for batch in model.score_texts(texts):
        for place, mean in zip(batch.indices, batch.log_prob[0].tolist(), strict=True):
            totals[place] = mean * (len(texts[place].tokens) - texts[place].prompt_length)
    return totals
