"""One model of a study in a Ray actor: works in the model's share of the run folder, and tells how far it is."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.errors import RunError, TrimtabError
from trimtab.runs.folder import RunFolder
from trimtab.runs.model_setting import ModelSetting
from trimtab.runs.notes import begin_share
from trimtab.runs.work import Job, Work

_TELLS_SECONDS = 0.2
"""Between two tellings."""
_WAITS_SECONDS = 60
"""For a worker before this one, killed but not gone yet."""

Told = dict[tuple[str, str], tuple[int, int]]
"""(model, what is being done) → (done, total)."""


def start_relay(ray: Any, **options: Any) -> Any:
    """An actor that keeps what workers tell until somebody asks.

    Its class stands in here so that Ray takes it as it is: its process then need not import torch to have it.
    """

    class Relay:
        def __init__(self) -> None:
            self.heard: Told = {}

        def tell(self, told: Told) -> None:
            self.heard |= told

        def take(self) -> Told:
            heard, self.heard = self.heard, {}
            return heard

    return ray.remote(Relay).options(**options).remote()


class _Reporter:
    """Progress of one model, told to the relay now and then."""

    def __init__(self, model: str, relay: Any):
        self.model, self.relay = model, relay
        self.untold: Told = {}
        self.since = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        self.untold[self.model, what] = (done, total)
        if time.monotonic() - self.since > _TELLS_SECONDS:
            self.flush()

    def flush(self) -> Any:
        """Tell it now; returns the promise that it was heard."""
        told, self.untold, self.since = self.untold, {}, time.monotonic()
        return self.relay.tell.remote(told)


@dataclass(frozen=True)
class Place:
    """Where the run is, as the driver sees it."""

    start: Path
    """What relative paths of the study begin at."""
    run: Path
    session: str
    """Of the run's manifest, for as long as the driver lives."""


class Worker:
    """An actor: does everything that a study asks of one model, as far as it is not on disk."""

    def __init__(self, job: Job, setting: ModelSetting, place: Place, relay: Any):
        self.job, self.setting, self.place, self.relay = job, setting, place, relay

    def work(self) -> TrimtabError | None:
        """Do it, and return what a person has to see to, if anything stopped it."""
        import ray

        reporter = _Reporter(self.setting.label, self.relay)
        try:
            self._work(reporter)
        except TrimtabError as error:
            return error
        finally:
            ray.get(reporter.flush())
        return None

    def _work(self, reporter: _Reporter) -> None:
        self._require_same_files()
        folder = RunFolder(self.place.run, self.setting.label)
        folder.lock(_WAITS_SECONDS)
        try:
            notes = begin_share(folder, self.setting.label, self.place.session)
            notes.manifest["worker"] = {"host": socket.gethostname(), "pid": os.getpid()}
            notes.write()
            try:
                with notes.listening():
                    Work(self.job, folder, notes, reporter).one_model(self.setting)
            finally:
                notes.write()
        finally:
            folder.close()

    def _require_same_files(self) -> None:
        """Stand where the driver stands.

        Raises:
            RunError: when this machine does not see its folders.
        """
        for folder in (self.place.start, self.place.run):
            if not folder.is_dir():
                raise RunError(
                    f"{socket.gethostname()}: sees no folder {folder}; all nodes of Ray have to see the same files"
                )
        os.chdir(self.place.start)
