"""The processes of a run whose models are divided: all of them compute the same, and the first one writes the run.

The others work in a copy of the run folder as it was at the start, which is deleted at the end. So each of them finds
the same things done, and makes the same passes in the same order.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from trimtab.errors import RunError, SettingError
from trimtab.store.run_folder import RunFolder
from trimtab.study.settings.model_setting import ModelSetting
from trimtab.study.settings.study_file import Study

_FOLDER, _REASON = "folder", "reason"
_FOR_EVER = timedelta(days=365)
"""While another process works alone. Where one dies, torchrun stops the others."""
_POLL_SECONDS = 0.05
_runs = itertools.count()
"""Runs of this process: all processes begin the same ones in the same order, and each run has its own entries."""


def processes_of(study: Study, ray: str | None = None) -> int:
    """How many processes a study needs; 1 where no model is divided.

    Args:
        study: What is run.
        ray: Where models would run side by side.

    Raises:
        SettingError: Where two models would be divided over different numbers of processes, or what the study asks for
            cannot be computed in several processes alike.
    """
    divided = [model for model in study.models if model.tensor_parallel > 1]
    if not divided:
        return 1
    first = divided[0]
    if ray is not None:
        raise SettingError(f"{first.label}: is divided over processes that Ray does not start; run without ray")
    for model in divided:
        if model.tensor_parallel != first.tensor_parallel:
            raise SettingError(
                f"{first.label} is divided over {first.tensor_parallel} processes, {model.label} over "
                f"{model.tensor_parallel}; give both the same tensor_parallel, or put them into separate studies"
            )
    if study.replies is not None and (asking := [judge.label for judge in study.replies.judges if judge.paid]):
        raise SettingError(
            f"{first.label}: the judge {asking[0]} asks a language model, and each process of a divided model would "
            "get a different answer; leave it out, or use device: balanced, or engine: vllm"
        )
    if study.side_effects is not None and study.side_effects.tasks:
        raise SettingError(
            f"{first.label}: tasks of harnesses ask in batches that differ between the processes of a divided model; "
            "leave side_effects: tasks out, or use device: balanced, or engine: vllm"
        )
    tuned = study.baselines is not None and study.baselines.lora and (study.baselines.models or (first.label,))
    if tuned and first.label in tuned:
        raise SettingError(
            f"{first.label}: fine-tuning (baselines: lora) is not for a model that is divided over processes; "
            "leave it out"
        )
    return first.tensor_parallel


class Team:
    """The processes of one run.

    Args:
        rank: Which of them this is.
        count: How many there are.
        store: What they exchange short texts by; None for one alone.
    """

    def __init__(self, rank: int = 0, count: int = 1, store: Any = None):
        self.rank, self.count, self.store = rank, count, store

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes the run."""
        return self.rank == 0

    def takes_part(self, model: ModelSetting) -> bool:
        """Whether this process works on a model; waits where another one does so alone, until it is done."""
        if self.writes or model.tensor_parallel > 1:
            return True
        self.store.wait([_done(model)], _FOR_EVER)
        return False

    def finished(self, model: ModelSetting) -> None:
        """Let those continue that wait for a model, be it complete or not."""
        if self.store is not None and self.writes:
            self.store.set(_done(model), "")

    @contextmanager
    def opened(self, choose: Callable[[], Path], identity: str) -> Iterator[tuple[RunFolder, Path]]:
        """The folder to work in, locked, for the length of a `with` block, and the run's own.

        Args:
            choose: Chooses the run folder, in the process that writes it.
            identity: Of the run.

        Raises:
            RunError: As `RunFolder.open`, where a process does not see the run folder, and in the others where the
                first one has none to work in.
        """
        if self.writes:
            with self._refusing_others():
                path = choose()
                folder = RunFolder.open(path, identity)
            try:
                self._lend(path)
                yield folder, path
            finally:
                folder.close()
            return
        self.store.wait([_FOLDER], _FOR_EVER)
        if not (place := self.store.get(_FOLDER).decode()):
            raise RunError(self.store.get(_REASON).decode())
        shared = Path(place)
        with tempfile.TemporaryDirectory(prefix="trimtab-") as temporary:
            copy = Path(temporary) / "run"
            if not shared.is_dir():
                raise RunError(
                    f"{shared}: process {self.rank + 1} does not see the run folder; all need the same files"
                )
            shutil.copytree(shared, copy, symlinks=True, ignore=shutil.ignore_patterns(".lock"))
            self.store.add("copies", 1)
            folder = RunFolder.open(copy, identity)
            try:
                yield folder, shared
            finally:
                folder.close()

    @contextmanager
    def _refusing_others(self) -> Iterator[None]:
        """Let the others stop too, with the same reason, where this process cannot begin."""
        try:
            yield
        except Exception as error:
            if self.store is not None:
                self.store.set(_REASON, str(error) or type(error).__name__)
                self.store.set(_FOLDER, "")
            raise

    def _lend(self, path: Path) -> None:
        """Wait until the others have a copy of the run folder, before anything in it changes."""
        if self.store is None:
            return
        self.store.set(_FOLDER, str(path.resolve()))
        while self.store.add("copies", 0) < self.count - 1:
            time.sleep(_POLL_SECONDS)


def _done(model: ModelSetting) -> str:
    return f"done {model.label}"


def team_of(study: Study, ray: str | None = None) -> Team:
    """The processes that a study's divided models need, of which this is one.

    Raises:
        SettingError: Where this process was not started beside as many others.
    """
    count = processes_of(study, ray)
    if count == 1:
        return Team()
    label = next(model.label for model in study.models if model.tensor_parallel > 1)
    if int(os.environ.get("WORLD_SIZE", "1")) != count or "RANK" not in os.environ:
        raise SettingError(
            f"{label}: is divided over {count} processes, and there is {os.environ.get('WORLD_SIZE', '1')}; `trimtab "
            f"study FILE` starts them, or torchrun --nproc-per-node {count} SCRIPT.py"
        )
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, rank, _ = next(rendezvous("env://"))
    return Team(rank, count, PrefixStore(f"trimtab run {next(_runs)}", store))
