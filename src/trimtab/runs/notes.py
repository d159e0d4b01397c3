"""What a run says of itself: its manifest, written anew whenever it grows, and what was warned of."""

from __future__ import annotations

import secrets
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from trimtab.errors import RunError, TrimtabWarning
from trimtab.runs.folder import RunFolder
from trimtab.runs.settings import Study
from trimtab.runs.shares import merged, share_of
from trimtab.vectors import versions

_KEYS = {
    "models": ("name",),
    "behaviors": ("name",),
    "vectors": ("model", "behavior"),
    "asked": ("model", "behavior"),
}
_GOODBYE_SECONDS = 30
"""For workers of a run that was killed: they notice it a little later."""


class Notes:
    """The manifest of a run, or that of a share, which is about one model."""

    def __init__(self, folder: RunFolder, manifest: dict[str, Any]):
        self.folder, self.manifest = folder, manifest
        self.warned: list[str] = []
        """Since this process began."""

    def write(self) -> None:
        """Keep it as it is now."""
        self.folder.write_manifest(self.manifest)

    def enter(self, kind: str, entry: dict[str, Any]) -> None:
        """Put an entry into the manifest, in place of the one a stopped run left."""
        keys = _KEYS[kind]
        same = [e for e in self.manifest[kind] if all(e[k] == entry[k] for k in keys)]
        self.manifest[kind] = [e for e in self.manifest[kind] if e not in same] + [entry]
        self.write()

    def took(self, what: str, seconds: float) -> None:
        """Count the seconds that something took, all stops aside."""
        self.manifest["seconds"][what] = round(self.manifest["seconds"].get(what, 0.0) + seconds, 2)

    def judged_by(self, model: str, behavior: str, judges: Sequence[dict[str, Any]]) -> None:
        """Name the judges of a behavior, those that are asked no more left out.

        Raises:
            RunError: when another judge bore the name of one of them: its judgements would pass for this one's.
        """
        before = self.manifest["judges_before"]
        for judge in judges:
            key = f"{model}/{behavior}/{judge['name']}"
            if before.setdefault(key, judge["definition"]) != judge["definition"]:
                raise RunError(
                    f"{self.folder.path}: the judge {judge['name']!r} was another one when it judged {behavior} in "
                    "this run; give the new one a `name` of its own"
                )
        others = [e for e in self.manifest["judges"] if (e["model"], e["behavior"]) != (model, behavior)]
        self.manifest["judges"] = others + [{"model": model, **judge} for judge in judges]
        self.write()

    def require_same_weights(self, model: str, fingerprint: str) -> None:
        """Refuse to go on with other weights.

        Raises:
            RunError: when the model had others when this run began.
        """
        for entry in self.manifest["models"]:
            if entry["name"] == model and entry["fingerprint"] != fingerprint:
                raise RunError(
                    f"{self.folder.path}: {model} has other weights than when this run began; start a new run"
                )

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Keep what is warned of for the report, at once, so that it outlives whatever stops the run."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", TrimtabWarning)

            def hear(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
                if issubclass(category, TrimtabWarning):
                    self._warned([str(message)])

            warnings.showwarning = hear
            yield

    def tell(self) -> None:
        """Warn the caller of what was heard."""
        for text in self.warned:
            warnings.warn(text, TrimtabWarning, stacklevel=3)

    def _warned(self, texts: Sequence[str]) -> None:
        self.warned = list(dict.fromkeys([*self.warned, *texts]))
        self.manifest["warnings"] = list(dict.fromkeys([*self.manifest["warnings"], *texts]))
        self.write()

    def take_in(self, model: str, wait_seconds: float = 0) -> None:
        """Merge what a share says, once nobody works on it any more.

        Raises:
            RunError: when somebody still does.
        """
        share = RunFolder(self.folder.path, model)
        share.lock(wait_seconds)
        try:
            if share.has_begun():
                told = share.manifest()
                self.manifest.update(merged(self.manifest, told))
                self._warned(told["warnings"])
                share.drop()
        finally:
            share.close()

    def finish(self, study: Study) -> None:
        """Say that all is there, with the models in the study's order."""
        place = {model.label: index for index, model in enumerate(study.models)}
        for kind, key in (("models", "name"), ("vectors", "model"), ("judges", "model"), ("asked", "model")):
            self.manifest[kind].sort(key=lambda entry: place.get(entry[key], len(place)))
        self.manifest["status"] = "finished"
        self.write()
        self.folder.close_shares()


def begin(folder: RunFolder, study: Study, identity: str) -> Notes:
    """The manifest of a run that begins or goes on, with what the workers of a killed run have left.

    Raises:
        RunError: when one of them is still at work.
    """
    before = folder.manifest() if folder.identity() else {}
    manifest: dict[str, Any] = before or {
        "name": folder.path.name,
        "identity": identity,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(["trimtab", *sys.argv[1:]]),
        "trimtab_version": versions()["trimtab"],
        "versions": versions(),
        "models": [],
        "behaviors": [],
        "vectors": [],
        "judges": [],
        "judges_before": {},
        "asked": [],
        "warnings": [],
        "seconds": {},
    }
    # Written anew on a resumed run: its groups may have changed.
    manifest["settings"] = study.model_dump(mode="json")
    manifest["folder"] = str(study.folder.absolute())
    manifest["status"] = "running"
    # A worker of a killed run that begins only now finds another session, and leaves.
    manifest["session"] = secrets.token_hex(8)
    notes = Notes(folder, manifest)
    notes.write()
    if folder.is_shared:
        for model in study.models:
            notes.take_in(model.label, _GOODBYE_SECONDS)
    return notes


def begin_share(folder: RunFolder, model: str, session: str) -> Notes:
    """The manifest of one model that is worked on beside others, or that a killed worker has left.

    Args:
        folder: the model's share, locked.
        model: its name.
        session: that of the run which the worker was hired for.

    Raises:
        RunError: when the run is in other hands by now.
    """
    whole = RunFolder(folder.path).manifest()
    if whole.get("session") != session:
        raise RunError(f"{folder.path}: another process has taken this run over")
    return Notes(folder, folder.manifest() if folder.has_begun() else share_of(whole, model))
