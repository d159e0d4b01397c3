"""Workers on Ray that are slow, so that there are many moments to be killed at; Ray imports them by name."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from trimtab.engines import budget
from trimtab.errors import TrimtabError
from trimtab.evaluation import answering
from trimtab.runs import folder
from trimtab.runs.ray_worker import Worker

PAUSE_SECONDS = 0.1


def one_by_one() -> None:
    """One prompt a batch, and a part for each batch."""
    budget.CPU_TOKENS = 1
    folder.SECONDS_BETWEEN_PARTS = 0
    answering.ROWS_AT_ONCE = 5


class SlowWorker(Worker):
    """Pauses before each part."""

    def work(self) -> TrimtabError | None:
        one_by_one()
        append = folder.RunFolder.append

        def slowly(*args: Any) -> None:
            time.sleep(PAUSE_SECONDS)
            append(*args)

        folder.RunFolder.append = slowly  # type: ignore[method-assign]
        return super().work()


class DoomedWorker(Worker):
    """Dies before it has done anything, if its model is called so."""

    def work(self) -> TrimtabError | None:
        if self.setting.label == "doomed":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().work()
