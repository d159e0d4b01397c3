"""Commands that run in several processes: starts them beside each other, and lets the first one speak for all."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trimtab.cli.terminal import echo_text
from trimtab.errors import IncompleteRun, TrimtabError

SECONDS_TO_SPEAK = 10
"""For the first process to say what is wrong, which mostly is wrong in all; one that ends stops the others."""


def is_started() -> bool:
    """Whether this process was started beside others, as by torchrun."""
    return "WORLD_SIZE" in os.environ and "RANK" in os.environ


def speaks(count: int) -> bool:
    """Whether this process shows progress and findings: it is alone, or the first one of those that run a study.

    Args:
        count: How many processes run it. A variable `RANK` may be there for other reasons.
    """
    return count == 1 or os.environ.get("RANK", "0") == "0"


@contextmanager
def beside_the_first(speaks: bool) -> Iterator[None]:
    """Leave messages to the first process, in one that does not speak."""
    try:
        yield
    except IncompleteRun:
        if speaks:
            raise
    except TrimtabError:
        if not speaks:
            time.sleep(SECONDS_TO_SPEAK)
        raise


def start_processes(count: int, arguments: Sequence[str]) -> int:
    """Run the same command in several processes on this machine; returns the exit code of the first one.

    Args:
        count: How many.
        arguments: Of the command.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what failed is shown below
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    with tempfile.TemporaryDirectory(prefix="trimtab-") as logs:
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=count, max_restarts=0, run_id=uuid.uuid4().hex,
            rdzv_backend="c10d", rdzv_endpoint="localhost:0",
            logs_specs=DefaultLogsSpecs(log_dir=logs, redirects=dict.fromkeys(range(1, count), Std.ALL)),
        )  # fmt: skip
        try:
            elastic_launch(config, sys.executable)("-m", "trimtab", *arguments)
        except ChildFailedError as error:
            rank, failure = error.get_first_failure()
            if rank != 0 or failure.exitcode < 0:
                words = _last_words(Path(logs), rank, failure.exitcode)
                echo_text(f"trimtab: process {rank + 1} of {count} stopped: {words}", err=True)
            return failure.exitcode if failure.exitcode > 0 else 1
        except (SignalException, KeyboardInterrupt):
            return 130
    return 0


def _last_words(logs: Path, rank: int, code: int) -> str:
    """The last line that a process has written to stderr; its exit code where there is none."""
    for file in sorted(logs.rglob("stderr.log")):
        if file.parent.name == str(rank) and (lines := file.read_text(errors="replace").strip().splitlines()):
            return lines[-1]
    return f"exit code {code}"
