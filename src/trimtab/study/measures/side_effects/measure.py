"""Side effects: other behaviors, plain text, easy questions, tasks of harnesses, neutral replies, random directions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache

import pandas as pd
from torch import Tensor

from trimtab._util.callbacks import StepName
from trimtab.data import NEUTRAL_PROMPTS, NEUTRAL_TEXTS, Behavior, easy_questions, sample
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation import Grid, parse_layers, shown_rows
from trimtab.evaluation.benchmarks import HARNESSES, Benchmark, benchmark_samples
from trimtab.evaluation.replies import prompt_pairs
from trimtab.evaluation.side_effects import (
    easy_samples,
    neutral_replies,
    neutral_surprise,
    random_samples,
    random_vectors,
    shifted_samples,
)
from trimtab.steering import SCALES, PromptGate, layers_label, parse_positions
from trimtab.study.measures._stored_tables import stored_tables
from trimtab.study.measures.base import ChosenSetting, Measure, ScoredPairs, Subject, Unit
from trimtab.study.measures.context import Context
from trimtab.study.measures.side_effects._measured import measured_behaviors
from trimtab.study.measures.side_effects.settings import SideEffects
from trimtab.study.measures.work import ReadPairs, ReadTexts, ScoreRows, WriteReplies


class SideEffectsMeasure(Measure[SideEffects]):
    """What else the vectors of a behavior change."""

    name = "side_effects"
    settings = SideEffects
    tables = stored_tables("side_effects")

    def require(self, settings: SideEffects, behavior: Behavior, label: str) -> None:
        """Refuse tasks of harnesses that are not installed, and files that are missing."""
        for text in settings.tasks:
            name = text.partition(":")[0]
            if name in HARNESSES.names():
                HARNESSES.get(name).require()

    def units(self, settings: SideEffects, subject: Subject) -> Iterator[Unit]:
        """Scores and plain text in every cell of the sweep, then replies, random directions and tasks where chosen."""
        chosen = subject.chosen()
        grid = subject.grid
        if settings.layers is not None:
            grid = _at_layers(grid, settings.layers, subject.n_layers, subject.directed)
        measured = measured_behaviors(settings, subject)
        for cells, about in [(grid, ()), *_missing_cells(grid, chosen)]:
            for other in measured:
                yield _shifts(subject, cells, about, other)
            yield _easy(subject, cells, about)
            if not _why_no_text(cells) and not _confusable(cells, grid):
                yield _neutral_texts(subject, cells, about)
        if reason := _why_no_text(grid):
            warnings.warn(
                f"{subject.name}: {reason}: its perplexity is left out",
                TrimtabWarning,
                stacklevel=2,
            )

        # Where the vector is made of something else, no pair is for it: those that chose its setting stand in.
        shuffled = subject.parts[0] if len(subject.parts[0]) else subject.parts[1]

        @cache
        def differences(context: Context) -> Tensor:
            kept = context.differences(shuffled, StepName(f"read pairs of {subject.name}", "rows", model=subject.model))
            return kept.balanced()

        for number, setting in enumerate(chosen):
            yield _neutral_replies(settings, subject, setting)
            if settings.random:
                read = () if number else (ReadPairs(shuffled, subject.scoring),)
                yield _random_directions(settings, subject, setting, read, differences)
            for text in settings.tasks:
                yield _task(settings, subject, setting, Benchmark.parse(text, subject.study.folder))

    def uncounted(self, settings: SideEffects, subject: Subject) -> list[str]:
        """Tasks of harnesses: how many texts they read and write only the harness knows, once it has their data."""
        if not settings.tasks:
            return []
        limit = "all" if settings.task_limit is None else f"up to {settings.task_limit:,}"
        return [f"the time of tasks, {limit} samples each, unsteered and at each setting: {', '.join(settings.tasks)}"]


SIDE_EFFECTS = SideEffectsMeasure()


def _shifts(subject: Subject, grid: Grid, about: tuple[str, ...], measured: ScoredPairs) -> Unit:
    other, scoring = measured
    study = subject.study
    return Unit(
        table="shifts",
        work=(ScoreRows(shown_rows([("test", other)], scoring, study.balance, study.seed), scoring, grid),),
        compute=lambda context: shifted_samples(
            context.model, context.vector, grid, subject.name, other,
            scoring=scoring, balance=study.balance, seed=study.seed,
        ),
        about=(other.name, *about),
        grid=grid,
        shaped_by=(other.hash, scoring),
        chain="-".join(("shifts", other.name, *about)),
    )  # fmt: skip


def _easy(subject: Subject, grid: Grid, about: tuple[str, ...]) -> Unit:
    questions = easy_questions()
    rows = shown_rows([("test", questions)], "text", "both_orders", 0)
    return Unit(
        table="easy",
        work=(ScoreRows(rows, "text", grid),),
        compute=lambda context: easy_samples(context.model, context.vector, grid, subject.name),
        about=about,
        grid=grid,
        shaped_by=(questions.hash,),
        chain="-".join(("easy", *about)),
    )


def _neutral_texts(subject: Subject, grid: Grid, about: tuple[str, ...]) -> Unit:
    return Unit(
        table="neutral",
        work=(ReadTexts(NEUTRAL_TEXTS, grid),),
        compute=lambda context: neutral_surprise(context.model, context.vector, grid, subject.name),
        about=about,
        grid=grid,
        shaped_by=(list(NEUTRAL_TEXTS),),
        chain="-".join(("neutral", *about)),
    )


def _neutral_replies(settings: SideEffects, subject: Subject, setting: ChosenSetting) -> Unit:
    grid, length = setting.grid, settings.max_new_tokens

    def compute(context: Context) -> pd.DataFrame:
        replies = neutral_replies(
            context.model, context.vector, grid, grid.steered, subject.name, max_new_tokens=length
        )
        table: pd.DataFrame = replies.assign(chosen_by=setting.chosen_by)
        return table

    return Unit(
        table="replies",
        work=(WriteReplies(prompt_pairs(NEUTRAL_PROMPTS), "text", grid, length, read_behind=1),),
        compute=compute,
        about=setting.about,
        grid=grid,
        shaped_by=(setting.chosen_by, length, list(NEUTRAL_PROMPTS)),
    )


def _random_directions(
    settings: SideEffects,
    subject: Subject,
    setting: ChosenSetting,
    read: tuple[ReadPairs, ...],
    differences: Callable[[Context], Tensor],
) -> Unit:
    study, scoring = subject.study, subject.scoring
    test = sample(subject.parts[2], settings.prompts, study.seed)

    def compute(context: Context) -> pd.DataFrame:
        others = random_vectors(context.vector, differences(context), settings.random, study.seed)
        frames = random_samples(
            context.model, context.vector, others, setting.grid, test, scoring,
            balance=study.balance, seed=study.seed,
        )  # fmt: skip
        table: pd.DataFrame = pd.concat(list(frames), ignore_index=True).assign(chosen_by=setting.chosen_by)
        return table

    rows = shown_rows([("test", test)], scoring, study.balance, study.seed)
    return Unit(
        table="random",
        work=(*read, ScoreRows(rows, scoring, setting.grid, vectors=1 + 2 * settings.random)),
        compute=compute,
        about=setting.about,
        grid=setting.grid,
        shaped_by=(setting.chosen_by, test.hash, settings.random),
    )


def _task(settings: SideEffects, subject: Subject, setting: ChosenSetting, benchmark: Benchmark) -> Unit:
    limit = settings.task_limit

    def compute(context: Context) -> pd.DataFrame:
        found = benchmark_samples(context.model, context.vector, setting.grid, subject.name, benchmark, limit=limit)
        table: pd.DataFrame = found.assign(chosen_by=setting.chosen_by)
        return table

    return Unit(
        table="tasks",
        work=(),
        compute=compute,
        about=(benchmark.name, *setting.about),
        grid=setting.grid,
        shaped_by=(setting.chosen_by, limit, benchmark.key),
        is_apart=True,  # its program asks as it likes, writing among it
    )


def _why_no_text(grid: Grid) -> str:
    """Why no plain text is read under a grid; empty where it is."""
    if not parse_positions(grid.positions).may_push_text:
        return f"positions {grid.positions} push no token of a plain text"
    if isinstance(grid.setting.gate, PromptGate):
        return "a plain text has no prompt on which the condition could be decided"
    return ""


def _confusable(cells: Grid, grid: Grid) -> bool:
    """Whether cells of another scale have layer and strength of a swept one, which the table of plain text lacks."""
    return cells.scale != grid.scale and bool(set(cells.steered) & set(grid.steered))


def _missing_cells(grid: Grid, chosen: Sequence[ChosenSetting]) -> list[tuple[Grid, tuple[str, ...]]]:
    """The cells of the recommended setting that the grid lacks."""
    found = []
    for setting in (s for s in chosen if s.about):
        same = setting.grid.scale == grid.scale
        missing = tuple(cell.strength for cell in setting.grid.steered if not (same and cell in grid.steered))
        if missing:
            found.append((replace(setting.grid, strengths=missing), setting.about))
    return found


def _at_layers(grid: Grid, layers: str, n_layers: int, directed: tuple[int, ...] | None) -> Grid:
    """The cells at some layers; with strengths that were found for each cell, only at layers that were swept."""
    sets = parse_layers(layers, n_layers, directed)
    missing = [s for s in sets if s not in grid.layers] if grid.alphas is not None else []
    if missing:
        swept = ", ".join(map(layers_label, grid.layers))
        what = "strengths in nats" if SCALES.get(grid.scale).in_nats else "bounds"
        raise SettingError(f"side_effects: layers {layers!r} were not swept; {what} are known at {swept}")
    return replace(grid, layers=sets)
