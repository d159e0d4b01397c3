"""One model of a study in a Ray actor: works in the model's share of the run folder and reports its progress."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.errors import RunError, TrimtabError
from trimtab.store.manifest import WorkerEntry
from trimtab.store.share_folder import ShareFolder
from trimtab.study._model_runner import Job, Work
from trimtab.study._recorder import begin_share
from trimtab.study.settings.model_setting import ModelSetting

_REPORT_INTERVAL_SECONDS = 0.2
_LOCK_TIMEOUT_SECONDS = 60
"""For the worker before this one, which may have been killed and not be gone yet."""

Updates = dict[tuple[str, str], tuple[int, int]]
"""(model, step) → (done, total)."""


def start_relay(ray: Any, **options: Any) -> Any:
    """Start an actor that collects the progress of the workers until the driver fetches it.

    Its class is local to this function so that Ray sends its code: its process then need not import torch.
    """

    class Relay:
        def __init__(self) -> None:
            self.updates: Updates = {}

        def put(self, updates: Updates) -> None:
            self.updates |= updates

        def take(self) -> Updates:
            updates, self.updates = self.updates, {}
            return updates

    return ray.remote(Relay).options(**options).remote()


class _Reporter:
    """Sends the progress of one model to the relay every fraction of a second."""

    def __init__(self, model: str, relay: Any):
        self.model, self.relay = model, relay
        self.updates: Updates = {}
        self.since = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        self.updates[self.model, what] = (done, total)
        if time.monotonic() - self.since > _REPORT_INTERVAL_SECONDS:
            self.flush()

    def flush(self) -> Any:
        """Send now; returns the Ray reference of the call."""
        updates, self.updates, self.since = self.updates, {}, time.monotonic()
        return self.relay.put.remote(updates)


@dataclass(frozen=True)
class Place:
    """The folders of the run, as the driver sees them."""

    start: Path
    """Folder that relative paths of the study begin in."""
    run: Path
    session: str
    """Session of the run's manifest, for as long as the driver lives."""


class Worker:
    """An actor that does everything that a study asks of one model and that is not on disk yet."""

    def __init__(self, job: Job, setting: ModelSetting, place: Place, relay: Any):
        self.job, self.setting, self.place, self.relay = job, setting, place, relay

    def work(self) -> TrimtabError | None:
        """Do the work, and return the error that stopped it, if the user has to act on one."""
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
        folder = ShareFolder(self.place.run, self.setting.label)
        folder.lock(_LOCK_TIMEOUT_SECONDS)
        try:
            recorder = begin_share(folder, self.setting.label, self.place.session)
            worker = WorkerEntry(host=socket.gethostname(), pid=os.getpid())
            recorder.update(recorder.manifest.replace(worker=worker))
            try:
                with recorder.recording_warnings():
                    Work(self.job, folder, recorder, reporter).one_model(self.setting)
            finally:
                recorder.write()
        finally:
            folder.close()

    def _require_same_files(self) -> None:
        """Change to the driver's current folder.

        Raises:
            RunError: When this machine does not see the driver's folders.
        """
        for folder in (self.place.start, self.place.run):
            if not folder.is_dir():
                raise RunError(
                    f"{socket.gethostname()}: does not see the folder {folder}; all nodes of Ray need the same files"
                )
        os.chdir(self.place.start)
