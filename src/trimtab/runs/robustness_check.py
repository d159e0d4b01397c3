"""Whether a behavior's effect survives other ways of asking, into the run folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from trimtab.data import TRANSLATIONS, Behavior, dataset
from trimtab.engines import Scoring
from trimtab.errors import TrimtabWarning
from trimtab.evaluation import Grid
from trimtab.evaluation.robustness import Variant, variant_batches, variants
from trimtab.runs.check_context import CheckContext, Subject
from trimtab.runs.checks import Robustness
from trimtab.runs.chunks import chunk_name

KIND = "robustness"


def check_robustness(context: CheckContext, settings: Robustness, subject: Subject) -> None:
    """Measure the best cell under every variant."""
    every = asked_variants(settings, subject.parts[0], subject.parts[2], subject.scoring)
    best = context.best(subject)
    made_by = context.cells(subject, best)
    what = f"robustness of {subject.name} in {context.model.name}"
    context.progress(what, 0, len(every))
    for done, variant in enumerate(every, 1):
        context.chunks.table(
            chunk_name(KIND, "samples", context.model.name, subject.name, variant.label),
            [*made_by, variant.behavior.hash, variant.scoring, variant.order],
            _measured(context, subject, best, variant),
        )
        context.progress(what, done, len(every))


def _measured(context: CheckContext, subject: Subject, best: Grid, variant: Variant) -> Callable[[], pd.DataFrame]:
    def measure() -> pd.DataFrame:
        study = context.study
        frames = variant_batches(
            context.model, subject.vector, best, variant, subject.name, balance=study.balance, seed=study.seed
        )
        samples: pd.DataFrame = pd.concat([pd.DataFrame(), *frames], ignore_index=True)
        return samples

    return measure


def asked_variants(settings: Robustness, train: Behavior, test: Behavior, scoring: Scoring) -> list[Variant]:
    """Everything that a check of robustness measures.

    Args:
        settings: of the check.
        train: the pairs that made the vector.
        test: the prompts that are reported.
        scoring: how the sweep scored.
    """
    asked = replace(test, pairs=test.pairs[: settings.prompts])
    others = _translations(train) if settings.translations else []
    others += [_unseen(dataset(source), train) for source in settings.transfer]
    return variants(asked, train, scoring, transfer=[other for other in others if len(other)])


def _translations(train: Behavior) -> list[Behavior]:
    """What a built-in behavior says in other languages, without the pairs whose originals made the vector."""
    seen = {pair.id for pair in train}
    loaded = [translation.load() for translation in TRANSLATIONS.get(train.name, ())]
    return [replace(b, pairs=tuple(pair for pair in b if pair.meta.get("of") not in seen)) for b in loaded]


def _unseen(other: Behavior, train: Behavior) -> Behavior:
    """The pairs of another set that did not make the vector."""
    seen = {(str(pair.prompt), pair.positive) for pair in train}
    kept = tuple(pair for pair in other if (str(pair.prompt), pair.positive) not in seen)
    if len(kept) < len(other):
        warnings.warn(
            f"{other.name}: {len(other) - len(kept)} of its pairs made the vector of {train.name} and are left out",
            TrimtabWarning,
            stacklevel=2,
        )
    return replace(other, pairs=kept)
