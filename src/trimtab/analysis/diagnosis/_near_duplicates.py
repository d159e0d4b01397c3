"""Near-duplicate pairs, by their texts and by their differences in the model."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trimtab.analysis.diagnosis.differences import PairDifferences
from trimtab.stats.bootstrap import Array

SAME_TEXT = 0.8
"""Similarity from which two texts are the same but for a word or two. Single words, capitals or marks changed in the
pairs that come with trimtab leave 0.92 or more; no two of those pairs reach 0.2."""

SHINGLE = 4
"""Letters in a group: long enough to hold word order, short enough that one edit touches few."""


def similarity(texts: Sequence[str]) -> Array:
    """Jaccard similarity of every two texts: shared groups of four letters over all of theirs, [n, n].

    Capitals, marks and spacing do not count (Broder 1997, on letters instead of words). Two empty texts are the same.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    groups = CountVectorizer(analyzer=_letter_groups, dtype=np.float64).fit_transform(texts)
    shared: Array = (groups @ groups.T).toarray()
    sizes = np.diag(shared)
    return np.asarray(shared / (sizes + sizes[:, None] - shared))


def _letter_groups(text: str) -> set[str]:
    """The groups of letters in a text, at least one."""
    plain = re.sub(r"[\W_]+", " ", text.casefold()).strip().ljust(SHINGLE)
    return {plain[start : start + SHINGLE] for start in range(len(plain) - SHINGLE + 1)}


def pair_similarity(d: PairDifferences) -> Array:
    """Similarity of the pairs' texts, prompt and both completions together: [n, n].

    Of a contrast between prompts alone what is asked and what stands around it are compared apart, and count by the
    less similar of the two: a long system prompt is the same for every question.
    """
    sides = [f"{row.positive}\n{row.negative}" for row in d.pairs.itertuples()]
    prompts = [str(prompt) for prompt in d.pairs["prompt"]]
    if d.sides == "prompts":
        return np.minimum(similarity(prompts), similarity(sides))
    return similarity([f"{prompt}\n{texts}" for prompt, texts in zip(prompts, sides, strict=True)])


def near_groups(d: PairDifferences) -> NDArray[np.int64]:
    """A group number for each pair; pairs nearly the same, or with nearly the same prompt, share one: [n_pairs]."""
    prompts = similarity([str(prompt) for prompt in d.pairs["prompt"]])
    return joined((prompts >= SAME_TEXT) | (pair_similarity(d) >= SAME_TEXT))


def joined(linked: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Connected groups of a symmetric relation, numbered from 0 in the order of their first members: [n]."""
    group = np.full(len(linked), -1, dtype=np.int64)
    for start in range(len(linked)):
        if group[start] >= 0:
            continue
        number, waiting = group.max() + 1, [start]
        while waiting:
            member = waiting.pop()
            if group[member] < 0:
                group[member] = number
                waiting += np.flatnonzero(linked[member] & (group < 0)).tolist()
    return group
