"""Whether the surface of the texts alone distinguishes two lists: length, first words, last words, any words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.diagnosis._near_duplicates import SAME_TEXT, joined, similarity
from trimtab.analysis.diagnosis.lists._list_probe import list_folds
from trimtab.analysis.diagnosis.lists.list_states import ListStates
from trimtab.stats.bootstrap import Array
from trimtab.stats.detection import auroc_with_interval

SURFACE = ("feature", "auroc", "auroc_low", "auroc_high", "positive", "negative")
FEATURES = ("length", "first word", "last word", "words")
"""What is looked at: the number of tokens; the first and the last word or mark; all words, in any order."""

MAX_FOLDS = 5
"""Parts of the cross-validation; two where a list is short."""

_WORD = re.compile(r"\w+|[^\w\s]")
"""A word, or one mark such as ? or ."""


def list_surface(d: ListStates, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How well the surface of the texts alone tells the lists apart; no model is asked.

    The score of a text is its number of tokens; of its words, the log ratio of how often texts of both lists have them
    (naive Bayes with one added count, Manning, Raghavan & Schütze 2008, section 13.3), counted without the fifth of the
    texts that it is compared with. Texts nearly the same are in one fifth.

    Returns:
        The columns `SURFACE`, a row for each of `FEATURES`: the share of couples, one text of each list, in which the
        positive one has the higher score (`auroc`; 0.5 is chance, and for `length` below 0.5 means that negative
        texts are longer) with its 95% interval over resampled texts of each list. `positive`, `negative`: of `length`
        the median number of tokens in each list; of the first and last word the share of each list that has the
        positive list's most common one. NaN elsewhere.
    """
    texts = [str(text) for text in d.examples["text"]]
    words = [_WORD.findall(text.casefold()) or [""] for text in texts]
    groups = joined(similarity(texts) >= SAME_TEXT)
    folds = list_folds(d, groups, min(MAX_FOLDS, max(2, min(d.sizes) // 2)), np.random.default_rng(seed))
    seen = {"first word": [[w[0]] for w in words], "last word": [[w[-1]] for w in words], "words": words}
    tokens = d.examples["tokens"].to_numpy(np.float64)
    rows = []
    for feature in FEATURES:
        score = tokens if feature == "length" else _held_out_ranks(seen[feature], d, folds)
        of = (math.nan, math.nan)
        if feature == "length":
            of = float(np.median(tokens[d.positive])), float(np.median(tokens[~d.positive]))
        elif feature != "words":
            of = common_word([one[0] for one in seen[feature]], d.positive)[1:]
        found = auroc_with_interval(score, d.positive, groups.tolist(), draws=draws, seed=seed)
        rows.append(dict(zip(SURFACE, (feature, *found, *of), strict=True)))
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(SURFACE))
    return table


def common_word(words: Sequence[str], positive: NDArray[np.bool_]) -> tuple[str, float, float]:
    """The positive list's most common word, and the share of each list that has it."""
    lists = [[word for word, side in zip(words, positive, strict=True) if side == wanted] for wanted in (True, False)]
    word = Counter(lists[0]).most_common(1)[0][0]
    here, there = (sum(one == word for one in own) / len(own) for own in lists)
    return word, here, there


def end_words(d: ListStates, feature: str) -> list[str]:
    """The first or the last word of every text."""
    found = [_WORD.findall(str(text).casefold()) or [""] for text in d.examples["text"]]
    return [words[0] if feature == "first word" else words[-1] for words in found]


def _held_out_ranks(words: Sequence[Sequence[str]], d: ListStates, folds: NDArray[np.int64]) -> Array:
    """Where each text stands among those held out with it, by the log ratio of its words in all others: [texts].

    Texts are compared within their fold: what a text adds to the counts of its own list would count against it.
    """
    place = {word: number for number, word in enumerate(sorted({word for one in words for word in one}))}
    has = np.zeros((len(words), len(place)))
    for row, one in enumerate(words):
        has[row, [place[word] for word in one]] = 1
    ranks = np.zeros(len(words))
    for fold in np.unique(folds):
        held_out = folds == fold
        ratio = np.zeros(len(place))
        for side, sign in ((d.positive, 1.0), (~d.positive, -1.0)):
            others = side & ~held_out
            ratio += sign * np.log((has[others].sum(axis=0) + 1) / (others.sum() + 2))
        # Sums that only differ by rounding are ties.
        scores = pd.Series((has[held_out] @ ratio).round(9))
        ranks[held_out] = (scores.rank().to_numpy(np.float64) - 0.5) / len(scores)
    return ranks
