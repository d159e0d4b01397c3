"""The judge that comes with the pairs: a text classifier trained on their own completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.data import Behavior
from trimtab.errors import JudgeDeclined
from trimtab.evaluation.judges.base import MOST, Exchange, Judgement

LEAST_ACCURACY = 0.8
FOLDS = 5


@dataclass(frozen=True, eq=False)
class ClassifierJudge:
    """Tells the completions of a behavior from their opposites by words and runs of letters.

    TF-IDF over words, word pairs and runs of two to five characters, then logistic regression: it knows which words go
    with a behavior in the pairs and nothing else, costs nothing and runs anywhere. A reply's score is ten times the
    probability that it is a positive completion.
    """

    accuracy: float
    """Share of completions told right by classifiers that had not seen any completion of the same prompt."""
    texts: int
    """Completions it was trained on."""
    _pipeline: Any
    name: str = "classifier"

    def judge(self, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        """Judge replies; it never fails."""
        if not exchanges:
            return
        known = list(dict.fromkeys(text for e in exchanges for text in (e.reply, e.unsteered)))
        found = dict(zip(known, (MOST * self._pipeline.predict_proba(known)[:, 1]).tolist(), strict=True))
        for index, exchange in enumerate(exchanges):
            score = found[exchange.reply]
            yield index, Judgement(score, score - found[exchange.unsteered])

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"text classifier: tells {self.accuracy:.0%} of {self.texts} held-out completions right "
            f"({FOLDS}-fold cross-validation by prompt)"
        )


def fit_classifier(behavior: Behavior) -> ClassifierJudge:
    """Train on the completions of all pairs, and measure by cross-validation how well they can be told apart.

    Folds keep the pairs of a prompt together, so that it is not recognised by its topic.

    Raises:
        JudgeDeclined: when held-out completions are told apart less than 80% of the time, or there are too few.
    """
    accuracy = held_out_accuracy(held_out(behavior))
    if accuracy < LEAST_ACCURACY:
        raise JudgeDeclined(
            f"{behavior.name}: a text classifier tells only {accuracy:.0%} of held-out completions right, below "
            f"{LEAST_ACCURACY:.0%}; words alone do not show this behavior, so use a language model as judge"
        )
    texts, labels = _labelled(behavior)
    return ClassifierJudge(accuracy, len(texts), _pipeline().fit(texts, labels))


def held_out(behavior: Behavior) -> NDArray[np.float64]:
    """How sure classifiers are that a completion is a positive one, having seen no completion of the same prompt.

    Returns:
        Probabilities, [n_pairs, 2]: of the positive completion, of the negative one.

    Raises:
        JudgeDeclined: when there are too few prompts.
    """
    from sklearn.model_selection import GroupKFold, cross_val_predict

    prompts = {prompt: place for place, prompt in enumerate(dict.fromkeys(repr(pair.prompt) for pair in behavior))}
    if len(prompts) < 2 * FOLDS:
        raise JudgeDeclined(
            f"{behavior.name}: {len(prompts)} different prompts are too few to train a text classifier and to check "
            f"it; give at least {2 * FOLDS}, or another judge"
        )
    texts, labels = _labelled(behavior)
    groups = np.repeat([prompts[repr(pair.prompt)] for pair in behavior], 2)
    told = cross_val_predict(_pipeline(), texts, labels, groups=groups, cv=GroupKFold(FOLDS), method="predict_proba")
    probabilities: NDArray[np.float64] = told[:, 1].reshape(-1, 2)
    return probabilities


def held_out_accuracy(probabilities: NDArray[np.float64]) -> float:
    """Share of completions told right, from what `held_out` gives."""
    return float(((probabilities > 0.5) == [True, False]).mean())


def _labelled(behavior: Behavior) -> tuple[list[str], NDArray[np.int64]]:
    """All completions, [2 · n_pairs], and 1 for the positive ones."""
    return [text for pair in behavior for text in (pair.positive, pair.negative)], np.tile([1, 0], len(behavior))


def _pipeline() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    return make_pipeline(make_union(words, letters), LogisticRegression(C=10.0, max_iter=1000))
