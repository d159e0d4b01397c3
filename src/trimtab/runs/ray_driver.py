"""The models of a study side by side on Ray: starts a worker for each, tells their progress, replaces dead ones."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.errors import RunError, SettingError, TrimtabError
from trimtab.runs.folder import RunFolder
from trimtab.runs.model_setting import ModelSetting
from trimtab.runs.notes import Notes
from trimtab.runs.ray_worker import Place, Worker, start_relay
from trimtab.runs.work import Job, Progress

LOCAL = "local"
_FUTILE_STARTS = 3
"""Times in a row that a worker is started again although the one before got nowhere."""
_LOOKS_UP_SECONDS = 0.5
_GOODBYE_SECONDS = 10
"""For workers that were just killed to be gone."""
_PATIENCE_SECONDS = 5
"""For the head of a cluster to answer."""
_STORE_BYTES = 100 << 20
"""Of shared memory for a Ray of our own: no more than settings and pairs goes through it."""


def require_ray(address: str) -> Any:
    """The library, if it is there and somebody answers at the address.

    Ray itself would knock at a closed door for many minutes, deaf to Ctrl-C.

    Raises:
        RunError: when one of them is not.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if importlib.util.find_spec("ray") is None:
        raise RunError("Ray is not installed: pip install 'trimtab[ray]'")
    import ray

    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit() and not ray.is_initialized():
        try:
            socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise RunError(f"no Ray at {address!r}: {error}") from None
    return ray


def run_side_by_side(job: Job, notes: Notes, progress: Progress, address: str) -> None:
    """Run all models of a study at once, as far as the cluster has room for them.

    Args:
        job: the study.
        notes: those of the run; what workers note is merged into them as they finish.
        progress: told what all workers do.
        address: of the cluster, or `local`.

    Raises:
        RunError: when there is no Ray at this address, or a worker died again and again.
        SettingError: when a model asks for more than this machine has.
        TrimtabError: what stopped a model, after the other models are done.
    """
    ray = require_ray(address)
    with _cluster(ray, address):
        workers = _Workers(ray, job, notes, progress)
        workers.run([(setting, _needs(ray, setting, address, progress)) for setting in job.study.models])


