"""The diagnosis of pairs and their vectors, all of it from one pass of the model over the pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
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
from trimtab.analysis.diagnosis import Diagnosis as Finding
from trimtab.analysis.diagnosis.lists import (
    list_curve,
    list_findings,
    list_flags,
    list_heuristics,
    list_quality,
    list_surface,
)
from trimtab.data import PromptContrast
from trimtab.engines import Model
from trimtab.evaluation.diagnosing._contrast_material import list_states, prompt_differences
from trimtab.evaluation.diagnosing._spelled_labels import label_signs
from trimtab.evaluation.methods import Material, method_cosines, method_vectors
from trimtab.evaluation.replies import prompt_text
from trimtab.models import EncodedPair
from trimtab.vectors import ContrastStates, StateDifferences


@dataclass(frozen=True, eq=False)
class Diagnosed:
    """The tables of a diagnosis; see `trimtab.analysis.diagnosis` for the columns."""

    TABLES: ClassVar = ("quality", "curve", "heuristics", "part_quality", "flags", "findings", "cosines")
    OF_LISTS: ClassVar = (*TABLES, "surface")

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
    surface: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of two lists, how well length and words alone tell them apart; see `list_surface`. Empty for pairs."""

    def table(self, name: str) -> pd.DataFrame:
        """One of `TABLES`, or of `OF_LISTS`."""
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
    return _of_pairs(every, every if train is None else pair_differences(part, model), part, seed)


def diagnose_contrast(states: ContrastStates, model: Model, *, seed: int = 0) -> Diagnosed:
    """Diagnose a contrast between prompts or between lists, and the vectors it makes.

    Prompts come in pairs, so that all is measured that is measured of pairs of completions. Lists do not: what needs
    pairs is left out of the numbers, and a finding says so.

    Args:
        states: from `trimtab.vectors.read_contrast`.
        model: the one they were read from, for the text of its tokens.
        seed: of splits, resamples and permutations.
    """
    if isinstance(states.contrast, PromptContrast):
        pairs = prompt_differences(states, model)
        return _of_pairs(pairs, pairs, states, seed)
    lists = list_states(states, model)
    quality, curve, flags = list_quality(lists, seed=seed), list_curve(lists, seed=seed), list_flags(lists)
    heuristics, surface = list_heuristics(lists, seed=seed), list_surface(lists, seed=seed)
    found = list_findings(quality, curve, heuristics, flags, surface, lists)
    return Diagnosed(
        quality, curve, heuristics, quality, flags, _as_table(found), _cosines(states, seed), surface
    )  # fmt: skip


def _of_pairs(every: PairDifferences, part: PairDifferences, material: Material, seed: int) -> Diagnosed:
    """The tables of pairs.

    Args:
        every: All pairs.
        part: Those that a vector is made of.
        material: The same, for the vectors of other methods.
        seed: Of splits, resamples and permutations.
    """
    quality = pair_quality(every, seed=seed)
    curve = pair_curve(every, seed=seed)
    heuristics = layer_heuristics(part, seed=seed)
    flags = pair_flags(every, seed=seed)
    return Diagnosed(
        quality=quality,
        curve=curve,
        heuristics=heuristics,
        part_quality=quality if part is every else pair_quality(part, seed=seed),
        flags=flags,
        findings=_as_table(diagnosis_findings(quality, curve, heuristics, flags, every)),
        cosines=_cosines(material, seed),
    )


def _as_table(found: Sequence[Finding]) -> pd.DataFrame:
    table: pd.DataFrame = pd.DataFrame([asdict(one) for one in found], columns=["code", "level", "text", "advice"])
    return table


def _cosines(material: Material, seed: int) -> pd.DataFrame:
    return method_cosines(method_vectors(material, seed=seed))


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
