"""Whether a behavior's effect survives other ways of asking, into the run folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from trimtab.data import BUILT_INS, TRANSLATIONS, Behavior, Pair, dataset
from trimtab.data.seeded import content_key, prompt_key
from trimtab.engines import Scoring
from trimtab.errors import TrimtabWarning
from trimtab.evaluation import Grid
from trimtab.evaluation.robustness import Variant, variant_batches, variants
from trimtab.runs.check_context import CheckContext, Subject
from trimtab.runs.checks import Robustness
from trimtab.runs.chunks import chunk_name
from trimtab.runs.settings import Study
from trimtab.runs.sources import located

KIND = "robustness"
Parts = tuple[Behavior, Behavior, Behavior]


def check_robustness(context: CheckContext, settings: Robustness, subject: Subject) -> None:
    """Measure the best cell under every variant."""
    every = asked_variants(settings, subject.parts, subject.scoring, context.study)
    best = context.best(subject)
    made_by = context.cells(subject, best)
    what = f"robustness of {subject.name} in {context.model.name}"
    context.progress(what, 0, len(every))
    for done, variant in enumerate(every, 1):
        context.chunks.table(
            chunk_name(KIND, "samples", context.model.name, subject.name, variant.label),
            [*made_by, variant.behavior.hash, variant.scoring, variant.order],
            _measured(context, subject, best, variant, every[0].behavior),
        )
        context.progress(what, done, len(every))


def _measured(
    context: CheckContext, subject: Subject, best: Grid, variant: Variant, plain: Behavior
) -> Callable[[], pd.DataFrame]:
    def measure() -> pd.DataFrame:
        study = context.study
        frames = variant_batches(
            context.model,
            subject.vector,
            best,
            variant,
            subject.name,
            plain=plain,
            balance=study.balance,
            seed=study.seed,
        )
        samples: pd.DataFrame = pd.concat([pd.DataFrame(), *frames], ignore_index=True)
        return samples

    return measure


def asked_variants(settings: Robustness, parts: Parts, scoring: Scoring, study: Study) -> list[Variant]:
    """Everything that a check of robustness measures.

    Args:
        settings: of the check.
        parts: pairs that made the vector, prompts that chose its cell, and prompts that are reported.
        scoring: how the sweep scored.
        study: whose folder holds the files of `transfer`, and whose seed draws the demonstrations.
    """
    train, select, test = parts
    asked = replace(test, pairs=test.pairs[: settings.prompts])
    # What made the vector or chose its cell is held out from nothing.
    seen = (*train, *select)
    others = _translations(train, seen) if settings.translations else []
    others += [_unseen(dataset(located(source, study.folder)), seen, train.name) for source in settings.transfer]
    return variants(asked, train, scoring, transfer=[other for other in others if len(other)], seed=study.seed)


def _translations(train: Behavior, seen: Sequence[Pair]) -> list[Behavior]:
    """What a built-in behavior, whatever it is called here, says in other languages."""
    own = {content_key(pair) for pair in train}
    ids = {pair.id for pair in seen}
    return [
        replace(loaded, pairs=tuple(pair for pair in loaded if pair.meta.get("of") not in ids))
        for name, translations in TRANSLATIONS.items()
        if own <= {content_key(pair) for pair in BUILT_INS[name].load()}
        for loaded in (translation.load() for translation in translations)
    ]


def _unseen(other: Behavior, seen: Sequence[Pair], behavior: str) -> Behavior:
    """The pairs of another set whose prompts neither made the vector nor chose its cell."""
    prompts = {prompt_key(pair) for pair in seen}
    kept = tuple(pair for pair in other if prompt_key(pair) not in prompts)
    if len(kept) < len(other):
        warnings.warn(
            f"{other.name}: {len(other) - len(kept)} of its prompts made the vector of {behavior} or chose its cell; "
            "they are left out",
            TrimtabWarning,
            stacklevel=2,
        )
    return replace(other, pairs=kept)
