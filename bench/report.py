"""Time and memory of a report: six models, six behaviors, 300,000 rows, analysed, drawn and written by a new process.

    python bench/report.py [--prompts 36]

The target is 30 s and 2 GB on two cores; the page stays under 6 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=36, help="prompts of each split; 36 make 302,400 rows")
    parser.add_argument("--stage", choices=["make", "report"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage == "make":
        make(arguments.folder, arguments.prompts)
    elif arguments.stage == "report":
        report(arguments.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            # The rows are made by another process, so that their making does not count.
            for stage in ("make", "report"):
                command = [sys.executable, __file__, "--stage", stage, "--folder", folder]
                subprocess.run([*command, "--prompts", str(arguments.prompts)], check=True)


def make(folder: Path, prompts: int) -> None:
    sys.path[0] = str(TESTS)  # in place of this folder, where "report" is this file
    from report.study import wide_study

    run = wide_study(prompts)
    run.samples.to_parquet(folder / "samples.parquet")
    (folder / "manifest.json").write_text(json.dumps(run.manifest), encoding="utf-8")
    if run.rates is not None:
        run.rates.to_parquet(folder / "rates.parquet")


def report(folder: Path) -> None:
    start, before = time.perf_counter(), time.process_time()
    import pandas as pd

    from trimtab.report import RunTables, write_report

    samples = pd.read_parquet(folder / "samples.parquet")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    rates = pd.read_parquet(folder / "rates.parquet") if (folder / "rates.parquet").is_file() else None
    page = folder / "out" / "report.html"
    write_report([RunTables("bench", manifest, samples, rates)], page)
    seconds, worked = time.perf_counter() - start, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform != "darwin" else 1024**3)
    figures = len(list((page.parent / "charts").glob("*.svg")))
    print(f"rows {len(samples):,}, figures {figures}, page {page.stat().st_size / 1e6:.2f} MB")
    print(f"wall {seconds:.1f} s, processor {worked:.1f} s, peak {peak:.2f} GB, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