@contextmanager
def _cluster(ray: Any, address: str) -> Iterator[None]:
    """A connection, for as long as it is needed."""
    if ray.is_initialized():
        yield
        return
    own = {"include_dashboard": False, "object_store_memory": _STORE_BYTES} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # whatever Ray, gRPC and the network raise
        raise RunError(f"no Ray at {address!r}: {_last_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _needs(ray: Any, setting: ModelSetting, address: str, progress: Progress) -> dict[str, float]:
    """What Ray is to set aside for a model.

    Raises:
        SettingError: when this machine alone is to run it and has not as much. A cluster may grow.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus, gpus = setting.resources.cpus, setting.resources.gpus
    if gpus is None:
        takes_one = setting.device not in ("cpu", "mps") and any(node.get("GPU", 0) for node in nodes)
        gpus = setting.divided if takes_one else 0
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        wanted = f"{cpus:g} CPUs and {gpus:g} GPUs"
        if address == LOCAL:
            most = " and ".join(f"{max(node.get(kind, 0) for node in nodes):g} {kind}s" for kind in ("CPU", "GPU"))
            raise SettingError(f"{setting.label}: asks for {wanted}, and Ray has {most} here; change its `resources`")
        progress(f"waiting for a node with {wanted} for {setting.label}", 0, 1)
    return {"num_cpus": cpus, "num_gpus": gpus}


@dataclass(frozen=True)
class _Running:
    """A worker, and what it was started for."""

    setting: ModelSetting
    needs: dict[str, float]
    worker: Any
    steps: int
    """Steps of its model's work that were on disk when it started."""
    futile: int
    """How many workers for this model, one after the other, have died before it without finishing a step."""


class _Workers:
    """The workers of a run."""

    def __init__(self, ray: Any, job: Job, notes: Notes, progress: Progress):
        from ray import exceptions
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.ray, self.notes, self.progress = ray, notes, progress
        self.deaths = (
            exceptions.RayActorError,
            exceptions.WorkerCrashedError,
            exceptions.NodeDiedError,
            exceptions.OutOfMemoryError,
            exceptions.ObjectLostError,
        )
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.relay = start_relay(ray, num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here)
        self.job = ray.put(job)
        self.place = Place(Path.cwd(), notes.folder.path.resolve(), notes.manifest["session"])
        self.at_work: dict[Any, _Running] = {}
        """Each by the Ray reference to its result."""
        self.stopped: dict[str, Exception] = {}
        """What stopped a model, by its label."""

    def run(self, wanted: list[tuple[ModelSetting, dict[str, float]]]) -> None:
        """Do all models; those that there is no room for yet wait in Ray's queue."""
        self.notes.folder.open_shares()
        try:
            for setting, needs in wanted:
                self._start(setting, needs)
            while self.at_work:
                ready, _ = self.ray.wait(list(self.at_work), timeout=_LOOKS_UP_SECONDS)
                self._pass_progress_on()
                for promise in ready:
                    self._see_to(promise)
        finally:
            self._stop_all()
        self._tell_what_stopped(len(wanted))

    def _start(self, setting: ModelSetting, needs: dict[str, float], futile: int = 0) -> None:
        worker = self.ray.remote(Worker).options(**needs).remote(self.job, setting, self.place, self.relay)
        self.at_work[worker.work.remote()] = _Running(setting, needs, worker, self._steps(setting), futile)

    def _steps(self, setting: ModelSetting) -> int:
        return RunFolder(self.place.run, setting.label).steps()

    def _pass_progress_on(self) -> None:
        """Say how far the workers are, each line with its model."""
        for (model, what), (done, total) in self.ray.get(self.relay.take.remote()).items():
            self.progress(what if model in what else f"{what}, {model}", done, total)

    def _see_to(self, promise: Any) -> None:
        """Deal with a worker that has finished or died."""
        running = self.at_work[promise]
        label = running.setting.label
        try:
            stopped: Exception | None = self.ray.get(promise)
        except self.deaths as death:
            stopped = self._replaced(running, death)
        except Exception as unexpected:  # a mistake in the program: the other models are finished all the same
            stopped = unexpected
        if stopped is not None:
            self.stopped[label] = stopped
        self.ray.kill(running.worker)  # another one may have its room
        del self.at_work[promise]
        if all(other.setting.label != label for other in self.at_work.values()):
            try:
                self.notes.take_in(label, _GOODBYE_SECONDS)
            except RunError as held:  # by a worker on a node that is lost; the other models go on
                self.stopped.setdefault(label, held)

    def _replaced(self, running: _Running, death: Exception) -> Exception | None:
        """Start a worker in place of a dead one; or say why not."""
        label = running.setting.label
        if getattr(death, "actor_init_failed", False):
            return RunError(f"{label}: no worker can be started; all nodes of Ray need trimtab ({_last_line(death)})")
        futile = 0 if self._steps(running.setting) > running.steps else running.futile + 1
        if futile > _FUTILE_STARTS:
            return RunError(
                f"{label}: its worker died {futile} times in a row without getting any further ({_last_line(death)}); "
                "if memory ran out, let fewer models run at once: give this one more `resources`"
            )
        self._start(running.setting, running.needs, futile)
        self.progress(f"starting {label} again, as its worker died", 1, 1)
        return None

    def _stop_all(self) -> None:
        """Stop whoever is still at work, and keep what they noted."""
        left, self.at_work = list(self.at_work.values()), {}
        for running in left:
            self.ray.kill(running.worker)
        for running in left:
            with suppress(RunError):  # if it is not gone in time, the next start merges what it noted
                self.notes.take_in(running.setting.label, _GOODBYE_SECONDS)

    def _tell_what_stopped(self, models: int) -> None:
        """Raise it, with the name of its model where that may not be plain."""
        if not self.stopped:
            return
        (label, error), *more = self.stopped.items()
        if more:
            raise RunError("\n".join(_named(label, error) for label, error in self.stopped.items())) from error
        if isinstance(error, TrimtabError) and models > 1:
            raise type(error)(_named(label, error)) from None
        raise error


def _named(label: str, error: Exception) -> str:
    told = str(error) if isinstance(error, TrimtabError) else f"{type(error).__name__}: {_last_line(error)}"
    return told if told.startswith(label) else f"{label}: {told}"


def _last_line(error: Exception) -> str:
    """Where Ray says what happened, below the worker's traceback."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
