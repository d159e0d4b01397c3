"""The columns of a run's tables: the type, range, unit and meaning of each."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from trimtab._util.registry import Registry
from trimtab.analysis.diagnosis.lists.surface import FEATURES
from trimtab.analysis.diagnosis.sentences import Level
from trimtab.engines import Scoring
from trimtab.engines.requests import Finish
from trimtab.steering import MAX_STRENGTH, POSITIONS, POSITIONS_PATTERN, SCALES

MAX_LAYERS = 100_000
MAX_ORDERS = 128
MAX_VALUE = 3.5e38
"""Largest number that a model computes: float32 holds no larger one."""
_MAX_COUNT = 2.0**31
_DTYPES = {"text": "string", "integer": "integer", "number": "float64", "flag": "boolean"}


@dataclass(frozen=True)
class Column:
    """The values that a column may hold."""

    kind: Literal["text", "integer", "number", "flag"]
    low: float = -math.inf
    high: float = math.inf
    """Range of numbers, both ends included."""
    optional: bool = False
    """Whether a number may be missing (null or NaN), or infinite."""
    added: bool = False
    """Whether runs of earlier versions lack the whole column; it is read as missing there."""
    words: tuple[str, ...] = ()
    """The only texts allowed; any text by default."""
    registry: Registry[Any] | None = None
    """Registry whose names are the only texts allowed."""
    pattern: str = ""
    """Regular expression that a text has to match."""
    example: str = ""
    """What matches it, in words."""
    unit: str = ""
    """Of numbers, such as `nats`; empty for texts, flags and pure numbers."""
    meaning: str = ""
    """One line for the docs."""

    @property
    def dtype(self) -> str:
        """The type on disk, in words."""
        return _DTYPES[self.kind]

    def accepts(self, text: str) -> bool:
        """Whether a text is allowed in the column."""
        if names := self._names:
            return text in names
        return not self.pattern or re.fullmatch(self.pattern, text) is not None

    @property
    def _names(self) -> tuple[str, ...]:
        return self.words if self.registry is None else self.registry.names()

    @property
    def values(self) -> str:
        """The allowed values, in words."""
        if names := self._names:
            return f"one of {', '.join(names)}"
        if self.kind == "text":
            return self.example or "text"
        what = {"integer": "a whole number", "number": "a number", "flag": "true or false"}[self.kind]
        low, high = max(self.low, -MAX_VALUE), min(self.high, MAX_VALUE)
        if (low, high) == (-MAX_VALUE, MAX_VALUE):
            return what
        if 0 < low < 1e-300:
            return f"{what} above 0"
        return f"{what} from {low:g}" + ("" if high == MAX_VALUE else f" to {high:g}")


Schema = Mapping[str, Column]
"""Columns by name, in their order."""


def text(meaning: str, words: tuple[str, ...] = (), pattern: str = "", example: str = "") -> Column:
    """Describe a column of texts."""
    return Column("text", words=words, pattern=pattern, example=example, meaning=meaning)


def flag(meaning: str) -> Column:
    """Describe a column of true and false."""
    return Column("flag", meaning=meaning)


def count(meaning: str, unit: str) -> Column:
    """Describe a column of whole numbers from 0."""
    return Column("integer", 0, _MAX_COUNT, unit=unit, meaning=meaning)


def measured(
    meaning: str, unit: str = "", low: float = -MAX_VALUE, high: float = MAX_VALUE, *, added: bool = False
) -> Column:
    """Describe a column of measurements, which may be missing."""
    return Column("number", low, high, optional=True, added=added, unit=unit, meaning=meaning)


_INTERVAL = "95% interval, {} end"
COLUMNS: Schema = {
    # What was measured, and where.
    "model": text("model, as the study names it"),
    "behavior": text("behavior that the vector is for"),
    "engine": text("engine that ran the model"),
    "layer": Column("integer", -1, MAX_LAYERS, unit="layer index", meaning="first steered layer; -1 where unsteered"),
    "layers": text(
        "all layers steered together; empty where unsteered", pattern=r"(\d{1,6}(\+\d{1,6})*)?",
        example="layers such as 9 or 9+10, or empty",
    ),
    "depth": Column("number", 0, 1, unit="share of layers", meaning="(layer + 1) / number of layers"),
    "scale": Column("text", registry=SCALES, meaning="unit of the strength"),
    "strength": Column(
        "number", -MAX_STRENGTH, MAX_STRENGTH, unit="set by scale", meaning="steering strength; 0 where unsteered"
    ),
    "positions": text("tokens that are steered", pattern=POSITIONS_PATTERN, example=f"one of {', '.join(POSITIONS)}"),
    "scoring": text("how a pair is scored", words=get_args(Scoring)),
    "split": text("held-out part that the prompt is in", words=("select", "test", "neutral")),
    "prompt_id": text("id of the prompt"),
    "order": Column(
        "integer", 0, MAX_ORDERS - 1, unit="index", meaning="order in which the options are shown; 0 as given"
    ),
    "label": text("letter of the positive option as shown; empty without letters"),
    "weight": Column("number", 5e-324, MAX_VALUE, meaning="weight of the row in means"),
    "score": measured("logit difference, or text score (nats per token) where scoring is text", "logits"),
    "chosen_by": text("what chose the setting", words=("scores", "replies", "scores and replies")),
    "measured": text("behavior whose scores are measured while another's vector steers"),
    "benchmark": text("task as the study names it: harness:task"),
    "task": text("task as its harness names it; several for a group"),
    "metric": text("metric of the task, as its harness names it"),
    "metric_value": measured("the metric"),
    "stderr": measured("the harness's own standard error of the metric", low=0),
    "better": text("which way of the metric is better; empty where the harness does not say", ("", "higher", "lower")),
    "sample": text("sample of the task; empty where the metric is no mean of samples"),
    "couple": text("two questions with the same two answers"),
    "kind": text("kind of variant or of random direction"),
    "variant": text("how the prompts were changed; plain for the original"),
    "arm": text("what is done to get the behavior: a prompt, a vector's method, both; plain for nothing"),
    "at": text(
        "what chose the strength of a vector: best (its effect), equal dose (that of the prompt), or candidate "
        "(nothing yet); empty without a vector"
    ),
    "wording": text("text that is added to the prompt"),
    "place": text("where that text stands: system message or user message; empty without one"),
    "added_tokens": measured("tokens that are added to a request, on average", "tokens"),
    "milliseconds": measured("median time of the first tokens of a reply", "milliseconds", 0),
    "plain_milliseconds": measured("the same of the plain model, measured in turns with it", "milliseconds", 0),
    "draw": count("number of the random direction", "index"),
    "method": text("how the vector was computed"),
    # Replies and answers.
    "prompt": text("text of the prompt"),
    "reply": text("text of the reply"),
    "finish": text("how generation ended", words=get_args(Finish)),
    "tokens": count("length of the reply", "tokens"),
    "words": count("length of the reply", "words"),
    "nll": measured("negative log-likelihood per token under the unsteered model", "nats per token"),
    "nll_ordinary": measured(
        "the same of ordinary text: the median of the neutral passages", "nats per token", added=True
    ),
    "nll_other": measured("the same behind other prompts of the split, on average", "nats per token", added=True),
    "distinct": measured("distinct word triples, of all word triples of the reply", "share"),
    "repeat": measured("words in the longest repeated run, of all words of the reply", "share"),
    "refusal": flag("whether the reply declines to answer"),
    "language": text("language of the reply, as an ISO 639-1 code"),
    "read": text("option read from the reply; empty where none could be read"),
    "why": text("how the option was read, or why none could be"),
    "answer": text("letter of the option that a labelled reply chooses; empty where it chooses none"),
    "margin": measured("how much likelier the option read is than the next one", "nats", 0),
    "matched": measured("1 where the option read is the positive one, 0 where it is another", low=0, high=1),
    "n": measured("prompts", "prompts"),
    "rate": measured("answers that match the behavior, of the valid ones", "share", 0, 1),
    "validity": measured("answers that can be read, of all", "share", 0, 1),
    "judge": text("name of the judge"),
    "failure": text("why there is no judgement; empty where there is one"),
    # Imported items.
    "condition": text("condition that the prompt was asked under, such as a system prompt"),
    "plain": flag("whether the condition is the one without a prompt"),
    "first": text("letter of the first answer, or positive; empty where a score was imported"),
    "second": text("letter of the second answer, or negative; empty where a score was imported"),
    "matching": text("letter whose column is the matching answer's; empty where there is none"),
    "p_first": measured("probability of the first answer", "probability", 0, 1),
    "p_second": measured("probability of the second answer", "probability", 0, 1),
    "share": measured("probability of the matching answer, of the two together", "share", 0, 1),
    "unscored": text("why there is no score; empty where there is one"),
    # Dose.
    "kl": measured("mean KL divergence of next-token distributions from the unsteered ones", "nats"),
    "relative": measured("norm of the push, of the mean norm of the residual stream", "ratio"),
    "alpha": measured("strength as a multiple of the vector", "vector norms"),
    # Projection.
    "example": text("id of the example"),
    "group": count("examples with the same number are resampled together", "index"),
    "side": Column(
        "integer", -1, 1, unit="sign", meaning="1 where the example shows the behavior, −1 where it does not"
    ),
    "projection": measured(
        "state of the example along the vector's unit direction, of the mean norm of the residual stream", "ratio"
    ),
    # Diagnosis.
    "pairs": count("pairs that the numbers rest on; of two lists their examples", "pairs"),
    "code": text("which finding it is"),
    "level": text("how serious the finding is", words=get_args(Level)),
    "text": text("the finding in words, or the flagged prompt"),
    "advice": text("what to do about the finding"),
    "flag": text("why the pair is flagged"),
    "feature": text("what is looked at in the texts", words=FEATURES),
    "auroc": measured("couples, one text of each list, in which the positive text has the higher score", "share", 0, 1),
    "auroc_low": measured(f"auroc: {_INTERVAL.format('lower')}", "share"),
    "auroc_high": measured(f"auroc: {_INTERVAL.format('upper')}", "share"),
    "positive": measured("median tokens of the positive texts, or share that has their most common word"),
    "negative": measured("the same of the negative texts"),
    "value": measured("number that the flag rests on"),
    "other": text("id of the other pair, for duplicates"),
    "cosine": measured("cosine of the method's vector with the study's", "cosine"),
    "consistency": measured("mean cosine over all couples of pair differences", "cosine"),
    "stability": measured("mean cosine of the vectors from two disjoint sets of pairs or examples", "cosine"),
    "stability_random": measured("stability of pairs in one option order, split without regard to letters", "cosine"),
    "signal_to_noise": measured("norm of the mean difference over the standard deviation of norms", "ratio"),
    "normalisation": measured("cosine of the mean difference with the mean of normalized differences", "cosine"),
    **{
        f"{name}_{end}": measured(f"{name}: {_INTERVAL.format(word)}", unit)
        for name, unit in (
            ("consistency", "cosine"), ("stability", "cosine"), ("stability_random", "cosine"),
            ("signal_to_noise", "ratio"), ("normalisation", "cosine"),
        )
        for end, word in (("low", "lower"), ("high", "upper"))
    },
    "letter_cosine": measured("absolute cosine of the vector with the letter axis", "cosine"),
    "letter_share": measured("the letter's share of the squared differences as shown", "share"),
    "length_correlation": measured(
        "rank correlation of the projection with the difference in length; of lists with the length, within each",
        "correlation",
    ),
    "length_p": measured("p of length_correlation by shuffling, two-sided", "probability"),
    "low": measured("2.5th percentile of stability over the draws", "cosine"),
    "high": measured("97.5th percentile of stability over the draws", "cosine"),
    "extrapolated": flag("whether the row is predicted for more pairs than could be measured"),
    "to_truth": measured("expected cosine with the vector of infinitely many pairs", "cosine"),
    "relative_magnitude": measured("norm of the vector over the mean norm of the states", "ratio"),
    **{
        f"pc{number}": measured(f"squared differences along principal component {number}", "share")
        for number in range(1, 11)
    },
    "components_80": measured("principal components that hold 80% of the squared differences", "components"),
    "probe_accuracy": measured(
        "held-out pairs, or couples of one text of each list, that a logistic probe orders correctly", "share"
    ),
    "probe_low": measured("probe_accuracy: 95% interval, lower end", "share"),
    "probe_high": measured("probe_accuracy: 95% interval, upper end", "share"),
    "probe_null": measured("mean probe accuracy over random labels", "share"),
    "probe_null_high": measured("95th percentile of probe accuracy over random labels", "share"),
    "probe_p": measured("random labels with an accuracy at least as high", "probability"),
    "probe_p_max": measured("random labels whose best layer is at least as accurate", "probability"),
    "adjacent_cosine": measured("cosine of the vector with that of the next layer", "cosine"),
}  # fmt: skip
"""A column of one of these names has the same meaning in every table, unless the table says otherwise."""


def schema(names: Iterable[str], **others: Column) -> Schema:
    """Put together a schema from the names of columns.

    Args:
        names: In order.
        others: Columns that are not in `COLUMNS`, or mean something else in this table.

    Raises:
        KeyError: For a name that is in neither.
    """
    return {name: others.get(name) or COLUMNS[name] for name in names}
