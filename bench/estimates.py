"""Compares what a plan expects of each step of a study with what the step takes: one command, one table.

    python bench/estimates.py [FILE] [--cpu-time]

FILE is `examples/quickstart.yaml` by default; it is run into a temporary folder. On a machine that does other work wall
time says little: `--cpu-time` compares seconds of the processor on one thread, which other work slows down much less.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart.yaml"


def main() -> None:
    """Plan, run and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=QUICKSTART)
    parser.add_argument("--cpu-time", action="store_true", help="seconds of the processor, on one thread")
    given = parser.parse_args()
    if given.cpu_time:
        os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
        time.perf_counter = time.monotonic = time.process_time
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is the interpreter's own
    compare(given.file)


def compare(file: Path) -> None:
    """Print a row for each step: expected and measured seconds, and their ratio."""
    from trimtab.cli.steps import Steps
    from trimtab.study import plan_study, read_study, report_runs, run_study
    from trimtab.study.step_names import REPORT

    study = read_study(file)
    started = time.perf_counter()
    expected, in_words = plan_study(study).steps_of()
    print(f"planned in {time.perf_counter() - started:.1f} s: {in_words}\n")
    steps, seen = Steps(expected, clock=time.perf_counter), dict[str, list[float]]()

    def progress(what: str, done: int, total: int) -> None:
        record = steps.update(what, done, total)
        key = getattr(what, "key", what)
        if record.ended is not None and key in expected:
            seen.setdefault(key, []).append(record.ended - record.began)

    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = run_study(study, Path(folder) / "run", progress=progress)
        progress(REPORT, 0, 1)
        report_runs([run], run / "report.html")
        progress(REPORT, 1, 1)
    whole = time.perf_counter() - started
    print("| step | expected (s) | if replies end early | measured (s) | measured ÷ expected |\n|---|---|---|---|---|")
    for key, step in expected.items():
        measured = sum(seen.get(key, []))
        print(row(key, step.seconds, step.seconds - step.early, measured))
    total = sum(step.seconds for step in expected.values())
    print(row("all, with what no step counts", total, total - sum(s.early for s in expected.values()), whole))


def row(name: str, expected: float, early: float, measured: float) -> str:
    """One line of the table."""
    return f"| {name} | {expected:.1f} | {early:.1f} | {measured:.1f} | {measured / max(expected, 1e-9):.2f} |"


if __name__ == "__main__":
    main()
