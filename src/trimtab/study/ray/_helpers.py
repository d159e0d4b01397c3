"""Workers that take part in the sweeps of a model. The others do the rows of one that dies; another takes its place."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.errors import RunError, TrimtabWarning
from trimtab.store.share_folder import ShareFolder
from trimtab.study._stopped import last_line
from trimtab.study.measures.context import Progress
from trimtab.study.ray._board import start_board
from trimtab.study.ray._worker import Helper, Place, helper_name
from trimtab.study.ray.cluster import Needs
from trimtab.study.settings.model_setting import ModelSetting

_MAX_STARTS = 4
"""Of one worker: what kills it again and again, such as a lack of memory, would kill the next one as well."""
_SHUTDOWN_TIMEOUT_SECONDS = 30
"""For a worker that is gone to have released its share of the folder."""


@dataclass(frozen=True)
class _Helping:
    """A worker that takes part in the sweeps of a model."""

    setting: ModelSetting
    needs: Needs
    number: int
    worker: Any
    starts: int
    """How often it was started, this time included."""

    @property
    def model(self) -> str:
        """Label of its model."""
        return self.setting.label

    @property
    def name(self) -> str:
        """Its own name."""
        return helper_name(self.model, self.number)


class Helpers:
    """The workers of a run that take part in sweeps.

    Args:
        ray: Ray.
        folder: Where relative paths of models begin.
        place: The folders of the run.
        progress: Called when one has died.
        deaths: What Ray raises then.
    """

    def __init__(self, ray: Any, folder: Path, place: Place, progress: Progress, deaths: tuple[type[Exception], ...]):
        self.ray, self.folder, self.place, self.progress, self.deaths = ray, folder, place, progress, deaths
        self.board: Any = None
        self.active: dict[Any, _Helping] = {}
        """By the Ray reference to the worker's result."""
        self.lost: list[_Helping] = []
        """Dead ones that hold their share of the folder, as on a node that is lost: they may still be writing."""

    def open_board(self, **options: Any) -> None:
        """Start the board that workers take rows from, if there is none yet."""
        if self.board is None:
            self.board = start_board(self.ray, num_cpus=0, **options)

    def start(self, setting: ModelSetting, needs: Needs, count: int) -> None:
        """Start workers that take part in the sweeps of a model."""
        for number in range(2, 2 + count):
            self._start(setting, needs, number, starts=1)

    def _start(self, setting: ModelSetting, needs: Needs, number: int, starts: int) -> None:
        resources = {"num_cpus": needs.cpus, "num_gpus": needs.gpus}
        given = (self.folder, setting, self.place, self.board, number)
        worker = self.ray.remote(Helper).options(**resources).remote(*given)
        self.active[worker.work.remote()] = _Helping(setting, needs, number, worker, starts)

    def finish(self, result: Any) -> None:
        """Handle a worker that has finished or died: what it had taken is for the others."""
        helping = self.active.pop(result)
        try:
            error: Exception | None = self.ray.get(result)
        except self.deaths as death:
            error = death
        except Exception as unexpected:  # a mistake in the program stops the worker, not the study
            error = unexpected
        self.ray.kill(helping.worker)
        if error is None:
            return
        returned = self._give_back(helping, _SHUTDOWN_TIMEOUT_SECONDS)
        if not returned:
            self.lost.append(helping)
            self.progress(f"waiting for {helping.name}, which is lost and may still be writing", 0, 1)
        if not isinstance(error, self.deaths):
            reason = f"took no further part in the sweeps: {last_line(error)}"
        elif getattr(error, "actor_init_failed", False):
            reason = f"cannot be started; all nodes of Ray need trimtab ({last_line(error)})"
        elif helping.starts == _MAX_STARTS:
            reason = f"died {_MAX_STARTS} times and takes no further part in the sweeps ({last_line(error)})"
        elif returned:
            self._start(helping.setting, helping.needs, helping.number, helping.starts + 1)
            self.progress(f"starting {helping.name} again", 1, 1)
            return
        else:
            return
        warnings.warn(f"{helping.name} {reason}", TrimtabWarning, stacklevel=2)

    def look_after_lost(self) -> None:
        """Give back the rows of workers that have released their share by now."""
        self.lost = [helping for helping in self.lost if not self._give_back(helping, 0)]

    def stop(self, model: str) -> None:
        """Stop the workers of a model."""
        self.lost = [helping for helping in self.lost if helping.model != model]
        for result, helping in list(self.active.items()):
            if helping.model == model:
                del self.active[result]
                self.ray.kill(helping.worker)

    def _give_back(self, helping: _Helping, wait_seconds: float) -> bool:
        """Give back the rows of a dead worker; false while a process may still write them."""
        share = ShareFolder(self.place.run, helping.name)
        try:
            share.lock(wait_seconds)
        except RunError:
            return False
        try:
            keys = self.ray.get(self.board.keys_of.remote(helping.model))
            done: dict[str, set[int]] = {}
            for behavior, names in keys.items():
                found = share.done(helping.model, behavior)
                done[behavior] = {index for index, key in enumerate(names) if tuple(key) in found}
            rows = self.ray.get(self.board.release.remote(helping.model, helping.name, done))
            self.progress(f"{helping.name} has stopped; others do its {rows} rows", 1, 1)
            return True
        finally:
            share.close()
