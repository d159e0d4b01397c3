"""The models of a study side by side on Ray: starts a worker for each, passes on progress, replaces dead workers."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.errors import RunError
from trimtab.store.share_folder import ShareFolder
from trimtab.study._model_runner import Job
from trimtab.study._recorder import RunRecorder
from trimtab.study._stopped import last_line, raise_errors
from trimtab.study.measures.context import Progress
from trimtab.study.ray._helpers import Helpers
from trimtab.study.ray._worker import Place, Worker, start_relay
from trimtab.study.ray.cluster import LOCAL, Needs, connected, live_nodes, needs_of, require_ray
from trimtab.study.settings.model_setting import ModelSetting

_MAX_FUTILE_STARTS = 3
"""Restarts in a row of a worker that makes no progress."""
_POLL_SECONDS = 0.5
_SHUTDOWN_TIMEOUT_SECONDS = 10
"""For workers that were just killed."""
NODE_TIMEOUT_SECONDS = 30 * 60
"""For this machine to have room for a model again. A cluster is waited for without end: its queue may take a day."""
REMINDER_SECONDS = 60
"""Between two messages about what is waited for."""


def run_side_by_side(job: Job, recorder: RunRecorder, progress: Progress, address: str, workers: int = 1) -> None:
    """Run all models of a study at once, as far as the cluster has room for them.

    Args:
        job: The study.
        recorder: The recorder of the run; the shares of the workers are merged into it as they finish.
        progress: Called with the progress of all workers.
        address: Address of the cluster, or `local`.
        workers: How many workers share the sweeps of each model that does not say so itself.

    Raises:
        RunError: When there is no Ray at this address, no node is large enough for a model, or a worker died
            repeatedly.
        SettingError: When a model asks for more than this machine has.
        TrimtabError: The error that stopped a model, after the other models are done.
    """
    ray = require_ray(address)
    with connected(ray, address):
        running = _Workers(ray, job, recorder, progress, address)
        wanted = [(setting, needs_of(ray, setting, address)) for setting in job.study.models]
        running.run(wanted, {setting.label: setting.resources.workers or workers for setting in job.study.models})


@dataclass(frozen=True)
class _Running:
    """A worker, and what it was started for."""

    setting: ModelSetting
    needs: Needs
    worker: Any
    steps: int
    """Steps of its model that were on disk when it started."""
    futile: int
    """Number of workers for this model in a row that died before it without finishing a step."""


class _Workers:
    """The workers of a run."""

    def __init__(self, ray: Any, job: Job, recorder: RunRecorder, progress: Progress, address: str):
        from ray import exceptions
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.ray, self.recorder, self.progress = ray, recorder, progress
        self.is_local = address == LOCAL
        self.deaths = (
            exceptions.RayActorError,
            exceptions.WorkerCrashedError,
            exceptions.NodeDiedError,
            exceptions.OutOfMemoryError,
            exceptions.ObjectLostError,
        )
        here = self.here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.relay = start_relay(ray, num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here)
        self.job = ray.put(job)
        self.place = Place(Path.cwd(), recorder.folder.path.resolve(), recorder.manifest.session)
        self.helpers = Helpers(ray, job.study.folder, self.place, progress, self.deaths)
        self.active: dict[Any, _Running] = {}
        """By the Ray reference to the worker's result."""
        self.unplaced: dict[Any, float] = {}
        """Active workers that no node is large enough for, each with the time since when."""
        self.reminded = time.monotonic()
        """Time of the last message about models that wait for a node."""
        self.errors: dict[str, Exception] = {}
        """The error that stopped each model, by its label."""

    def run(self, wanted: list[tuple[ModelSetting, Needs]], workers: dict[str, int]) -> None:
        """Run all models; those that there is no room for yet wait in Ray's queue.

        Args:
            wanted: Each model with its resources.
            workers: How many workers share its sweeps, by its label.
        """
        self.recorder.folder.open_shares()
        try:
            for setting, needs in wanted:
                if workers[setting.label] > 1:
                    self.helpers.open_board(scheduling_strategy=self.here)
                self._start(setting, needs)
            for setting, needs in wanted:  # behind all models, each of which waits for room first
                self.helpers.start(setting, needs, workers[setting.label] - 1)
            while self.active:
                ready, _ = self.ray.wait([*self.active, *self.helpers.active], timeout=_POLL_SECONDS)
                self._pass_on_progress()
                for result in ready:
                    if result in self.helpers.active:
                        self.helpers.finish(result)
                    else:
                        self._finish(result)
                self._look_after_unplaced()
                self.helpers.look_after_lost()
        finally:
            self._stop_all()
        raise_errors(self.errors, len(wanted), self.recorder.folder)

    def _start(self, setting: ModelSetting, needs: Needs, futile: int = 0) -> None:
        resources = {"num_cpus": needs.cpus, "num_gpus": needs.gpus}
        given = (self.job, setting, self.place, self.relay, self.helpers.board)
        worker = self.ray.remote(Worker).options(**resources).remote(*given)
        result = worker.work.remote()
        self.active[result] = _Running(setting, needs, worker, self._steps(setting), futile)
        if not any(map(needs.fit, live_nodes(self.ray))):
            self.unplaced[result] = time.monotonic()
            self._remind(self.active[result])

    def _steps(self, setting: ModelSetting) -> int:
        return ShareFolder(self.place.run, setting.label).steps()

    def _pass_on_progress(self) -> None:
        """Report the progress of the workers, each line with its model."""
        for (model, what), (done, total) in self.ray.get(self.relay.take.remote()).items():
            self.progress(what if model in what else f"{what}, {model}", done, total)

    def _remind(self, running: _Running) -> None:
        self.reminded = time.monotonic()
        self.progress(f"waiting for a node with {running.needs} for {running.setting.label}", 0, 1)

    def _look_after_unplaced(self) -> None:
        """Say what is waited for, and stop workers that this machine has no room for any more."""
        if not self.unplaced:
            return
        nodes, is_due = live_nodes(self.ray), time.monotonic() - self.reminded > REMINDER_SECONDS
        for result, since in list(self.unplaced.items()):
            running = self.active[result]
            if any(map(running.needs.fit, nodes)):
                del self.unplaced[result]
            elif self.is_local and time.monotonic() - since > NODE_TIMEOUT_SECONDS:
                self._end(
                    result,
                    RunError(
                        f"{running.setting.label}: no node with {running.needs} has joined Ray in "
                        f"{NODE_TIMEOUT_SECONDS / 60:g} minutes; add one, or change its `resources`"
                    ),
                )
            elif is_due:
                self._remind(running)

    def _finish(self, result: Any) -> None:
        """Handle a worker that has finished or died."""
        running = self.active[result]
        try:
            error: Exception | None = self.ray.get(result)
        except self.deaths as death:
            error = self._replace(running, death)
        except Exception as unexpected:  # a mistake in the program: the other models are finished all the same
            error = unexpected
        self._end(result, error)

    def _end(self, result: Any, error: Exception | None) -> None:
        """Remove a worker and merge its share."""
        running = self.active.pop(result)
        self.unplaced.pop(result, None)
        label = running.setting.label
        if error is not None:
            self.errors[label] = error
        self.ray.kill(running.worker)  # another one may have its room
        self.helpers.stop(label)
        if all(other.setting.label != label for other in self.active.values()):
            try:
                self.recorder.merge_share(label, _SHUTDOWN_TIMEOUT_SECONDS)
            except RunError as held:  # by a worker on a node that is lost; the other models continue
                self.errors.setdefault(label, held)

    def _replace(self, running: _Running, death: Exception) -> Exception | None:
        """Start a worker in place of a dead one; return an error where that is no use."""
        label = running.setting.label
        if getattr(death, "actor_init_failed", False):
            return RunError(f"{label}: no worker can be started; all nodes of Ray need trimtab ({last_line(death)})")
        futile = 0 if self._steps(running.setting) > running.steps else running.futile + 1
        if futile > _MAX_FUTILE_STARTS:
            return RunError(
                f"{label}: its worker died {futile} times in a row without making progress ({last_line(death)}); "
                "if memory ran out, run fewer models at once: give this one more `resources`"
            )
        self._start(running.setting, running.needs, futile)
        self.progress(f"starting {label} again, as its worker died", 1, 1)
        return None

    def _stop_all(self) -> None:
        """Stop the workers that are still running, and merge their shares."""
        left, self.active = list(self.active.values()), {}
        for running in left:
            self.ray.kill(running.worker)
            self.helpers.stop(running.setting.label)
        for running in left:
            with suppress(RunError):  # if it does not end in time, the next start merges its share
                self.recorder.merge_share(running.setting.label, _SHUTDOWN_TIMEOUT_SECONDS)
