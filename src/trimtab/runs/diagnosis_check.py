"""The diagnosis of a behavior's pairs and vectors, into the run folder."""

from __future__ import annotations

import warnings

import pandas as pd

from trimtab.errors import TrimtabWarning
from trimtab.evaluation.diagnosing import Diagnosed, diagnose
from trimtab.evaluation.methods import compare_methods
from trimtab.runs.check_context import CheckContext, Subject
from trimtab.runs.checks import Diagnosis
from trimtab.runs.chunks import chunk_name
from trimtab.vectors import KeptDifferences

KIND = "diagnosis"
METHOD_SAMPLES = "method_samples"


def check_diagnosis(context: CheckContext, settings: Diagnosis, subject: Subject) -> None:
    """Diagnose from one pass over all pairs, and sweep the vectors of other methods where that is asked for."""
    model, study = context.model, context.study
    parts = [part.hash for part in subject.parts]
    made_by = [subject.behavior.hash, *parts, *context.extraction(subject), study.sweep]
    what = f"diagnosing {subject.name} in {model.name}"
    kept: list[KeptDifferences] = []
    found: list[Diagnosed] = []

    def differences() -> KeptDifferences:
        if not kept:
            kept.append(context.differences(subject, subject.behavior, what))
        return kept[0]

    def diagnosed(table: str) -> pd.DataFrame:
        if not found:
            # Where prompts are held out, the layer is to be guessed without them.
            train = [pair.id for pair in subject.parts[0]] if study.sweep else None
            found.append(diagnose(differences(), model, train=train, seed=study.seed))
        owned: pd.DataFrame = found[0].table(table).copy()
        owned.insert(0, "behavior", subject.name)
        owned.insert(0, "model", model.name)
        return owned

    for table in Diagnosed.TABLES:
        name = chunk_name(KIND, table, model.name, subject.name)
        context.chunks.table(name, made_by, lambda table=table: diagnosed(table))  # type: ignore[misc]
    if settings.methods and not any(len(layers) == 1 for layers in subject.grid.layers):
        warnings.warn(
            f"{subject.name}: methods are compared at single layers, and the sweep has none",
            TrimtabWarning,
            stacklevel=2,
        )
    elif settings.methods:
        context.chunks.table(
            chunk_name(KIND, METHOD_SAMPLES, model.name, subject.name),
            [*made_by, *context.cells(subject, subject.grid)],
            lambda: _by_method(context, subject, differences()),
        )


def _by_method(context: CheckContext, subject: Subject, kept: KeptDifferences) -> pd.DataFrame:
    train, select, test = subject.parts
    grid, study = subject.grid, context.study
    what = f"comparing methods for {subject.name} in {context.model.name}"
    return compare_methods(
        context.model,
        kept.subset([pair.id for pair in train]),
        select,
        test,
        layers=[layers[0] for layers in grid.layers if len(layers) == 1],
        positions=grid.positions,
        scoring=subject.scoring,
        balance=study.balance,
        seed=study.seed,
        progress=lambda done, total: context.progress(what, done, total),
    )
