"""What else a behavior's vectors move, into the run folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from trimtab.analysis import EASY
from trimtab.data import NEUTRAL_PROMPTS, NEUTRAL_TEXTS, Behavior, dataset, easy_questions, sample
from trimtab.data.seeded import content_key
from trimtab.engines import Scoring
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation import Grid, parse_layers, resolve_scoring
from trimtab.evaluation.side_effects import (
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
from trimtab.runs.settings import Study
from trimtab.runs.sources import located

KIND = "side_effects"
OWN = ("cheerful", "permissive", "concise", "sycophancy", "corrigible", "power-seeking")
"""Built-in behaviors that are measured where a study has too few others of its own."""
FEWEST = 4
"""So many other behaviors are measured at least."""


def check_side_effects(
    context: CheckContext, settings: SideEffects, subject: Subject, subjects: Sequence[Subject]
) -> None:
    """Measure other behaviors, plain text, easy questions, replies to neutral prompts, and random directions."""
    model, name, vector = context.model, subject.name, subject.vector
    grid, best = subject.grid, context.best(subject)
    if settings.layers is not None:
        grid = _narrowed(grid, settings.layers, model.facts.layers)
    own = (subject.parts[2], subject.scoring)
    measured = watched(settings, own, [(o.parts[2], o.scoring) for o in subjects], subject.behavior, context.study)
    cells = context.cells(subject, grid)
    at_best = context.cells(subject, best)
    making: list[tuple[str, tuple[str, ...], list[Any], Callable[[], pd.DataFrame]]] = [
        ("shifts", (other.name,), [*cells, other.hash, scoring], _shifts(context, subject, grid, other, scoring))
        for other, scoring in measured
    ]
    making += [
        ("easy", (), [*cells, easy_questions().hash], lambda: easy_samples(model, vector, grid, name)),
        (
            "replies", (), [*at_best, settings.max_new_tokens, list(NEUTRAL_PROMPTS)],
            lambda: neutral_replies(model, vector, best, best.steered, name, max_new_tokens=settings.max_new_tokens),
        ),
    ]  # fmt: skip
    if grid.positions == "prompt":
        warnings.warn(
            f"{name}: pushes of the prompt only move no plain text, so its perplexity is left out",
            TrimtabWarning,
            stacklevel=2,
        )
    else:
        texts = [*cells, list(NEUTRAL_TEXTS)]
        making.append(("neutral", (), texts, lambda: neutral_surprise(model, vector, grid, name)))
    if settings.random:
        made_by = [*at_best, sample(subject.parts[2], settings.prompts, context.study.seed).hash, settings.random]
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
    study = context.study
    train, test = subject.parts[0], sample(subject.parts[2], settings.prompts, study.seed)
    kept = context.differences(subject, train, f"reading the pairs of {subject.name}")
    others = random_vectors(subject.vector, kept.balanced(), settings.random, study.seed)
    frames = random_samples(
        context.model, subject.vector, others, best, test, subject.scoring, balance=study.balance, seed=study.seed
    )
    return pd.concat(list(frames), ignore_index=True)


Watched = tuple[Behavior, Scoring]
"""Prompts whose scores are watched, and how they are scored."""


def watched(
    settings: SideEffects, own: Watched, others: Sequence[Watched], whole: Behavior, study: Study
) -> list[Watched]:
    """The behaviors that a check of side effects measures, the subject's own first.

    Args:
        settings: of the check.
        own: the test part of the behavior whose vectors steer.
        others: those of all behaviors of the study.
        whole: all pairs of the behavior whose vectors steer: what shares pairs with it is no other behavior.
        study: whose folder holds files, and whose seed says which prompts are taken of each.

    Raises:
        SettingError: when a behavior is called as the easy questions are.
    """
    of_study = {behavior.name: (behavior, scoring) for behavior, scoring in others}
    names = list(settings.measure or ())
    if settings.measure is None:
        names = [*of_study, *(name for name in OWN if name not in of_study)]
    found, pairs = {own[0].name: own}, {content_key(pair) for pair in whole}
    for name in names:
        if settings.measure is None and name not in of_study and len(found) > FEWEST:
            break
        behavior, scoring = of_study[name] if name in of_study else _loaded(name, study)
        if behavior.name not in found and not any(content_key(pair) in pairs for pair in behavior):
            found[behavior.name] = (behavior, scoring)
    if EASY in found:
        raise SettingError(f"a behavior is called {EASY!r}, as the questions are that are asked beside it; rename it")
    return [(sample(behavior, settings.prompts, study.seed), scoring) for behavior, scoring in found.values()]


def _loaded(name: str, study: Study) -> Watched:
    behavior = dataset(located(name, study.folder))
    return behavior, resolve_scoring(behavior, "auto")


def _narrowed(grid: Grid, layers: str, n_layers: int) -> Grid:
    """The cells at some layers; with strengths that were found for each cell, at layers that were swept."""
    sets = parse_layers(layers, n_layers)
    missing = [s for s in sets if s not in grid.layers] if grid.alphas is not None else []
    if missing:
        swept = ", ".join("+".join(map(str, s)) for s in grid.layers)
        raise SettingError(f"side_effects: layers {layers!r} were not swept; strengths in nats are known at {swept}")
    return replace(grid, layers=sets)
