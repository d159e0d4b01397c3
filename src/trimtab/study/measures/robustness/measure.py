"""Robustness: the effect of the chosen settings under variants of the prompts."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from trimtab.data import BUILT_INS, TRANSLATIONS, AskedTexts, Behavior, Pair, dataset
from trimtab.data.hash_order import content_key, prompt_key
from trimtab.errors import TrimtabWarning
from trimtab.evaluation.robustness import Variant, variant_batches, variant_rows, variants
from trimtab.study._file_locations import located
from trimtab.study.measures._stored_tables import stored_tables
from trimtab.study.measures.base import ChosenSetting, Measure, Subject, Unit
from trimtab.study.measures.context import Context
from trimtab.study.measures.robustness.settings import Robustness
from trimtab.study.measures.work import ScoreRows


class RobustnessMeasure(Measure[Robustness]):
    """How well an effect holds under paraphrases, system prompts, option orders and other pairs."""

    name = "robustness"
    settings = Robustness
    tables = stored_tables("robustness")

    def units(self, settings: Robustness, subject: Subject) -> Iterator[Unit]:
        """One unit for each chosen setting and variant of the prompts."""
        study = subject.study
        every = measured_variants(settings, subject)
        plain = every[0].behavior
        for setting in subject.chosen():
            for variant in every:
                rows = variant_rows(variant, study.balance, study.seed)
                yield Unit(
                    table="samples",
                    work=(ScoreRows(rows, variant.scoring, setting.grid),),
                    compute=lambda context, setting=setting, variant=variant: _samples(  # type: ignore[misc]
                        context, setting, variant, plain
                    ),
                    about=(variant.label, *setting.about),
                    grid=setting.grid,
                    shaped_by=(setting.chosen_by, variant.behavior.hash, variant.scoring, variant.order),
                    chain="-".join((variant.label, *setting.about)),
                )


ROBUSTNESS = RobustnessMeasure()


def _samples(context: Context, setting: ChosenSetting, variant: Variant, plain: Behavior) -> pd.DataFrame:
    study = context.subject.study
    frames = variant_batches(
        context.model,
        context.vector,
        setting.grid,
        variant,
        context.subject.name,
        plain=plain,
        balance=study.balance,
        seed=study.seed,
    )
    # A variant that is left out leaves a table without rows, which is not computed again.
    nothing = pd.DataFrame(columns=list(ROBUSTNESS.tables["samples"].schema))
    samples: pd.DataFrame = pd.concat(list(frames) or [nothing], ignore_index=True)
    named: pd.DataFrame = samples.assign(chosen_by=setting.chosen_by)
    return named


def measured_variants(settings: Robustness, subject: Subject) -> list[Variant]:
    """All variants of the test prompts and other pairs that the vector is measured on."""
    train, select, test = subject.parts
    asked = replace(test, pairs=test.pairs[: settings.prompts])
    # Pairs that made the vector or chose its cell are not held out.
    seen = (*train, *select)
    others = _translations((*seen, *test), seen) if settings.translations else []
    others += [
        _unseen(dataset(located(source, subject.study.folder)), seen, subject.made_of, train.name)
        for source in settings.transfer
    ]
    transfer = [other for other in others if len(other)]
    # Where the vector is made of something else, the pairs that chose its setting become earlier turns.
    shown = train if len(train) else select
    return variants(asked, shown, subject.scoring, transfer=transfer, seed=subject.study.seed)


def _translations(pairs: Sequence[Pair], seen: Sequence[Pair]) -> list[Behavior]:
    """The translations of the built-in behavior that these pairs are of, whatever the study calls it."""
    own = {content_key(pair) for pair in pairs}
    ids = {pair.id for pair in seen}
    return [
        replace(loaded, pairs=tuple(pair for pair in loaded if pair.meta.get("of") not in ids))
        for name, translations in TRANSLATIONS.items()
        if own <= {content_key(pair) for pair in BUILT_INS[name].load()}
        for loaded in (translation.load() for translation in translations)
    ]


def _unseen(other: Behavior, seen: Sequence[Pair], made_of: AskedTexts, behavior: str) -> Behavior:
    """The pairs of another set whose prompts neither made the vector nor chose its cell."""
    prompts = {prompt_key(pair) for pair in seen}
    unseen = tuple(pair for pair in other if prompt_key(pair) not in prompts and not made_of.hold(pair.prompt))
    if len(unseen) < len(other):
        warnings.warn(
            f"{other.name}: {len(other) - len(unseen)} of its prompts made the vector of {behavior} or chose its cell; "
            "they are left out",
            TrimtabWarning,
            stacklevel=2,
        )
    return replace(other, pairs=unseen)
