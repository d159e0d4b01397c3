"""Workers on Ray that are slow, so that there are many moments to be killed at; Ray imports them by name."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from trimtab.engines.transformers.packing import budget
from trimtab.errors import TrimtabError
from trimtab.evaluation import answering
from trimtab.store import part_writer, run_folder
from trimtab.study.ray._worker import Helper, Worker

PAUSE_SECONDS = 0.1


def one_by_one() -> None:
    """One prompt a batch, and a part for each batch."""
    budget.CPU_TOKENS = 1
    part_writer.SECONDS_BETWEEN_PARTS = 0
    answering.ROWS_PER_FRAME = 5


def slow_down() -> None:
    """Pause before each part of one prompt."""
    one_by_one()
    append = run_folder.RunFolder.append

    def slowly(*args: Any) -> None:
        time.sleep(PAUSE_SECONDS)
        append(*args)

    run_folder.RunFolder.append = slowly  # type: ignore[method-assign]


class SlowWorker(Worker):
    """Pauses before each part."""

    def work(self) -> TrimtabError | None:
        slow_down()
        return super().work()


class SlowHelper(Helper):
    """The same, for a worker that takes part in sweeps only."""

    def work(self) -> TrimtabError | None:
        slow_down()
        return super().work()


class DoomedWorker(Worker):
    """Dies before it has done anything, if its model is called so."""

    def work(self) -> TrimtabError | None:
        if self.setting.label == "doomed":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().work()
