"""Damaged inputs of every kind are read or refused in words: no traceback, no hang, no full memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

CHILD = Path(__file__).with_name("child.py")


def fuzz(seed: int, count: int) -> dict[str, Any]:
    source = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": source, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(CHILD), str(seed), str(count)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def require_sound(found: dict[str, Any], count: int) -> None:
    assert found["failures"] == []
    ends = Counter(dict.fromkeys(("read", "refused"), 0))
    for outcome, times in found["outcomes"].items():
        ends[outcome.rpartition(": ")[2]] += times
    assert ends.total() == count
    # Damage that is always refused, or never, would show nothing.
    assert min(ends.values()) > count / 20, ends


def test_damaged_inputs_of_every_kind_are_read_or_refused_in_words() -> None:
    require_sound(fuzz(1, 250), 250)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
def test_two_thousand_damaged_inputs_are_read_or_refused_in_words(seed: int) -> None:
    require_sound(fuzz(seed, 1000), 1000)
