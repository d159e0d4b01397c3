"""What else a behavior's vectors move, into the run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from trimtab.analysis import EASY
from trimtab.data import Behavior, dataset
from trimtab.engines import Scoring
from trimtab.evaluation import Grid, parse_layers, resolve_scoring
from trimtab.evaluation.side_effects import (
    FEWEST,
    OWN,
    easy_samples,
    neutral_replies,
    neutral_surprise,
    random_samples,
    random_vectors,
    shifted_samples,
)
from trimtab.runs.check_context import CheckContext, Subject
from trimtab.runs.checks import SideEffects
from trimtab.runs.chunks import chunk_name

KIND = "side_effects"


def check_side_effects(
    context: CheckContext, settings: SideEffects, subject: Subject, subjects: Sequence[Subject]
) -> None:
    """Measure other behaviors, plain text, easy questions, replies to neutral prompts, and random directions."""
    model, name, vector = context.model, subject.name, subject.vector
    grid, best = subject.grid, context.best(subject)
    if settings.layers is not None:
        grid = replace(grid, layers=parse_layers(settings.layers, model.facts.layers))
    measured = watched(
        settings, (subject.parts[2], subject.scoring), [(other.parts[2], other.scoring) for other in subjects]
    )
    cells = context.cells(subject, grid)
    at_best = context.cells(subject, best)
    making: list[tuple[str, tuple[str, ...], list[Any], Callable[[], pd.DataFrame]]] = [
        ("shifts", (other.name,), [*cells, other.hash, scoring], _shifts(context, subject, grid, other, scoring))
        for other, scoring in measured
    ]
    making += [
        ("shifts", (EASY,), cells, lambda: easy_samples(model, vector, grid, name)),
        ("neutral", (), cells, lambda: neutral_surprise(model, vector, grid, name)),
        (
            "replies", (), [*at_best, settings.max_new_tokens],
            lambda: neutral_replies(model, vector, best, best.steered, name, max_new_tokens=settings.max_new_tokens),
        ),
    ]  # fmt: skip
    if settings.random:
        made_by = [*at_best, _first(subject.parts[2], settings.prompts).hash, settings.random]
        making.append(("random", (), made_by, lambda: _random(context, settings, subject, best)))
    what = f"side effects of {name} in {model.name}"
    context.progress(what, 0, len(making))
    for done, (table, about, made_by, make) in enumerate(making, 1):
        context.chunks.table(chunk_name(KIND, table, model.name, name, *about), made_by, make)
        context.progress(what, done, len(making))


def _shifts(
    context: CheckContext, subject: Subject, grid: Grid, other: Behavior, scoring: Scoring
) -> Callable[[], pd.DataFrame]:
    study = context.study
    return lambda: shifted_samples(
        context.model,
        subject.vector,
        grid,
        subject.name,
        other,
        scoring=scoring,
        balance=study.balance,
        seed=study.seed,
    )


def _random(context: CheckContext, settings: SideEffects, subject: Subject, best: Grid) -> pd.DataFrame:
    train, test = subject.parts[0], _first(subject.parts[2], settings.prompts)
    study = context.study
    kept = context.differences(subject, train, f"reading the pairs of {subject.name}")
    others = random_vectors(subject.vector, kept.balanced(), settings.random, study.seed)
    frames = random_samples(
        context.model, subject.vector, others, best, test, subject.scoring, balance=study.balance, seed=study.seed
    )
    return pd.concat(list(frames), ignore_index=True)


Watched = tuple[Behavior, Scoring]
"""Prompts whose scores are watched, and how they are scored."""


def watched(settings: SideEffects, own: Watched, others: Sequence[Watched]) -> list[Watched]:
    """The behaviors that a check of side effects measures, the subject's own first.

    Args:
        settings: of the check.
        own: the test part of the behavior whose vectors steer.
        others: those of all behaviors of the study.
    """
    found = {own[0].name: own}
    names: Sequence[str] = settings.measure or ()
    if settings.measure is None:
        for other in others:
            found.setdefault(other[0].name, other)
        names = [name for name in OWN if name not in found][: max(0, FEWEST + 1 - len(found))]
    for behavior in map(dataset, names):
        found.setdefault(behavior.name, (behavior, resolve_scoring(behavior, "auto")))
    return [(_first(behavior, settings.prompts), scoring) for behavior, scoring in found.values()]


def _first(behavior: Behavior, prompts: int) -> Behavior:
    return replace(behavior, pairs=behavior.pairs[:prompts])
