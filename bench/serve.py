"""A worker: answers one JSON request a line. No part of trimtab in here: the peers' interpreter runs it too."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


def serve(tasks: dict[str, Callable[..., Any]]) -> None:
    """Answer requests `{"task": name, …}` from stdin until it closes; nothing else may reach stdout."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # the peers' progress bars
                reply = tasks[request.pop("task")](**request)
        except Exception:  # whatever a peer raises belongs into the table, not into a hung bench
            reply = {"error": traceback.format_exc()}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


def timed(work: Callable[[], Any], clock: str) -> tuple[float, Any]:
    """Seconds that `work` took, and what it returned. `clock`: wall, or cpu for a machine that others use too."""
    read = time.process_time if clock == "cpu" else time.perf_counter
    start = read()
    result = work()
    return read() - start, result


def with_peak(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` returns, and the most memory that this process took meanwhile above what it held before, in MiB.

    The kernel's own high-water mark, begun anew; without one (not Linux), not a number.
    """
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return work(), math.nan
    before = _status("VmRSS")
    found = work()
    return found, (_status("VmHWM") - before) / 1024


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
