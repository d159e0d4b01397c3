"""The diagnosis of pairs and their vectors, all of it from one pass of the model over the pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from trimtab.analysis.diagnosis import (
    PAIR_COLUMNS,
    PairDifferences,
    diagnosis_findings,
    layer_heuristics,
    pair_curve,
    pair_flags,
    pair_quality,
)
from trimtab.engines import Model
from trimtab.evaluation._spelled_labels import label_signs
from trimtab.evaluation.methods import method_cosines, method_vectors
from trimtab.evaluation.replies import prompt_text
from trimtab.models import EncodedPair
from trimtab.vectors import StateDifferences


@dataclass(frozen=True, eq=False)
class Diagnosed:
    """The tables of a diagnosis; see `trimtab.analysis.diagnosis` for the columns."""

    TABLES: ClassVar = ("quality", "curve", "heuristics", "part_quality", "flags", "findings", "cosines")

    quality: pd.DataFrame
    curve: pd.DataFrame
    heuristics: pd.DataFrame
    part_quality: pd.DataFrame
    """`quality` of the pairs that heuristics look at: of those, too, some pick a layer by it."""
    flags: pd.DataFrame
    findings: pd.DataFrame
    """Columns code, level (good, caution, problem), text, advice."""
    cosines: pd.DataFrame
    """Of the vectors of every method with the mean's; see `method_cosines`."""

    def table(self, name: str) -> pd.DataFrame:
        """One of `TABLES`."""
        table: pd.DataFrame = getattr(self, name)
        return table


def diagnose(
    differences: StateDifferences, model: Model, *, train: Sequence[str] | None = None, seed: int = 0
) -> Diagnosed:
    """Diagnose pairs and the vectors they make.

    Args:
        differences: from `read_differences`, of all pairs.
        model: the one they were read from, for the text of its tokens.
        train: ids of the pairs that a vector is made of where others are held out: heuristics and methods look at those
            only, so that what they say can be compared with what the held-out prompts say. None: at all.
        seed: of splits, resamples and permutations.
    """
    every = pair_differences(differences, model)
    part = differences if train is None else differences.subset(train)
    quality = pair_quality(every, seed=seed)
    curve = pair_curve(every, seed=seed)
    heuristics = layer_heuristics(every if train is None else pair_differences(part, model), seed=seed)
    flags = pair_flags(every, seed=seed)
    found = diagnosis_findings(quality, curve, heuristics, flags, every)
    return Diagnosed(
        quality=quality,
        curve=curve,
        heuristics=heuristics,
        part_quality=quality if train is None else pair_quality(pair_differences(part, model), seed=seed),
        flags=flags,
        findings=pd.DataFrame([asdict(f) for f in found], columns=["code", "level", "text", "advice"]),
        cosines=method_cosines(method_vectors(part, seed=seed)),
    )


def pair_differences(differences: StateDifferences, model: Model) -> PairDifferences:
    """The differences as `trimtab.analysis` takes it: numbers and texts, nothing of torch."""
    first = {number: row for row, number in reversed(list(enumerate(differences.pair.tolist())))}
    shown = Counter(differences.pair.tolist())
    rows = [
        _about(differences.encoded[first[number]], differences.presented[first[number]].pair, model)
        for number in range(len(shown))
    ]
    # Open pairs may be told apart by a label all the same: it is left out like that of choice pairs.
    spelled, labels = label_signs(rows)
    rows = [row | {"label": row["label"] or label} for row, label in zip(rows, labels, strict=True)]
    return PairDifferences(
        difference=differences.difference.numpy(),
        pair=differences.pair.numpy(),
        weight=differences.weight.numpy(),
        sign=np.where(differences.sign.numpy() == 0, spelled[differences.pair.numpy()], differences.sign.numpy()),
        spelled=bool(spelled.any()),
        residual_norm=differences.residual_norm.double().numpy(),
        pairs=pd.DataFrame(rows, columns=list(PAIR_COLUMNS)),
    )


def _about(encoded: EncodedPair, pair: Any, model: Model) -> dict[str, Any]:
    """A pair's texts and how long they are, in the order in which it is given."""
    begin = encoded.prompt_length
    tokenizer = model.backbone.tokenizer
    return {
        "prompt_id": pair.id, "prompt": prompt_text(pair), "positive": pair.positive, "negative": pair.negative,
        "label": pair.label,
        "positive_tokens": len(encoded.positive) - begin, "negative_tokens": len(encoded.negative) - begin,
        "positive_first": tokenizer.decode([encoded.positive[begin]]),
        "negative_first": tokenizer.decode([encoded.negative[begin]]),
    }  # fmt: skip
