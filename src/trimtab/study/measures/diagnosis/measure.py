"""Diagnosis: what a vector is made of, how stable it is and the choice of layer, from one pass over all of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import pandas as pd

from trimtab._util.callbacks import StepName
from trimtab.data import Behavior, SetContrast
from trimtab.errors import TrimtabWarning
from trimtab.evaluation import Grid, resolve_scoring, shown_rows
from trimtab.evaluation.diagnosing import Diagnosed, diagnose, diagnose_contrast
from trimtab.evaluation.methods import STRENGTHS, Material, compare_methods, count_vectors
from trimtab.steering import SteeringSetting
from trimtab.study._unscored import UnscoredBehavior
from trimtab.study.measures._stored_tables import stored_tables
from trimtab.study.measures.base import NO_PAIRS, Measure, Subject, Unit
from trimtab.study.measures.context import Context
from trimtab.study.measures.diagnosis.settings import Diagnosis
from trimtab.study.measures.work import ReadExamples, ReadPairs, ScoreRows, Work
from trimtab.vectors import ContrastStates, StateDifferences

METHOD_SAMPLES = "method_samples"


class DiagnosisMeasure(Measure[Diagnosis]):
    """Whether pairs and vectors are good, and which layer heuristics pick."""

    name = "diagnosis"
    settings = Diagnosis
    tables = stored_tables("diagnosis")
    needs_scores = False

    def units(self, settings: Diagnosis, subject: Subject) -> Iterator[Unit]:
        """One unit for each table; the first counts the pass over the pairs that all are made from."""
        study, behavior, contrast = subject.study, subject.behavior, subject.vector_contrast

        def key(context: Context) -> list[Any]:
            # In this order: run folders hold digests of it.
            own = [behavior.hash, *(part.hash for part in subject.parts), *context.shaping(None), study.sweep]
            return own if contrast is None else [*own, contrast.hash]

        @cache
        def material(context: Context) -> Material:
            what = f"read all pairs of {subject.name}" if contrast is None else f"read the contrast of {subject.name}"
            return context.vector_material(StepName(what, "rows", model=subject.model))

        @cache
        def diagnosed(context: Context) -> Diagnosed:
            found = material(context)
            if isinstance(found, ContrastStates):
                return diagnose_contrast(found, context.model, seed=study.seed)
            # Where prompts are held out, the layer is guessed without them.
            train = [pair.id for pair in subject.parts[0]] if study.sweep and contrast is None else None
            return diagnose(found, context.model, train=train, seed=study.seed)

        def owned(context: Context, name: str) -> pd.DataFrame:
            table: pd.DataFrame = diagnosed(context).table(name).copy()
            table.insert(0, "behavior", subject.name)
            table.insert(0, "model", subject.model)
            return table

        for number, name in enumerate(Diagnosed.OF_LISTS if isinstance(contrast, SetContrast) else Diagnosed.TABLES):
            yield Unit(
                table=name,
                work=() if number else (_reading(subject),),
                compute=lambda context, name=name: owned(context, name),  # type: ignore[misc]
                key=key,
            )
        if not settings.methods:
            return
        if isinstance(behavior, UnscoredBehavior):
            warnings.warn(
                f"{subject.name}: methods are not compared: there are {NO_PAIRS}", TrimtabWarning, stacklevel=2
            )
            return
        singles = tuple(layers for layers in subject.grid.layers if len(layers) == 1)
        if singles:
            yield Unit(
                table=METHOD_SAMPLES,
                work=(_method_work(subject, singles),),
                compute=lambda context: _by_method(context, subject, singles, material(context)),
                grid=subject.grid,
                key=lambda context: [*key(context), *context.shaping(subject.grid)],
            )
        else:
            warnings.warn(
                f"{subject.name}: methods are compared at single layers, and the sweep has none",
                TrimtabWarning,
                stacklevel=2,
            )


DIAGNOSIS = DiagnosisMeasure()


def _method_work(subject: Subject, singles: tuple[tuple[int, ...], ...]) -> ScoreRows:
    study, (_, select, test) = subject.study, subject.parts
    rows = shown_rows([("select", select), ("test", test)], subject.scoring, study.balance, study.seed)
    grid = Grid(singles, STRENGTHS, _pushed_alike(subject))
    vectors = count_vectors(has_pairs=not isinstance(subject.vector_contrast, SetContrast))
    return ScoreRows(rows, subject.scoring, grid, vectors)


def _pushed_alike(subject: Subject) -> SteeringSetting:
    """How the vectors of all methods are pushed: as far as each other, where and when the study does."""
    return SteeringSetting("relative", subject.grid.positions, gate=subject.grid.setting.gate)


def _reading(subject: Subject) -> Work:
    """The pass over what the vector is made of."""
    found = subject.vector_contrast
    if found is None:
        return ReadPairs(subject.behavior, subject.scoring)
    if isinstance(found, Behavior):
        return ReadPairs(found, resolve_scoring(found, "auto"))
    return ReadExamples([*found.positive, *found.negative])


def _by_method(
    context: Context, subject: Subject, singles: tuple[tuple[int, ...], ...], material: Material
) -> pd.DataFrame:
    train, select, test = subject.parts
    if isinstance(material, StateDifferences) and subject.vector_contrast is None:
        material = material.subset([pair.id for pair in train])
    study = subject.study
    what = StepName(f"compare methods for {subject.name}", "rows", model=subject.model)
    return compare_methods(
        context.model,
        material,
        select,
        test,
        layers=[layers[0] for layers in singles],
        positions=subject.grid.positions,
        gate=subject.grid.setting.gate,
        scoring=subject.scoring,
        balance=study.balance,
        seed=study.seed,
        progress=lambda done, total: context.progress(what, done, total),
    )
