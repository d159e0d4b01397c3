"""One model of a study in a Ray actor: works in the model's share of the run folder and reports its progress."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab._util.layer_progress import noting_layers
from trimtab.engines import Model, load
from trimtab.errors import RunError, TrimtabError
from trimtab.store.manifest import WorkerEntry
from trimtab.store.share_folder import ShareFolder
from trimtab.study._file_locations import located
from trimtab.study._model_runner import Job, Work
from trimtab.study._recorder import begin_share, require_session
from trimtab.study.measures.scores.sweep_rows import score_rows
from trimtab.study.ray._board import SharedSweeps
from trimtab.study.settings.model_setting import ModelSetting
from trimtab.vectors import SteeringVector

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

    def __init__(self, job: Job, setting: ModelSetting, place: Place, relay: Any, board: Any = None):
        self.job, self.setting, self.place, self.relay, self.board = job, setting, place, relay, board

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
        enter_folders(self.place)
        folder = ShareFolder(self.place.run, self.setting.label)
        folder.lock(_LOCK_TIMEOUT_SECONDS)
        try:
            recorder = begin_share(folder, self.setting.label, self.place.session)
            worker = WorkerEntry(host=socket.gethostname(), pid=os.getpid())
            recorder.update(recorder.manifest.replace(worker=worker))
            try:
                with recorder.recording_warnings(), noting_layers(reporter) as advance:
                    Work(self.job, folder, recorder, advance, self._sharing()).one_model(self.setting)
            finally:
                recorder.write()
        finally:
            folder.close()

    def _sharing(self) -> SharedSweeps | None:
        return None if self.board is None else shared_sweeps(self.board, self.setting.label, MAIN)


class Helper:
    """An actor that takes part in the sweeps of a model: it scores batches, and writes parts of its own."""

    def __init__(self, folder: Path, setting: ModelSetting, place: Place, board: Any, number: int):
        self.folder, self.setting, self.place, self.board, self.number = folder, setting, place, board, number

    def work(self) -> TrimtabError | None:
        """Take batches until no sweep follows, and return the error that stopped it, if the user has to act on one."""
        try:
            self._work()
        except TrimtabError as error:
            return error
        return None

    def _work(self) -> None:
        enter_folders(self.place)
        setting, name = self.setting, helper_name(self.setting.label, self.number)
        folder = ShareFolder(self.place.run, name)
        folder.lock(_LOCK_TIMEOUT_SECONDS)
        try:
            require_session(folder, self.place.session)
            model = load(located(setting.id, self.folder), **setting.load_options)
            try:
                model.name = setting.label
                self._take_part(model, folder, shared_sweeps(self.board, setting.label, name))
            finally:
                model.close()
        finally:
            folder.close()

    @staticmethod
    def _take_part(model: Model, folder: ShareFolder, sweeps: SharedSweeps) -> None:
        while (task := sweeps.next_task()) is not None:
            if (task.fingerprint, task.template_hash) != (model.fingerprint, model.template_hash):
                raise RunError(f"{socket.gethostname()}: {model.name} is another model there than on the other workers")
            vectors = SteeringVector.load(task.vectors)
            score_rows(model, vectors, task, folder, sweeps.claims(task, set()), lambda more: None)


MAIN = ""
"""Name of the worker that does everything else of its model, too."""


def helper_name(model: str, number: int) -> str:
    """The name of a worker that takes part in the sweeps of a model, and of its share of the folder."""
    return f"{model}.worker{number}"


def shared_sweeps(board: Any, model: str, worker: str) -> SharedSweeps:
    """The sweeps of a model, as a worker on Ray sees them."""
    import ray

    return SharedSweeps(lambda name, *given: ray.get(getattr(board, name).remote(*given)), model, worker)


def enter_folders(place: Place) -> None:
    """Change to the driver's current folder.

    Raises:
        RunError: When this machine does not see the driver's folders.
    """
    for folder in (place.start, place.run):
        if not folder.is_dir():
            raise RunError(
                f"{socket.gethostname()}: does not see the folder {folder}; all nodes of Ray need the same files"
            )
    os.chdir(place.start)
