"""The contract of a measure: one thing that a study can measure, as units that planning counts and running computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from trimtab.data import NOTHING_ASKED, AnyContrast, AskedTexts, Behavior
from trimtab.engines import Scoring
from trimtab.evaluation import Grid
from trimtab.store.table_schemas import Table
from trimtab.study._unscored import UnscoredBehavior, examples_of
from trimtab.study.measures.settings import MeasureSettings
from trimtab.study.measures.work import Work, WriteReplies
from trimtab.study.settings.behavior_setting import BehaviorSetting
from trimtab.study.settings.study_file import Study

if TYPE_CHECKING:
    import pandas as pd

    from trimtab.study.measures.context import Context

NO_PAIRS = "no pairs of completions that can be scored"
"""What a behavior lacks that scores, and what is chosen by scores, need."""

ScoredPairs = tuple[Behavior, Scoring]
"""Pairs, and how they are scored."""


@dataclass(frozen=True)
class ChosenSetting:
    """A setting that a measure looks at, and what chose it."""

    chosen_by: str
    """`scores`, `replies`, or `scores and replies`, as tables have it."""
    grid: Grid
    """Its cell only, at both signs as far as both were tried."""

    @property
    def about(self) -> tuple[str, ...]:
        """What sets its tables apart: those of the setting that scores chose have their plain names."""
        return ("recommended",) if self.chosen_by == "replies" else ()


@dataclass(frozen=True, eq=False)
class Subject(ABC):
    """One behavior of a study in one model, as measures see it.

    The run has one with the real model behind it, the plan one with stand-ins for what only a run can know.
    """

    study: Study
    model: str
    """Label of the model."""
    n_layers: int
    setting: BehaviorSetting
    behavior: Behavior
    """Its pairs; an `UnscoredBehavior` where it has none to score."""
    parts: tuple[Behavior, Behavior, Behavior]
    """For the vector, for choosing the layer, for reporting."""
    scoring: Scoring
    """How its pairs are scored, if it has any."""
    others: Sequence[ScoredPairs] = ()
    """The test parts of all behaviors of the study that can be scored in this model, this one included."""
    made_of: AskedTexts = NOTHING_ASKED
    """What the contrast asks that the vector is made of, where that is no part of the pairs."""
    contrast: AnyContrast | None = None
    """That contrast; None where the vector is made of the training part."""
    refused: Collection[str] = ()
    """Names of the study's behaviors that this model cannot be asked."""
    directed: tuple[int, ...] | None = None
    """The layers at which the vector has a direction; None where that is not known yet."""

    @property
    def vector_contrast(self) -> AnyContrast | None:
        """What the vector is made of, where that is not the behavior's pairs; without a sweep nothing is held out."""
        if self.contrast is None and isinstance(self.behavior, UnscoredBehavior):
            return examples_of(self.parts[0] if self.study.sweep else self.behavior)
        return self.contrast

    @property
    def name(self) -> str:
        """The behavior's name in tables."""
        return self.behavior.name

    @property
    @abstractmethod
    def grid(self) -> Grid:
        """The cells of the sweep.

        Raises:
            RunError: When nothing was swept.
        """

    @abstractmethod
    def chosen(self) -> list[ChosenSetting]:
        """The settings to look at: the best cell by scores, and the one that judged replies recommend, if another."""

    @abstractmethod
    def obstacle(self, behavior: Behavior, scoring: Scoring) -> str:
        """Why the model cannot be asked these pairs; empty where it can, or where that is not known."""


@dataclass(frozen=True)
class Unit:
    """A part of a measure that is computed at once and stored as one table."""

    table: str
    """Which of the measure's tables."""
    work: tuple[Work, ...]
    """What computing it takes, for planning."""
    compute: Callable[[Context], pd.DataFrame] | None = None
    """Computes the table; None where the measure's own `run` adds row by row."""
    mend: Callable[[Context, pd.DataFrame], pd.DataFrame] | None = None
    """Completes a stored table in which something failed that may succeed now; gives the same one where nothing did."""
    about: tuple[str, ...] = ()
    """What sets its file apart from others of the table, beside model and behavior."""
    grid: Grid | None = None
    """The cells that it steers; None where it steers nothing."""
    shaped_by: tuple[Any, ...] = ()
    """Everything else its numbers depend on, as JSON could hold it: hashes of pairs, settings. The model, how pairs are
    presented and, with a grid, the vector and the cells are added when it is run."""
    key: Callable[[Context], list[Any]] | None = None
    """Makes everything that its numbers depend on, in place of `shaped_by` and what is added to that."""
    chain: str = ""
    """Units of one chain are computed one after the other, as one may use what another has read. Those of different
    chains share streams over the weights of a model that is streamed from disk."""
    is_apart: bool = False
    """Whether nothing else may run beside it; it is so with everything that writes."""

    @property
    def runs_apart(self) -> bool:
        """Whether it is computed when nothing else runs: it writes, which takes the memory that there is."""
        return self.is_apart or any(isinstance(piece, WriteReplies) for piece in self.work)


Settings = TypeVar("Settings", bound=MeasureSettings)


class Measure(ABC, Generic[Settings]):
    """One thing that a study can measure.

    A measure yields its work unit by unit: planning counts the units' `work`, running computes their tables, each of
    which is stored and computed again only if what shapes it has changed.
    """

    name: ClassVar[str]
    """The key in the study file, the folder of its tables."""
    settings: type[Settings] | None = None
    """What stands under the key; None where the study's own keys say all."""
    tables: ClassVar[Mapping[str, Table]] = {}
    """Its tables; each is stored as `<name>/<table>`, one file for each unit."""
    grows: ClassVar[bool] = False
    """Whether its tables grow row by row while a behavior is worked on, so that its `run` is its own."""
    is_apart: ClassVar[bool] = False
    """Whether none of its units may run beside anything else, as where it measures time."""
    needs_scores: ClassVar[bool] = True
    """Whether it needs pairs of completions that can be scored, or a setting that their scores chose."""

    @property
    def label(self) -> str:
        """The name in messages and plans."""
        return self.name.replace("_", " ")

    @property
    def has_costs(self) -> bool:
        """Whether it may pay for something: it says itself what."""
        return type(self).costs is not Measure.costs

    def unfit(self, behavior: Behavior) -> str:
        """What a behavior lacks that it needs, whatever the model; empty where it can be made."""
        return NO_PAIRS if self.needs_scores and isinstance(behavior, UnscoredBehavior) else ""

    def require(self, settings: Settings, behavior: Behavior, label: str) -> None:
        """Refuse settings that a behavior rules out, before anything is run.

        Args:
            settings: Of the measure.
            behavior: All of its pairs.
            label: Its name in the study.

        Raises:
            SettingError: With what to change.
        """

    @abstractmethod
    def units(self, settings: Settings, subject: Subject) -> Iterable[Unit]:
        """The work for one behavior in one model."""

    def work(self, settings: Settings, subject: Subject) -> Iterator[Work]:
        """All pieces of work of all units."""
        for unit in self.units(settings, subject):
            yield from unit.work

    def costs(self, settings: Settings, subject: Subject) -> list[str]:
        """What services would charge at most, a line each; for a measure that pays for something."""
        return []

    def uncounted(self, settings: Settings, subject: Subject) -> list[str]:
        """What it runs that no plan can count, a line each for people."""
        return []
