"""Workers of runs on Ray, as a test sees them from outside: who they are, how far they are, whether they are gone."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@contextmanager
def ray_with_slow_workers() -> Iterator[None]:
    """Ray on this machine, with two cores, whose workers find `runs.slow_ray_worker` by name."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)
        patch.setenv("RAY_worker_niceness", "0")  # else they starve beside other tests
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    try:
        yield
    finally:
        ray.shutdown()


def worker_of(folder: Path, model: str) -> int | None:
    """The process that works on a model; None before there is one."""
    with contextlib.suppress(OSError, KeyError):
        return int(json.loads((folder / "manifest.d" / f"{model}.json").read_text())["worker"]["pid"])
    return None


def parts(folder: Path, model: str) -> int:
    """How many parts a model's worker has written."""
    return len(list(folder.glob(f"*/part-*-{model}.parquet")))


def is_gone(pid: int, seconds: float = 20) -> bool:
    """Whether a process ends within some time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.1)
                continue
        return True
    return False
