"""How long does the diagnosis take beyond reading the pairs, and what does it hold in memory?

150 choice pairs in both option orders (300 rows), on the bundled model in float32: the differences are read once, then
everything is worked out from them: pair quality, curve, heuristics with 200 permutations, flags, findings, and the
vectors of every method.

    python bench/diagnosis.py
"""

from __future__ import annotations

import resource
import time

from trimtab import load
from trimtab.data import Behavior, dataset
from trimtab.evaluation.diagnosing import diagnose
from trimtab.vectors import read_differences

PAIRS = 150


def main() -> None:
    """Time both parts once and print a table."""
    pairs = (*dataset("corrigible"), *dataset("self-awareness"))[:PAIRS]
    model = load(dtype="float32")
    started = time.perf_counter()
    kept = read_differences(model, Behavior("corrigible and self-awareness", pairs))
    read = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    diagnose(kept, model)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    held = kept.difference.numel() * 4 / 2**20
    print(f"{PAIRS} pairs, {len(kept.shown)} rows, {kept.difference.shape[1]} layers × {kept.difference.shape[2]}")
    print(f"reading the pairs   {read - started:6.1f} s")
    print(f"diagnosis           {done - read:6.1f} s")
    print(f"differences held    {held:6.1f} MiB; the peak of the process grew by {(peak - before) / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
