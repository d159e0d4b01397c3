"""Baselines: system prompts, few-shot prompts, other vectors and the study's own, on the same prompts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import pandas as pd

from trimtab.analysis.baselines.arm_names import FEW_SHOT, FINE_TUNED, PLAIN, SYSTEM_PROMPT
from trimtab.data import NEUTRAL_PROMPTS, NEUTRAL_TEXTS, Behavior
from trimtab.errors import TrimtabWarning
from trimtab.evaluation import OTHER_PROMPTS, Grid, shown_rows
from trimtab.evaluation.baselines.arms import THE_MODEL, Arm, first_easy
from trimtab.evaluation.baselines.fine_tuning import require_installed
from trimtab.evaluation.dose import TOKENS
from trimtab.study._unscored import prompts_of
from trimtab.study.measures._stored_tables import stored_tables
from trimtab.study.measures.base import Measure, Subject, Unit
from trimtab.study.measures.baselines._baseline_run import BaselineRun
from trimtab.study.measures.baselines._chosen_settings import vector_scores
from trimtab.study.measures.baselines._comparison import Comparison, comparison, joined, require_texts
from trimtab.study.measures.baselines._lora_run import lora_tables
from trimtab.study.measures.baselines._reply_run import (
    judge_again,
    judge_replies,
    replies_of,
    reply_prompts,
    write_replies,
)
from trimtab.study.measures.baselines.settings import Baselines
from trimtab.study.measures.context import Context
from trimtab.study.measures.grids import grid_key, narrowed, trained_layers
from trimtab.study.measures.replies.judging import highest_cost
from trimtab.study.measures.replies.settings import Replies
from trimtab.study.measures.work import ReadPairs, ReadTexts, ScoreRows, TrainVectors, Work, WriteReplies
from trimtab.vectors import AGGREGATIONS
from trimtab.vectors.training import TrainedAggregation

Arms = Callable[[BaselineRun], Sequence[Arm]]
TABLES = stored_tables("baselines")
REPLYING_ARMS = 9
"""System prompts, the vector at two settings, both together, each for and against, and the contrary prompt."""


class BaselinesMeasure(Measure[Baselines]):
    """What else than the vector one could do to get a behavior, on the same held-out prompts."""

    name = "baselines"
    settings = Baselines
    is_apart = True  # it measures time, and its arms are chosen one from another
    tables = TABLES
    needs_scores = False

    def unfit(self, behavior: Behavior) -> str:
        """That there is nothing to ask; empty where there is."""
        return "" if prompts_of(behavior) else "no prompts to ask"

    def require(self, settings: Baselines, behavior: Behavior, label: str) -> None:
        """Refuse a behavior that no system prompt can be made for, and fine-tuning without the package for it."""
        require_texts(settings, behavior, label)
        if settings.lora:
            require_installed()

    def units(self, settings: Baselines, subject: Subject) -> Iterator[Unit]:
        """The plain model, then each arm: its scores, its dose and costs, and the easy questions under it."""
        compared = comparison(settings, subject)

        @cache
        def running(context: Context) -> BaselineRun:
            return BaselineRun(context, compared)

        planned = _Planned(compared, running)
        if compared.is_scored:
            yield from self._of_scores(compared, planned)
        replies = replies_of(subject, compared)
        if replies is not None:
            yield from planned.replies(replies)
        elif not compared.is_scored:
            warnings.warn(
                f"baselines of {subject.name}: there are no completions to score, and the study has no replies to "
                "judge, so nothing is compared; add `replies` to the study",
                TrimtabWarning,
                stacklevel=2,
            )

    def costs(self, settings: Baselines, subject: Subject) -> list[str]:
        """What judging the replies of the arms would cost at most, a line for each judge that costs anything."""
        judged = sum(piece.judged for piece in self.work(settings, subject) if isinstance(piece, WriteReplies))
        replies = subject.study.replies
        if replies is None or not judged:
            return []
        return highest_cost(replies, subject.setting.label, subject.behavior, judged)

    def _of_scores(self, compared: Comparison, planned: _Planned) -> Iterator[Unit]:
        """The units that score pairs."""
        yield planned.scores(PLAIN, lambda run: [THE_MODEL], 1, both=True)
        yield from planned.easy(PLAIN, lambda run: [THE_MODEL], 1)
        yield from planned.prompts(SYSTEM_PROMPT, lambda run: run.wordings, lambda run: run.system_arms())
        if compared.shots:
            yield from planned.prompts(FEW_SHOT, lambda run: run.few_shot_arms(), None)
        for method in (compared.method, *compared.other_methods):
            yield from planned.vectors(method)
        yield from planned.prompts("prompt and vector", lambda run: run.combined_arms(), None)
        if compared.settings.lora:
            yield from planned.fine_tuning()


BASELINES = BaselinesMeasure()


class _Planned:
    """Makes the units of a comparison."""

    def __init__(self, compared: Comparison, running: Callable[[Context], BaselineRun]):
        self.compared, self.running = compared, running
        self.subject = compared.subject

    def scores(self, about: str, arms: Arms, count: int, *, both: bool = False, more: tuple[Work, ...] = ()) -> Unit:
        """The scores of some arms on the prompts that report; with `both` on those that choose, too."""
        parts = ("select", "test") if both else ("test",)
        return self._unit(
            "scores",
            about,
            lambda run: run.scores(about, arms(run), parts),
            (*[self._scoring(parts)] * count, *more),
        )

    def prompts(self, about: str, arms: Arms, chosen: Arms | None) -> Iterator[Unit]:
        """The units of arms that change the prompt; where several wordings are tried, the chosen ones are dosed."""
        count = 2 if chosen is None else sum(map(len, self.compared.texts.values()))
        yield self.scores(about, arms, count, both=chosen is not None)
        yield from self._measured(about, chosen or arms, 2)

    def vectors(self, method: str) -> Iterator[Unit]:
        """The units of a vector: its candidates on the prompts that choose, then the chosen settings."""
        compared, subject = self.compared, self.subject
        about, other = vector_scores(method), method != compared.method
        calibrating = ReadTexts(NEUTRAL_PROMPTS, self._narrow, chat=True, reply_tokens=TOKENS, passes=12)
        work: tuple[Work, ...] = (calibrating,)
        shaped_by: tuple[object, ...] = (method, compared.settings.dose)
        if other and AGGREGATIONS.get(method).trained:
            shaped_by = (*shaped_by, compared.settings.training)
        if other:
            choosing = shown_rows(
                [("select", compared.select)], subject.scoring, subject.study.balance, subject.study.seed
            )
            work = (
                ReadPairs(compared.train, subject.scoring),
                *self._training(method),
                ScoreRows(choosing, subject.scoring, subject.grid),
                *work,
            )
        yield self._unit(
            "scores",
            about,
            lambda run: joined([run.candidates(method), run.scores(about, run.choose_vector_arms(method))]),
            (*[self._scoring(("test",), self._narrow)] * 2, *work),
            shaped_by,
        )
        yield from self._measured(about, lambda run: run.vector_arms(method), 4, shaped_by)

    def _training(self, method: str) -> tuple[Work, ...]:
        """The training of another method's vector, if it is a trained one."""
        subject, found = self.subject, AGGREGATIONS.get(method)
        if not isinstance(found, TrainedAggregation):
            return ()
        settings = found.settings(self.compared.settings.training_of(subject.study.training_settings))
        layers = trained_layers(subject.study, subject.n_layers)
        return (TrainVectors(self.compared.train, subject.scoring, found, settings, layers),)

    def fine_tuning(self) -> Iterator[Unit]:
        """The units of the adapters, which are trained once for all of them."""
        settings = self.compared.settings

        @cache
        def tables(run: BaselineRun) -> dict[str, pd.DataFrame]:
            return lora_tables(run)

        shaped_by = (*self._of_adapter, settings.easy)
        for number, table in enumerate(("scores", "arms", "easy") if settings.easy else ("scores", "arms")):
            work = self._tuning if number == 0 else (self._scoring(("test",)),)
            yield self._unit(table, FINE_TUNED, lambda run, table=table: tables(run)[table], work, shaped_by)  # type: ignore[misc]

    @property
    def _of_adapter(self) -> tuple[object, ...]:
        """What shapes the adapters."""
        return "lora", self.compared.settings.lora_rank, self.compared.settings.lora_steps

    @property
    def _tuning(self) -> tuple[Work, ...]:
        """Training both adapters: a step reads a row there and back, about three times the work of reading it."""
        train = self.compared.train
        steps = max(1, round(3 * 4 * self.compared.settings.lora_steps / max(1, len(train))))
        return (ReadPairs(train, self.subject.scoring),) * (2 * steps)

    def replies(self, replies: Replies) -> Iterator[Unit]:
        """The replies of every arm, and what judges make of them."""
        subject, label = self.subject, self.subject.setting.label
        prompts = reply_prompts(self.compared, replies)
        arms = REPLYING_ARMS + 2 * bool(self.compared.shots) + 2 * self.compared.is_fine_tuned
        writing = WriteReplies(
            prompts, "text", self._narrow, replies.max_new_tokens, replies=len(prompts) * (1 + arms),
            judged=len(prompts) * arms, read_behind=1 + OTHER_PROMPTS, read_beside=NEUTRAL_TEXTS,
        )  # fmt: skip
        judges = [judge.fingerprint(subject.behavior) for judge in replies.judges if judge.covers(label)]
        shaped_by: tuple[object, ...] = (
            [pair.id for pair in prompts], replies.max_new_tokens, judges, self.compared.settings.dose
        )  # fmt: skip
        work: tuple[Work, ...] = (writing,)
        if self.compared.is_fine_tuned:
            shaped_by, work = (*shaped_by, *self._of_adapter), (writing, *self._tuning)
        yield self._unit(
            "replies", "replies", lambda run: write_replies(run, replies), work, shaped_by, recommends=True
        )
        yield self._unit(
            "judgements", "replies", lambda run: judge_replies(run, replies), (), shaped_by, recommends=True,
            mend=lambda run, before: judge_again(run, replies, before),
        )  # fmt: skip

    def easy(self, about: str, arms: Arms, count: int, shaped_by: tuple[object, ...] = ()) -> Iterator[Unit]:
        """The easy questions under some arms, if any are wanted."""
        if not self.compared.settings.easy:
            return
        rows = shown_rows([("test", first_easy(self.compared.settings.easy))], "text", "both_orders", 0)
        work = (ScoreRows(rows, "text", self._narrow),) * count
        yield self._unit(
            "easy", about, lambda run: run.easy(about, arms(run)), work, (*shaped_by, self.compared.settings.easy)
        )

    def _measured(self, about: str, arms: Arms, count: int, shaped_by: tuple[object, ...] = ()) -> Iterator[Unit]:
        reading = ReadTexts(NEUTRAL_PROMPTS, self._narrow, chat=True, reply_tokens=TOKENS, passes=count)
        yield self._unit("arms", about, lambda run: run.costs(arms(run)), (reading,), shaped_by)
        yield from self.easy(about, arms, count, shaped_by)

    @property
    def _narrow(self) -> Grid:
        """One cell, standing for the one that is chosen."""
        grid = self.subject.grid
        layers, strength = grid.steered[len(grid.steered) // 2]
        return narrowed(grid, layers, strength)

    def _scoring(self, parts: Sequence[str], grid: Grid | None = None) -> ScoreRows:
        subject, study = self.subject, self.subject.study
        chosen = [part for part in self.compared.parts if part[0] in parts]
        rows = shown_rows(chosen, subject.scoring, study.balance, study.seed)
        return ScoreRows(rows, subject.scoring, grid)

    def _unit(
        self,
        table: str,
        about: str,
        compute: Callable[[BaselineRun], pd.DataFrame],
        work: tuple[Work, ...],
        shaped_by: tuple[object, ...] = (),
        recommends: bool = False,
        mend: Callable[[BaselineRun, pd.DataFrame], pd.DataFrame] | None = None,
    ) -> Unit:
        recommended = getattr(self.subject, "recommended", None) if recommends else None
        return Unit(
            table=table,
            work=work,
            compute=lambda context: _whole(table, compute(self.running(context))),
            mend=None if mend is None else lambda context, before: _whole(table, mend(self.running(context), before)),
            about=(about,),
            grid=self.subject.grid,
            shaped_by=(*self.compared.shaping(about), *shaped_by, *([grid_key(recommended)] if recommended else [])),
        )


def _whole(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The table with all of its columns: what is left out leaves one without rows, which is not computed again."""
    columns = list(TABLES[name].schema)
    if list(table.columns) == columns:
        return table
    whole: pd.DataFrame = table[columns] if len(table) else pd.DataFrame(columns=columns)
    return whole
