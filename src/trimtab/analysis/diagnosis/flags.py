"""Flags of pairs to read: those that disagree, nearly repeat another, are too long, or outweigh the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab._util.wording import plural
from trimtab.analysis.diagnosis._agreement import Agreement, agreement, robust_z
from trimtab.analysis.diagnosis._near_duplicates import SAME_TEXT, joined, pair_similarity
from trimtab.analysis.diagnosis.differences import DEEP, PairDifferences
from trimtab.analysis.formatting import fixed, percent
from trimtab.stats.bootstrap import Array

FLAGS = ("prompt_id", "flag", "value", "other", "text")

FEW = 10
"""Below this many pairs there is no rest to stand out from."""
AGREED = 0.05
"""Level of the test that the pairs agree at all; where they do not, none disagrees."""
BELOW = -3.0
"""Robust standard deviations below the middle pair. Of good pairs (simulated, 100 or more, with noise of all sizes) at
most 4 in 1000 are that far below and under half of the middle; of 30, up to 12 in 1000."""
PART_OF_MIDDLE = 0.5
"""A pair that agrees at least half as well as the middle one does no harm, however alike the others are."""
LONG_DIFFERENCE = 3.0
"""Times the median length: in the mean, such a pair counts as three. None in the behaviors that come with trimtab."""
FAR = 3.5
"""Robust standard deviations beyond which a number is an outlier (Iglewicz & Hoaglin 1993)."""
ALIKE_TEXT, ALIKE_STATES = 0.5, 0.95
"""Similar in text and in what the model makes of it is nearly the same too: half of the letter groups shared, and this
mean cosine of the differences. The largest in the behaviors that come with trimtab are 0.2 and 0.8."""
LENGTH_RATIO, LENGTH_TOKENS = 2.0, 5
"""Completions differ in length if one has twice the tokens of the other, and this many more: one token is no length."""
USUAL = 0.5
"""Lengths that differ in more than this share of the pairs are a property of the set, which one finding gives."""


def pair_flags(d: PairDifferences, *, seed: int = 0) -> pd.DataFrame:
    """Pairs that a person should read, and why.

    - `disagrees`: the cosine of its difference with the mean of the others (`value`; a mean over the layers of depth
      ≥ 1/3) lies far below the rest: 3 robust standard deviations, and under half of the middle pair's. Only where at
      least 10 pairs are shown to agree at all (by random signs, at 5%).
    - `duplicate`: nearly the same as an earlier pair, `other`: four fifths of the letter groups of their texts are
      shared (`value` is the similarity), or half of them and nearly the same difference. The earlier pair has no flag.
    - `outlier_norm`: its difference is at least 3 times as long as the median one (`value`) and an outlier.
    - `length`: one completion, or of pairs of prompts one prompt, has more than twice the tokens of the other (`value`:
      positive over negative), unless that is so in more than half of the pairs.

    Args:
        d: The differences.
        seed: Of the random signs.

    Returns:
        The columns `FLAGS`, in this order of flags, the most striking first; `other` is "" but for duplicates.
    """
    found = None if d.n_pairs < FEW or d.letter_hides_all else agreement(d, seed=seed)
    disagreeing, outliers = ([], []) if found is None else (_disagreeing(d, found), _outliers(d, found))
    rows = [*disagreeing, *_duplicates(d), *outliers, *_lengths(d)]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(FLAGS))
    return table


def differing_lengths(pairs: pd.DataFrame) -> Array:
    """Tokens of the positive over those of the negative completion, 1 where they do not differ in length: [n_pairs]."""
    positive, negative = (pairs[f"{side}_tokens"].to_numpy(np.float64) for side in ("positive", "negative"))
    ratio = np.maximum(positive, 1) / np.maximum(negative, 1)
    apart = (np.maximum(ratio, 1 / ratio) > LENGTH_RATIO) & (np.abs(positive - negative) >= LENGTH_TOKENS)
    return np.asarray(np.where(apart, ratio, 1.0))


def _disagreeing(d: PairDifferences, found: Agreement) -> Iterator[dict[str, Any]]:
    middle = float(np.median(found.cosine))
    apart = (robust_z(found.cosine) <= BELOW) & (found.cosine < PART_OF_MIDDLE * middle)
    if found.p >= AGREED:
        return
    for pair in _ordered(apart, found.cosine):
        cosine = float(found.cosine[pair])
        advice = (
            f"its {d.sides} may be the wrong way round"
            if cosine < 0
            else f"it may be about something else, or its {d.sides} may hardly differ"
        )
        text = (
            f"Its difference has cosine {fixed(cosine)} with the mean of the others, where the median pair has "
            f"{fixed(middle)}: {advice}."
        )
        yield _flag(d, pair, "disagrees", cosine, text)


def _outliers(d: PairDifferences, found: Agreement) -> Iterator[dict[str, Any]]:
    with np.errstate(divide="ignore"):
        logarithm = np.log(found.length)
    far = (found.length >= LONG_DIFFERENCE) & (robust_z(logarithm) > FAR)
    for pair in _ordered(far, -found.length):
        length = float(found.length[pair])
        times = fixed(length, 1, [LONG_DIFFERENCE])
        text = f"Its difference is {times} times as long as the median one and weighs that much more in the mean."
        yield _flag(d, pair, "outlier_norm", length, text)


def _duplicates(d: PairDifferences) -> Iterator[dict[str, Any]]:
    similar = pair_similarity(d)
    close = similar >= ALIKE_TEXT
    np.fill_diagonal(close, False)
    alike = close & (_mean_cosines(d) >= ALIKE_STATES) if close.any() else close
    groups = joined((similar >= SAME_TEXT) | alike)
    first = np.unique(groups, return_index=True)[1][groups]
    for pair in np.flatnonzero(first != np.arange(d.n_pairs)):
        other, value = first[pair], float(similar[pair, first[pair]])
        text = f"It is nearly the same as {d.pairs['prompt_id'].iloc[other]} (texts {percent(value)} alike)."
        yield _flag(d, int(pair), "duplicate", value, text, other=str(d.pairs["prompt_id"].iloc[other]))


def _lengths(d: PairDifferences) -> Iterator[dict[str, Any]]:
    ratio = differing_lengths(d.pairs)
    apart = ratio != 1
    if apart.mean() > USUAL:
        return
    for pair in _ordered(apart, -np.abs(np.log(ratio))):
        positive, negative = (int(d.pairs[f"{side}_tokens"].iloc[pair]) for side in ("positive", "negative"))
        text = f"Its positive {d.side} has {plural(positive, 'token')}, the negative one {negative}."
        yield _flag(d, pair, "length", float(ratio[pair]), text)


def _mean_cosines(d: PairDifferences) -> Array:
    """Cosine of every two differences, averaged over the layers of depth ≥ 1/3: [n_pairs, n_pairs]."""
    layers = np.flatnonzero(d.depth >= DEEP)
    total = np.zeros((d.n_pairs, d.n_pairs))
    for layer in layers:
        balanced = d.balanced_at(int(layer))
        norm = np.linalg.norm(balanced, axis=1, keepdims=True)
        unit = np.divide(balanced, norm, out=np.zeros_like(balanced), where=norm > 0)
        total += unit @ unit.T
    return total / len(layers)


def _ordered(chosen: NDArray[np.bool_], by: Array) -> list[int]:
    """Indices of the chosen pairs, the smallest of `by` first."""
    indices = np.flatnonzero(chosen)
    return [int(index) for index in indices[np.argsort(by[indices], kind="stable")]]


def _flag(d: PairDifferences, pair: int, flag: str, value: float, text: str, *, other: str = "") -> dict[str, Any]:
    row = (str(d.pairs["prompt_id"].iloc[pair]), flag, value, other, text)
    return dict(zip(FLAGS, row, strict=True))
