"""The board: an actor that knows which rows of a sweep which worker has taken, and the workers' view of it."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Sequence
from typing import Any

from trimtab.study.measures.scores.sweep_rows import RowClaims, RowKey, SweepTask

_POLL_SECONDS = 0.1


def board_class() -> type[Any]:
    """The class of the board, made where it is needed so that Ray sends its code: its process then imports no torch."""

    class Board:
        """Who scores which rows of the sweeps of all models."""

        def __init__(self) -> None:
            self.sweeps: dict[tuple[str, str], dict[str, Any]] = {}
            """By model and behavior: the pickled task, the keys of its rows, who has each, and those on disk."""
            self.closed: set[str] = set()

        def offer(self, model: str, behavior: str, task: bytes, keys: list[Any], done: set[int], worker: str) -> None:
            """Open a sweep, or open it again after a stop: what its worker had taken before is nobody's."""
            sweep = self.sweeps.setdefault((model, behavior), {"taken": {}, "done": set()})
            sweep |= {"task": task, "keys": keys}
            self._give_back(sweep, worker, done)

        def take(self, model: str, behavior: str, indices: list[int], worker: str) -> set[int]:
            """Those of some rows that nobody has and that are not on disk; they are the worker's from now on."""
            sweep = self.sweeps[model, behavior]
            free = {index for index in indices if index not in sweep["done"] and index not in sweep["taken"]}
            sweep["taken"] |= dict.fromkeys(free, worker)
            return free

        def written(self, model: str, behavior: str, indices: set[int]) -> None:
            """Note rows that are on disk."""
            sweep = self.sweeps[model, behavior]
            sweep["done"] |= indices
            for index in indices:
                sweep["taken"].pop(index, None)

        def state(self, model: str, behavior: str) -> tuple[int, int]:
            """Number of rows that are on disk, and of those that nobody has."""
            sweep = self.sweeps[model, behavior]
            done = len(sweep["done"])
            return done, len(sweep["keys"]) - done - len(sweep["taken"])

        def next(self, model: str) -> bytes | bool | None:
            """A task of which rows are free; None while there is none, False when no sweep follows."""
            for (owner, behavior), sweep in self.sweeps.items():
                if owner == model and self.state(model, behavior)[1]:
                    task: bytes = sweep["task"]
                    return task
            return False if model in self.closed else None

        def close(self, model: str) -> None:
            """No sweep of this model follows."""
            self.closed.add(model)

        def keys_of(self, model: str) -> dict[str, list[Any]]:
            """Keys of the rows of each sweep, by behavior."""
            return {behavior: sweep["keys"] for (owner, behavior), sweep in self.sweeps.items() if owner == model}

        def release(self, model: str, worker: str, done: dict[str, set[int]]) -> int:
            """Give back what a dead worker had taken and has not written; returns how many rows that are."""
            return sum(self._give_back(self.sweeps[model, one], worker, rows) for one, rows in done.items())

        @staticmethod
        def _give_back(sweep: dict[str, Any], worker: str, done: set[int]) -> int:
            sweep["done"] |= done
            mine = {index for index, owner in sweep["taken"].items() if owner == worker}
            sweep["taken"] = {i: owner for i, owner in sweep["taken"].items() if i not in mine and i not in done}
            return len(mine - done)

    return Board


def start_board(ray: Any, **options: Any) -> Any:
    """Start the actor."""
    return ray.remote(board_class()).options(**options).remote()


class SharedSweeps:
    """The sweeps of a model, as one of the workers that share them sees them.

    Args:
        call: Calls a method of the board by its name, and returns what it gives.
        model: The model.
        worker: Name of the worker.
    """

    def __init__(self, call: Callable[..., Any], model: str, worker: str):
        self.call, self.model, self.worker = call, model, worker

    def offer(self, task: SweepTask, done: set[int]) -> RowClaims:
        """Let others take batches of a sweep, of which these rows are on disk."""
        keys: list[RowKey] = task.keys
        self.call("offer", self.model, task.behavior, pickle.dumps(task), keys, done, self.worker)
        return self.claims(task, done)

    def claims(self, task: SweepTask, done: set[int]) -> RowClaims:
        """Take rows of a sweep batch by batch."""
        return _SharedClaims(self, task.behavior, done)

    def wait(self, task: SweepTask, progress: Callable[[int], None]) -> bool:
        """Wait for rows that others have taken; false where some have been given back."""
        while True:
            done, free = self.call("state", self.model, task.behavior)
            progress(done)
            if free or done == len(task.rows):
                return not free
            time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """No sweep follows."""
        self.call("close", self.model)

    def next_task(self) -> SweepTask | None:
        """Wait for a sweep of which rows are free; None when no sweep follows."""
        while (found := self.call("next", self.model)) is None:
            time.sleep(_POLL_SECONDS)
        if found is False:
            return None
        # Bytes of a worker of this run, in a Ray cluster that unpickles every call anyway.
        task: SweepTask = pickle.loads(found)
        return task


class _SharedClaims(RowClaims):
    """Rows that are taken from the board."""

    def __init__(self, sweeps: SharedSweeps, behavior: str, done: set[int]):
        super().__init__(done)
        self.sweeps, self.behavior = sweeps, behavior

    def claim(self, indices: Sequence[int]) -> set[int]:
        """Those of some rows that nobody has taken."""
        mine: set[int] = self.sweeps.call("take", self.sweeps.model, self.behavior, list(indices), self.sweeps.worker)
        return mine

    def written(self, indices: set[int]) -> None:
        """Note rows that are on disk now, here and on the board."""
        super().written(indices)
        if indices:
            self.sweeps.call("written", self.sweeps.model, self.behavior, indices)
