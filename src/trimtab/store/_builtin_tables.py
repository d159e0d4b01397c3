"""The tables that trimtab itself writes into a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

from trimtab.analysis import RATES
from trimtab.analysis.baselines.arm_names import ArmKind
from trimtab.analysis.diagnosis.curve import CURVE
from trimtab.analysis.diagnosis.heuristics import HEURISTICS
from trimtab.analysis.diagnosis.lists import SURFACE
from trimtab.analysis.diagnosis.quality import QUALITY
from trimtab.analysis.imported import ITEMS
from trimtab.store._table_columns import COLUMNS, Schema, count, measured, schema, text


@dataclass(frozen=True)
class Table:
    """One kind of table."""

    schema: Schema
    row: str
    """What one row is, in words."""
    key: tuple[str, ...] = ()
    """Columns that no two rows may agree in; no such check if empty."""
    grows: bool = False
    """Whether it is written part by part, in a folder of its name."""


_OWNER = ("model", "behavior")
_CELL = (*_OWNER, "engine", "layer", "layers", "depth", "scale", "strength", "positions")
_SETTING = (*_OWNER, "engine", "layers", "scale", "strength", "positions")
_SAMPLES = (*_CELL, "scoring", "split", "prompt_id", "order", "label", "weight", "score")
_SCORE = (*_SETTING, "scoring", "split", "prompt_id", "order")
_PLAIN_REPLIES = (
    *_CELL, "split", "prompt_id", "prompt", "reply", "finish", "tokens", "nll", "words", "distinct", "repeat",
    "refusal",
)  # fmt: skip
_REPLIES = (*_PLAIN_REPLIES, "nll_ordinary", "nll_other")
_ANSWERS = (*_CELL, "split", "prompt_id", "order", "label", "weight", "reply", "finish", "read", "why", "matched")
_JUDGEMENTS = (*_SETTING, "split", "prompt_id", "judge", "score", "change", "coherence", "failure")
_VERDICTS = {
    "score": measured("how much of the behavior the reply shows", "points", 0, 10),
    "change": measured("the behavior in the reply against the unsteered reply", "points", -10, 10),
    "coherence": measured("coherence of the reply", "points", 0, 10),
}
_ARM = ("arm", "kind", "side", "at", "wording")
_ARM_COLUMNS = {
    "kind": text("kind of arm", words=get_args(ArmKind)),
    "side": text("toward the behavior or away from it; plain for the plain model", words=("for", "against", "plain")),
}
_LAYER = replace(COLUMNS["layer"], meaning="layer that the vector is read at")

BUILTIN_TABLES: Mapping[str, Table] = {
    "samples": Table(schema(_SAMPLES), "one score: a prompt in one option order, in one cell", grows=True),
    "answers": Table(
        schema(_ANSWERS), "one answer to a choice question in a cell", (*_SETTING, "split", "prompt_id", "order"), True
    ),
    "answers/calibration": Table(
        schema(
            (*_OWNER, "reply", "answer", "read", "margin"),
            read=text("letter of the option that the reply makes likeliest"),
        ),
        "one reply labelled by hand, read by the model's likelihood",
    ),
    "replies": Table(
        schema(_REPLIES), "one reply to an open prompt in one cell", (*_SETTING, "split", "prompt_id"), True
    ),
    "judgements": Table(
        schema(
            _JUDGEMENTS,
            **_VERDICTS,
        ),
        "one verdict of one judge on one reply",
        (*_SETTING, "split", "prompt_id", "judge"),
        True,
    ),
    "dose": Table(schema((*_CELL, "kl", "relative", "alpha")), "one cell", _SETTING, True),
    "rates": Table(
        schema(RATES, depth=replace(COLUMNS["depth"], optional=True)),
        "the answers in one cell, as imported",
        (*_OWNER, "layer", "strength"),
    ),
    "imported/items": Table(
        schema(
            ITEMS,
            score=measured("logit difference, or log-odds of the two probabilities", "logits"),
        ),
        "one imported prompt under one condition, in one cell",
        (*_SCORE, "condition"),
    ),
    "projection/examples": Table(
        schema((*_OWNER, "engine", "split", "example", "group", "side", "layer", "depth", "projection"), layer=_LAYER),
        "one held-out example at one layer",
        (*_OWNER, "engine", "split", "example", "side", "layer"),
    ),
    "diagnosis/quality": Table(
        schema((*_OWNER, *QUALITY), layer=_LAYER), "one layer, from all pairs", (*_OWNER, "layer")
    ),
    "diagnosis/curve": Table(
        schema((*_OWNER, *CURVE), layer=_LAYER), "one layer and number of pairs", (*_OWNER, "layer", "pairs")
    ),
    "diagnosis/heuristics": Table(
        schema((*_OWNER, *HEURISTICS), layer=_LAYER), "one layer", (*_OWNER, "layer")
    ),
    "diagnosis/part_quality": Table(
        schema((*_OWNER, *QUALITY), layer=_LAYER), "one layer, from the pairs of the vector only", (*_OWNER, "layer")
    ),
    "diagnosis/flags": Table(
        schema((*_OWNER, "prompt_id", "flag", "value", "other", "text")), "one pair and one reason to look at it"
    ),
    "diagnosis/surface": Table(
        schema((*_OWNER, *SURFACE)), "one feature of the texts of two lists", (*_OWNER, "feature")
    ),
    "diagnosis/findings": Table(schema((*_OWNER, "code", "level", "text", "advice")), "one finding"),
    "diagnosis/cosines": Table(
        schema((*_OWNER, "method", "layer", "depth", "cosine"), layer=_LAYER),
        "one method at one layer",
        (*_OWNER, "method", "layer"),
    ),
    "diagnosis/method_samples": Table(
        schema((*_OWNER, "method", *_SAMPLES[2:])), "one score with the vector of one method", (*_SCORE, "method")
    ),
    "side_effects/shifts": Table(
        schema((*_SAMPLES, "measured")), "one score of another behavior", (*_SCORE, "measured")
    ),
    "side_effects/easy": Table(
        schema((*_SAMPLES, "measured", "couple")), "one easy question in one cell", (*_SCORE, "measured")
    ),
    "side_effects/neutral": Table(
        schema((*_OWNER, "layers", "strength", "text", "nll"), text=count("number of the passage", "index")),
        "one passage of plain text in one cell",
        (*_OWNER, "layers", "strength", "text"),
    ),
    "side_effects/replies": Table(
        schema((*_PLAIN_REPLIES, "language", "chosen_by")),
        "one reply to a neutral prompt",
        (*_SETTING, "split", "prompt_id", "chosen_by"),
    ),
    "side_effects/random": Table(
        schema((*_SAMPLES, "kind", "draw", "chosen_by"), kind=text("kind of random direction")),
        "one score with a random direction",
        (*_SCORE, "kind", "draw", "chosen_by"),
    ),
    "side_effects/tasks": Table(
        schema(
            (*_CELL, "benchmark", "task", "metric", "metric_value", "stderr", "better", "sample", "value", "chosen_by"),
            value=measured("the metric of the sample"),
        ),
        "one sample of a task of a harness in one cell, or one metric without samples",
        (*_SETTING, "benchmark", "task", "metric", "sample", "chosen_by"),
    ),
    "baselines/scores": Table(
        schema((*_SAMPLES, *_ARM), **_ARM_COLUMNS), "one score of a prompt under one arm", (*_SCORE, *_ARM)
    ),
    "baselines/easy": Table(
        schema((*_SAMPLES, *_ARM), **_ARM_COLUMNS), "one easy question under one arm", (*_SCORE, *_ARM)
    ),
    "baselines/arms": Table(
        schema(
            (
                *_OWNER, "engine", *_ARM, "place", "layers", "scale", "strength", "positions", "kl", "added_tokens",
                "milliseconds", "plain_milliseconds",
            ),
            **_ARM_COLUMNS,
        ),
        "the dose and the costs of one arm",
        (*_OWNER, "engine", *_ARM, "layers", "strength"),
    ),
    "baselines/replies": Table(
        schema((*_REPLIES, *_ARM), **_ARM_COLUMNS),
        "one reply to an open prompt under one arm",
        (*_SETTING, "split", "prompt_id", *_ARM),
    ),
    "baselines/judgements": Table(
        schema((*_JUDGEMENTS, *_ARM), **_ARM_COLUMNS, **_VERDICTS),
        "one verdict of one judge on one reply under an arm",
        (*_SETTING, "split", "prompt_id", "judge", *_ARM),
    ),
    "robustness/samples": Table(
        schema((*_SAMPLES, "kind", "variant", "chosen_by"), kind=text("kind of variant")),
        "one score of a prompt in one variant",
        (*_SCORE, "variant", "chosen_by"),
    ),
}  # fmt: skip
