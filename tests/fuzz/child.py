"""Run damaged inputs in this process, under limits, and print as JSON what came of them.

    python child.py SEED COUNT

An input may be read or refused with a TrimtabError. Anything else is a failure: another exception, more than 5 seconds,
more than 1 GiB of memory above what the program takes by itself.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from targets import TARGETS

from trimtab.errors import TrimtabError

SECONDS = 5
MEMORY_BYTES = 2**30


class TooSlow(BaseException):
    """Raised by the alarm; no handler of ours may catch it."""


def _alarm(*_: Any) -> None:
    raise TooSlow


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def run(seed: int, count: int) -> dict[str, Any]:
    """Counts of what was read and refused, and every failure with what is needed to see it again."""
    outcomes: Counter[str] = Counter()
    failures = []
    names = list(TARGETS)
    slowest = 0.0
    for index in range(count):
        name = names[index % len(names)]
        folder = Path(tempfile.mkdtemp())
        start = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)  # of this process: others may keep the machine busy
        try:
            TARGETS[name](folder, random.Random(f"{seed}-{index}"))
            outcomes[f"{name}: read"] += 1
        except TrimtabError as error:
            outcomes[f"{name}: refused"] += 1
            if len(str(error)) > 100_000:
                failures.append({"index": index, "target": name, "why": f"a message of {len(str(error))} characters"})
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            where = traceback.extract_tb(error.__traceback__)[-1]
            why = f"{type(error).__name__}: {str(error)[:200]} ({Path(where.filename).name}:{where.lineno})"
            failures.append({"index": index, "target": name, "why": why})
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            slowest = max(slowest, time.process_time() - start)
            shutil.rmtree(folder, ignore_errors=True)
    return {"outcomes": outcomes, "failures": failures, "slowest": round(slowest, 2)}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGVTALRM, _alarm)
    for target in TARGETS.values():  # what is imported when it is first used takes memory, and is no input's fault
        try:
            target(Path(tempfile.mkdtemp()), random.Random(0))
        except BaseException:
            continue
    _limit_memory()
    print(json.dumps(run(int(sys.argv[1]), int(sys.argv[2]))))
