"""The manifest of a run, and that of a share of it, as frozen models: every change is a new, validated manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field, model_validator

from trimtab.store.manifest.entries import (
    AskedEntry,
    BehaviorEntry,
    BoundEntry,
    CachedTableEntry,
    ConditionEntry,
    Entries,
    Entry,
    JudgeDefinition,
    JudgeEntry,
    ModelEntry,
    Name,
    Source,
    TimingEntry,
    VectorEntry,
    WarningEntry,
    WorkerEntry,
)

if TYPE_CHECKING:
    from typing_extensions import Self

SCHEMA_VERSION: Final = 2
"""1 had no such field: timings, cached tables and former judges were mappings whose keys named models in text."""

_FIELDS: dict[type[Entry], tuple[str, tuple[str, ...]]] = {
    ModelEntry: ("models", ("name",)),
    BehaviorEntry: ("behaviors", ("name",)),
    VectorEntry: ("vectors", ("model", "behavior")),
    AskedEntry: ("asked", ("model", "behavior")),
    ConditionEntry: ("conditions", ("model", "behavior")),
    BoundEntry: ("bounds", ("model", "behavior")),
    CachedTableEntry: ("cached_tables", ("name",)),
}
"""Where an entry belongs, and what tells it apart from others there."""
OWNERS = {
    "models": "name",
    **dict.fromkeys(
        ("vectors", "judges", "judge_definitions", "asked", "conditions", "bounds", "cached_tables", "timings"), "model"
    ),
}
"""Lists whose entries belong to one model each, and the field that names it."""


class ReusedJudgeName(Exception):
    """A judge has the name of another one that judged in this run before."""

    def __init__(self, name: str):
        super().__init__(name)
        self.name = name


class Records(Entry):
    """What the manifest of a run and that of a share both hold."""

    schema_version: Literal[2] = SCHEMA_VERSION
    models: Entries[ModelEntry]
    behaviors: Entries[BehaviorEntry]
    vectors: Entries[VectorEntry]
    warnings: Entries[WarningEntry]
    judges: Entries[JudgeEntry] = ()
    judge_definitions: Entries[JudgeDefinition] = ()
    asked: Entries[AskedEntry] = ()
    conditions: Entries[ConditionEntry] = ()
    """Of studies that steer under a condition on the prompt."""
    bounds: Entries[BoundEntry] = ()
    """Of studies whose strengths are percentiles of projections."""
    timings: Entries[TimingEntry] = ()
    cached_tables: Entries[CachedTableEntry] = ()
    vectors_given: bool = False
    """Whether the run steers with vectors that it did not extract."""

    def replace(self, **changes: Any) -> Self:
        """Return this manifest with other values in some fields; the result is validated."""
        present = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).model_validate({**present, **changes})

    def with_entry(
        self,
        entry: ModelEntry | BehaviorEntry | VectorEntry | AskedEntry | ConditionEntry | BoundEntry | CachedTableEntry,
    ) -> Self:
        """Return this manifest with an entry, in place of an earlier one about the same thing."""
        field, keys = _FIELDS[type(entry)]
        others = [e for e in getattr(self, field) if any(getattr(e, key) != getattr(entry, key) for key in keys)]
        return self.replace(**{field: (*others, entry)})

    def with_judges(
        self, model: str, behavior: str, judges: Sequence[JudgeEntry], former: Mapping[str, str] = MappingProxyType({})
    ) -> Self:
        """Return this manifest with these judges of a model and behavior, in place of the present ones.

        Args:
            model: The model.
            behavior: The behavior.
            judges: Its judges.
            former: By name, the definition that schema 1 had of the same judge. Where one is recorded, the present
                definition takes its place.

        Raises:
            ReusedJudgeName: When a name belonged to another judge before.
        """
        present = {judge.name: judge.definition for judge in judges}
        definitions = [
            definition.model_copy(update={"definition": present[definition.name]})
            if (definition.model, definition.behavior) == (model, behavior)
            and definition.name in present
            and definition.definition == former.get(definition.name)
            else definition
            for definition in self.judge_definitions
        ]
        known = {(j.model, j.behavior, j.name): j.definition for j in definitions}
        new = []
        for judge in judges:
            key = (judge.model, judge.behavior, judge.name)
            if known.get(key, judge.definition) != judge.definition:
                raise ReusedJudgeName(judge.name)
            if key not in known:
                known[key] = judge.definition
                new.append(JudgeDefinition(model=key[0], behavior=key[1], name=key[2], definition=judge.definition))
        others = [j for j in self.judges if (j.model, j.behavior) != (model, behavior)]
        return self.replace(judges=(*others, *judges), judge_definitions=(*definitions, *new))

    def with_seconds(self, step: str, seconds: float, model: str, behavior: str = "") -> Self:
        """Return this manifest with seconds added to those that a step has taken so far."""
        timings = list(self.timings)
        same = [i for i, t in enumerate(timings) if (t.step, t.model, t.behavior) == (step, model, behavior)]
        before = timings[same[0]].seconds if same else 0.0
        entry = TimingEntry(step=step, model=model, behavior=behavior, seconds=round(before + seconds, 2))
        if same:
            timings[same[0]] = entry
        else:
            timings.append(entry)
        return self.replace(timings=tuple(timings))

    def with_warnings(self, warnings: Iterable[WarningEntry]) -> Self:
        """Return this manifest with more warnings; each is listed once."""
        known = {(w.text, w.model): w for w in (*self.warnings, *warnings)}
        return self.replace(warnings=tuple(known.values()))

    def without_tables(self, names: Collection[str]) -> Self:
        """Return this manifest without some of the cached tables."""
        return self.replace(cached_tables=tuple(t for t in self.cached_tables if t.name not in names))

    def model_named(self, name: str) -> ModelEntry | None:
        """The entry of a model; None if the run does not have it."""
        return next((model for model in self.models if model.name == name), None)


class ShareManifest(Records):
    """The manifest of one model that is worked on beside others."""

    model: Name
    worker: WorkerEntry | None = None


class Manifest(Records):
    """The manifest of a run: of a study, or of imported results."""

    name: Name
    identity: Name
    """Hash of everything that shapes the run's numbers."""
    created: str
    command: str
    trimtab_version: str
    settings: dict[str, Any]
    status: Literal["running", "finished"]
    sources: Entries[Source] | None = None
    """Files of imported results; None for a study."""
    versions: dict[str, str] = Field(default={})
    folder: str = ""
    """Folder that relative paths of the study begin in."""
    session: str = ""
    """Random, and another one for each start of the run."""

    def in_order_of(self, models: Sequence[str]) -> Manifest:
        """Return this manifest with the entries of each model in the order of these names."""
        place = {model: index for index, model in enumerate(models)}
        changes: dict[str, Any] = {}
        for field in ("models", "vectors", "judges", "asked", "conditions", "bounds"):
            entries = getattr(self, field)
            places = [place.get(getattr(entry, OWNERS[field]), len(place)) for entry in entries]
            changes[field] = tuple(entries[i] for i in sorted(range(len(entries)), key=places.__getitem__))
        return self.replace(**changes)

    @model_validator(mode="after")
    def _require_study_fields(self) -> Manifest:
        study = ("versions", "judges", "judge_definitions", "asked", "timings", "folder", "session")
        missing = [key for key in study if key not in self.model_fields_set]
        if self.sources is None and missing:
            raise ValueError(f"{', '.join(missing)} missing")
        replies = self.settings.get("replies")
        if replies is not None and not isinstance(replies, dict):
            raise ValueError("settings.replies is not a mapping of settings")
        lowest = (replies or {}).get("min_coherence", 0)
        if isinstance(lowest, bool) or not isinstance(lowest, int | float) or not 0 <= lowest <= 10:
            raise ValueError(f"settings.replies.min_coherence is a number from 0 to 10, not {lowest!r}")
        return self
