"""A text classifier as judge, trained on the completions of the pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from trimtab.data import Behavior
from trimtab.errors import JudgeDeclined
from trimtab.judges.base import MAX_SCORE, Exchange, Judge, Judgement
from trimtab.judges.settings import VERDICTS, JudgeSettings, schema_1_fingerprint

MIN_ACCURACY = 0.8
FOLDS = 5


class ClassifierSettings(JudgeSettings):
    """The text classifier as judge, as a study file has it: `classifier`, or `{classifier: true, behaviors: […]}`."""

    kind: ClassVar[str] = "classifier"

    classifier: Annotated[bool, VERDICTS] = True
    """Always true: the key that names this judge."""

    @field_validator("classifier")
    @classmethod
    def _switched_on(cls, classifier: bool) -> bool:
        if not classifier:
            raise ValueError("is true where the classifier judges; leave the judge out otherwise")
        return classifier

    def former_fingerprint(self, behavior: Behavior) -> str:
        """The fingerprint by which manifests of schema 1 know this judge."""
        return schema_1_fingerprint(self, behavior)

    def build(self, behavior: Behavior) -> ClassifierJudge:
        """Train the classifier on the behavior's pairs.

        Raises:
            JudgeDeclined: When it cannot tell their completions apart.
        """
        return fit_classifier(behavior, name=self.label)


class ClassifierJudge(Judge):
    """Distinguishes the completions of a behavior from their opposites by words and character n-grams.

    TF-IDF over words, word pairs and runs of two to five characters, then logistic regression: it knows which words go
    with a behavior in the pairs and nothing else, is free and runs anywhere. A reply's score is ten times the
    probability that it is a positive completion.

    Args:
        pipeline: The fitted scikit-learn pipeline, from texts to probabilities.
        accuracy: Share of completions classified correctly by classifiers that had seen no completion of the same
            prompt.
        texts: Number of completions it was trained on.
        name: The name in tables.
    """

    def __init__(self, pipeline: Any, *, accuracy: float, texts: int, name: str = "classifier"):
        self.name = name
        self.accuracy: float = accuracy
        self.texts = texts
        self._pipeline = pipeline

    def judge(self, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        """Yield (index, judgement), in order; it never fails."""
        if not exchanges:
            return
        known = list(dict.fromkeys(text for e in exchanges for text in (e.reply, e.unsteered)))
        found = dict(zip(known, (MAX_SCORE * self._pipeline.predict_proba(known)[:, 1]).tolist(), strict=True))
        for index, exchange in enumerate(exchanges):
            score = found[exchange.reply]
            yield index, Judgement(score, score - found[exchange.unsteered])

    def __str__(self) -> str:
        """Accuracy and training size in one line."""
        return (
            f"text classifier: {self.accuracy:.0%} of {self.texts} held-out completions classified correctly "
            f"({FOLDS}-fold cross-validation by prompt)"
        )


def fit_classifier(behavior: Behavior, *, name: str = "classifier") -> ClassifierJudge:
    """Train on the completions of all pairs, and measure the accuracy by cross-validation.

    Folds keep the pairs of a prompt together, so that no prompt is recognised by its topic.

    Raises:
        JudgeDeclined: When fewer than 80% of held-out completions are classified correctly, or prompts are too few.
    """
    accuracy = held_out_accuracy(held_out_probabilities(behavior))
    if accuracy < MIN_ACCURACY:
        raise JudgeDeclined(
            f"{behavior.name}: a text classifier gets only {accuracy:.0%} of held-out completions right, below "
            f"{MIN_ACCURACY:.0%}; words alone do not show this behavior, so use a language model as judge"
        )
    texts, labels = _labelled(behavior)
    return ClassifierJudge(_pipeline().fit(texts, labels), accuracy=accuracy, texts=len(texts), name=name)


def held_out_probabilities(behavior: Behavior) -> NDArray[np.float64]:
    """Probability of being a positive completion, by classifiers that saw no completion of the same prompt.

    Returns:
        Probabilities, [n_pairs, 2]: of the positive completion, of the negative one.

    Raises:
        JudgeDeclined: When there are too few prompts.
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
    found = cross_val_predict(_pipeline(), texts, labels, groups=groups, cv=GroupKFold(FOLDS), method="predict_proba")
    probabilities: NDArray[np.float64] = found[:, 1].reshape(-1, 2)
    return probabilities


def held_out_accuracy(probabilities: NDArray[np.float64]) -> float:
    """Share of completions classified correctly, from `held_out_probabilities`."""
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
