"""Running measures: which of them a study has for a behavior, and their tables, computed or read from the run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from trimtab.data import Behavior
from trimtab.store.cached_tables import TableName
from trimtab.study._unscored import UnscoredBehavior
from trimtab.study.measures.base import Measure, Subject, Unit
from trimtab.study.measures.context import Context
from trimtab.study.measures.projection.settings import Projections
from trimtab.study.measures.registry import MEASURES, OF_STUDY
from trimtab.study.settings.identity import shaping_part
from trimtab.study.settings.study_file import Study
from trimtab.study.step_names import measuring


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

    Args:
        contexts: One for each behavior in one model.
    """
    for context in contexts:
        for measure, settings in measures_of(context.subject):
            if not measure.grows:
                started = time.monotonic()
                _compute(measure, settings, context)
                seconds = time.monotonic() - started
                context.add_seconds(measure.label, seconds, context.model.name, context.subject.name)


def _compute(measure: Measure[Any], settings: Any, context: Context) -> None:
    subject = context.subject
    units = list(measure.units(settings, subject))
    what = measuring(measure.label, subject.name, subject.model)
    context.progress(what, 0, len(units))
    for done, unit in enumerate(units, 1):
        compute = unit.compute
        assert compute is not None, f"{measure.name}: a unit of a measure that does not grow computes its table"
        context.tables.table(
            TableName(measure.name, unit.table, subject.model, subject.name, unit.about),
            _key(unit, settings, context),
            lambda compute=compute: compute(context),  # type: ignore[misc]
            None if unit.mend is None else partial(unit.mend, context),
        )
        context.progress(what, done, len(units))


def _key(unit: Unit, settings: Any, context: Context) -> list[Any]:
    """Everything that a unit's numbers depend on, the settings that the measure itself marks as shaping included."""
    key = unit.key(context) if unit.key else [*context.shaping(unit.grid), *unit.shaped_by]
    shaping = shaping_part(settings) if settings is not None else {}
    return [*key, shaping] if shaping else key
