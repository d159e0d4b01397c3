"""Running measures: which of them a study has for a behavior, and their tables, computed or read from the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from trimtab.data import Behavior
from trimtab.engines import run_side_by_side, seconds_of, shares_streams
from trimtab.models import Facts
from trimtab.store.cached_tables import TableName
from trimtab.study._unscored import UnscoredBehavior
from trimtab.study.measures.base import Measure, Subject, Unit
from trimtab.study.measures.context import Context
from trimtab.study.measures.projection.settings import Projections
from trimtab.study.measures.registry import MEASURES, OF_STUDY
from trimtab.study.measures.work import ReadPairs, Work, states_read
from trimtab.study.settings.identity import shaping_part
from trimtab.study.settings.study_file import Study
from trimtab.study.step_names import measuring
from trimtab.vectors import AGGREGATIONS
from trimtab.vectors.aggregations import StreamedAggregation


def measures_of(subject: Subject) -> Iterator[tuple[Measure[Any], Any]]:
    """The measures that a study has for a behavior in a model, with their settings; None for those of its own keys."""
    about = (subject.model, subject.setting.label, subject.behavior.is_choice)
    for measure, settings in wanted_measures(subject.study, subject.behavior):
        if (settings is None or settings.covers(*about)) and not measure.unfit(subject.behavior):
            yield measure, settings


def wanted_measures(study: Study, behavior: Behavior) -> Iterator[tuple[Measure[Any], Any]]:
    """The measures that a study asks for, be it only in other models and behaviors, and that a behavior gets by itself.

    Where nothing can be scored, held-out examples are projected without being asked for, unless the study says no.
    """
    wanted = study.measures
    if isinstance(behavior, UnscoredBehavior) and study.projection is None and study.sweep:
        wanted |= {"projection": Projections()}
    for name in MEASURES.names():
        if name in wanted or name in OF_STUDY:
            yield MEASURES.get(name), wanted.get(name)


def tables_of(study: Study) -> list[str]:
    """Names of the measures of a study whose tables are stored whole."""
    return [name for name in study.measures if not MEASURES.get(name).grows]


def run_measures(contexts: Sequence[Context]) -> None:
    """Compute the tables of every measure that is added to a swept behavior, as far as they are not in the run.

    On a streamed model, chains of units of all behaviors and measures share streams over its weights; what writes, and
    what measures time, comes behind them, one after the other.

    Args:
        contexts: One for each behavior in one model.
    """
    every = [
        MeasureRun(measure, settings, context)
        for context in contexts
        for measure, settings in measures_of(context.subject)
        if not measure.grows
    ]
    if not contexts or not shares_streams(contexts[0].model):
        for run in every:
            run.compute(run.units)
        return
    beside = [run for run in every if not run.measure.is_apart]
    chains = [(run, chain) for run in beside for chain in chains_of(run.units)]
    facts = contexts[0].model.facts
    run_side_by_side(
        contexts[0].model,
        [partial(run.compute, chain) for run, chain in chains],
        [held_bytes((piece for unit in chain for piece in unit.work), facts) for _, chain in chains],
    )
    for run in every:
        run.compute([unit for unit in run.units if run.measure.is_apart or unit.runs_apart])


def chains_of(units: Sequence[Unit]) -> list[list[Unit]]:
    """The units that may run beside others, in chains of those that may not run beside each other."""
    chains: dict[str, list[Unit]] = {}
    for unit in units:
        if not unit.runs_apart:
            chains.setdefault(unit.chain, []).append(unit)
    return list(chains.values())


def held_bytes(works: Iterable[Work], facts: Facts) -> int:
    """What a chain of units that reads states holds in memory: differences, and the states of one side."""
    return sum(states_read(piece) for piece in works) * facts.layers * facts.width * 4


def extraction_bytes(method: str, behavior: Behavior, facts: Facts) -> int:
    """What an extraction holds until its end: nothing but sums, or the states of every row."""
    if isinstance(AGGREGATIONS.get(method), StreamedAggregation):
        return 0
    return held_bytes([ReadPairs(behavior, "choice" if behavior.is_choice else "text")], facts)


@dataclass(eq=False)
class MeasureRun:
    """A measure of one behavior in one model, while it is computed."""

    measure: Measure[Any]
    settings: Any
    context: Context
    done: int = 0

    @cached_property
    def units(self) -> list[Unit]:
        """All of them."""
        return list(self.measure.units(self.settings, self.context.subject))

    def compute(self, units: Sequence[Unit]) -> None:
        """Compute the tables of some of the units, one after the other."""
        context, subject = self.context, self.context.subject
        clock = seconds_of(context.model)
        started = clock()
        self._report()
        for unit in units:
            compute = unit.compute
            assert compute is not None, f"{self.measure.name}: a unit of a measure that does not grow has `compute`"
            context.tables.table(
                TableName(self.measure.name, unit.table, subject.model, subject.name, unit.about),
                _key(unit, self.settings, context),
                partial(compute, context),
                None if unit.mend is None else partial(unit.mend, context),
            )
            self.done += 1
            self._report()
        context.add_seconds(self.measure.label, clock() - started, context.model.name, subject.name)

    def _report(self) -> None:
        what = measuring(self.measure.label, self.context.subject.name, self.context.subject.model)
        self.context.progress(what, self.done, len(self.units))


def _key(unit: Unit, settings: Any, context: Context) -> list[Any]:
    """Everything that a unit's numbers depend on, the settings that the measure itself marks as shaping included."""
    key = unit.key(context) if unit.key else [*context.shaping(unit.grid), *unit.shaped_by]
    shaping = shaping_part(settings) if settings is not None else {}
    return [*key, shaping] if shaping else key
