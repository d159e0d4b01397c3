"""Contrasts between prompts that put the same few texts around many questions: what their stability is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trimtab._util.wording import plural
from trimtab.analysis.diagnosis.differences import PairDifferences
from trimtab.analysis.diagnosis.sentences import Diagnosis, at_layer
from trimtab.analysis.formatting import fixed


def shared_around(row: dict[str, Any], d: PairDifferences) -> Iterator[Diagnosis]:
    """How many different texts stand around what is asked, and whether they give the same direction.

    Halves of such pairs share these texts, so their stability says how little depends on the question.

    Args:
        row: The row of `pair_quality` at the layer to speak of.
        d: The differences.
    """
    if "around" not in d.pairs.columns or (d.pairs["around"] == "").any():
        return
    texts, kind = np.unique(d.pairs["around"].astype(str), return_inverse=True)
    if 2 * len(texts) > d.n_pairs:
        return
    stability = "Stability, probe and the number of pairs wanted say how little depends on the question"
    if len(texts) == 1:
        yield Diagnosis(
            "shared_prompts",
            "caution",
            f"All {d.n_pairs} pairs put the same two texts around what is asked. {stability}, and nothing about how "
            "much depends on the wording of these two.",
            "Write several pairs of prompts for the behavior, and compare their vectors.",
        )
        return
    balanced, layer = d.balanced_at(row["layer"]), row["layer"]
    means = np.stack([balanced[kind == one].mean(axis=0) for one in range(len(texts))])
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    units = np.divide(means, norms, out=np.zeros_like(means), where=norms > 0)
    cosines = (units @ units.T)[np.triu_indices(len(texts), 1)]
    yield Diagnosis(
        "shared_prompts",
        "note",
        f"The {d.n_pairs} pairs put {plural(len(texts), 'couple')} of texts around what is asked. Vectors of two of "
        f"these have cosine {fixed(cosines.mean())} on average, {fixed(cosines.min())} at the least "
        f"({at_layer(layer, d.n_layers)}). {stability}; these cosines, how much on the wording.",
        "Where they are low, the behavior is not what these prompts have in common.",
    )
