"""The recorder of a run: writes what is done into the manifest as it happens, warnings included."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from trimtab.errors import RunError, TrimtabWarning
from trimtab.inputs.secrets import command_line
from trimtab.models.fingerprint import UNKNOWN, difference
from trimtab.store.manifest import (
    AskedEntry,
    BehaviorEntry,
    BoundEntry,
    ConditionEntry,
    JudgeEntry,
    Manifest,
    ModelEntry,
    ReusedJudgeName,
    ShareManifest,
    VectorEntry,
    WarningEntry,
    merged,
    share_of,
)
from trimtab.store.open_manifest import M, OpenManifest
from trimtab.store.run_folder import RunFolder
from trimtab.store.share_folder import ShareFolder
from trimtab.study.settings.study_file import Study
from trimtab.vectors import versions

SHUTDOWN_TIMEOUT_SECONDS = 30
"""For workers of a run that was killed: they notice it a little later."""


class Recorder(OpenManifest[M]):
    """Records the work on a run, or on a share of it, in its manifest.

    Args:
        folder: The run's folder, or the share's.
        manifest: Its manifest.
        model: The model that is worked on; empty if none is. Warnings are recorded with it.
    """

    def __init__(self, folder: RunFolder, manifest: M, model: str = ""):
        super().__init__(folder, manifest)
        self.model = model
        self.warned: list[str] = []
        """Warnings since this process began."""

    def enter(self, entry: ModelEntry | BehaviorEntry | VectorEntry | AskedEntry | ConditionEntry | BoundEntry) -> None:
        """Record an entry, in place of one from before a stop."""
        self.update(self.manifest.with_entry(entry))

    def add_seconds(self, step: str, seconds: float, model: str, behavior: str = "") -> None:
        """Count the seconds that a step took. They are written with the next change."""
        self.manifest = self.manifest.with_seconds(step, seconds, model, behavior)

    def judged_by(self, model: str, behavior: str, judges: Sequence[Mapping[str, Any]]) -> None:
        """Record the judges of a model and behavior, in place of those that were asked before.

        Args:
            model: The model.
            behavior: The behavior.
            judges: Fields of `JudgeEntry`, without the model; `former_definition` may be the definition that a manifest
                of schema 1 holds of the same judge.

        Raises:
            RunError: When a name belonged to another judge before: its judgements would count as this one's.
        """
        former = {judge["name"]: judge.get("former_definition", "") for judge in judges}
        fields = [{k: value for k, value in judge.items() if k != "former_definition"} for judge in judges]
        entries = [JudgeEntry(**{**judge, "model": model}) for judge in fields]
        try:
            changed = self.manifest.with_judges(model, behavior, entries, former)
        except ReusedJudgeName as reused:
            raise RunError(
                f"{self.folder.path}: the judge {reused.name!r} was another judge when it judged {behavior} in this "
                "run (other settings or pairs, or another version of trimtab's judge); give the new one its own `name`"
            ) from None
        self.update(changed)

    def require_same_model(self, name: str, fingerprint: str, template_hash: str) -> None:
        """Refuse to continue with another model under the same name.

        Raises:
            RunError: When weights, configuration or chat template differ from those that this run began with, or
                cannot be compared.
        """
        entry = self.manifest.model_named(name)
        if entry is None:
            return
        if found := _change(entry, fingerprint, template_hash):
            raise RunError(f"{self.folder.path}: {name} {found}; start a new run in another folder with -o")
        if not fingerprint:
            warnings.warn(
                f"{self.folder.path}: cannot verify that {name} is the model that this run began with: its weights "
                "have no fingerprint, as with quantized ones in vLLM",
                TrimtabWarning,
                stacklevel=2,
            )

    @contextmanager
    def working_on(self, model: str) -> Iterator[None]:
        """Record warnings as being about a model."""
        before, self.model = self.model, model
        try:
            yield
        finally:
            self.model = before

    @contextmanager
    def recording_warnings(self) -> Iterator[None]:
        """Write warnings into the manifest at once, so that they outlive whatever stops the run."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", TrimtabWarning)

            def record(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
                if issubclass(category, TrimtabWarning):
                    self.add_warnings([WarningEntry(text=str(message), model=self.model)])

            warnings.showwarning = record
            yield

    def repeat_warnings(self) -> None:
        """Issue the recorded warnings to the caller."""
        for text in self.warned:
            warnings.warn(text, TrimtabWarning, stacklevel=3)

    def add_warnings(self, entries: Sequence[WarningEntry]) -> None:
        """Record warnings."""
        self.warned = list(dict.fromkeys([*self.warned, *(entry.text for entry in entries)]))
        self.update(self.manifest.with_warnings(entries))


class RunRecorder(Recorder[Manifest]):
    """The recorder of a whole run, which merges the shares of models that are worked on side by side."""

    def merge_share(self, model: str, wait_seconds: float = 0) -> None:
        """Merge the share of a model and delete it, once its worker has released it.

        Raises:
            RunError: When a worker still holds it.
        """
        share = ShareFolder(self.folder.path, model)
        share.lock(wait_seconds)
        try:
            if share.has_manifest():
                found = share.share_manifest()
                self.manifest = merged(self.manifest, found)
                self.add_warnings(found.warnings)
                share.drop()
        finally:
            share.close()

    def finish(self, study: Study) -> None:
        """Mark the run as finished, with its models in the order of the study."""
        in_order = self.manifest.in_order_of([model.label for model in study.models])
        self.update(in_order.replace(status="finished"))
        self.folder.close_shares()


def _change(entry: ModelEntry, fingerprint: str, template_hash: str) -> str:
    """How a model differs from its entry; empty if it does not."""
    if entry.fingerprint != fingerprint:
        return {
            "weights": "has other weights than when this run began",
            "configuration": "has another configuration than when this run began (rotary base, epsilon, activation, …)",
        }.get(
            difference(entry.fingerprint, fingerprint),
            f"cannot be compared with the one that this run began with ({UNKNOWN})",
        )
    if entry.template_hash not in (None, template_hash):
        return "has another chat template than when this run began"
    return ""


def begin(folder: RunFolder, study: Study, identity: str) -> RunRecorder:
    """Begin a run, or continue it, with what workers of a killed run have left.

    Raises:
        RunError: When one of those workers is still running.
    """
    now: dict[str, Any] = {
        # Written again for a run that continues: the groups of its models may have changed.
        "settings": study.model_dump(mode="json"),
        "folder": str(study.folder.absolute()),
        "status": "running",
        # A worker of a killed run that starts only now finds another session, and stops.
        "session": secrets.token_hex(8),
    }
    manifest = folder.manifest().replace(**now) if folder.identity() else _new_manifest(folder, identity, now)
    recorder = RunRecorder(folder, manifest)
    recorder.write()
    if folder.is_shared:
        for model in study.models:
            recorder.merge_share(model.label, SHUTDOWN_TIMEOUT_SECONDS)
        folder.wait_for_workers(SHUTDOWN_TIMEOUT_SECONDS)
    return recorder


def _new_manifest(folder: RunFolder, identity: str, now: Mapping[str, Any]) -> Manifest:
    return Manifest(
        name=folder.path.resolve().name or "run",
        identity=identity,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=command_line(),
        trimtab_version=versions()["trimtab"],
        versions=versions(),
        models=(),
        behaviors=(),
        vectors=(),
        judges=(),
        judge_definitions=(),
        asked=(),
        warnings=(),
        timings=(),
        **now,
    )


def require_session(folder: ShareFolder, session: str) -> Manifest:
    """The manifest of the run that a worker was started for.

    Raises:
        RunError: When another process has taken the run over.
    """
    whole = folder.manifest()
    if whole.session != session:
        raise RunError(f"{folder.path}: another process has taken this run over")
    return whole


def begin_share(folder: ShareFolder, model: str, session: str) -> Recorder[ShareManifest]:
    """Begin the share of a model that is worked on beside others, or continue that of a killed worker.

    Args:
        folder: The share, locked.
        model: The model.
        session: Session of the run that the worker was started for.

    Raises:
        RunError: When another process has taken the run over.
    """
    whole = require_session(folder, session)
    manifest = folder.share_manifest() if folder.has_manifest() else share_of(whole, model)
    return Recorder(folder, manifest, model)
