"""The speed and memory of trimtab against its peers and against the usual loop: one command, one table.

    python bench/run.py [--only extraction,sweep,…] [--quick] [--repeats N] [--write]

Contenders run in turn within the same minutes (A B C, A B C, …), each in a process that has loaded its model already,
in float32 with the same number of threads. What is too slow to run whole is run in part and scaled; the table says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import checks
from contest import HERE, Contender, Worker, ratios, rounds
from environment import peers_python
from table import Row, failed_row, limit_row, markdown, ratio_row

from trimtab.vectors.training import TrainingSettings

LAYERS, STRENGTHS = "0.33:", [-1.0, 0.0, 1.0]


@dataclass(frozen=True)
class Sizes:
    """How much of everything, and for how long at most (seconds for each group of rows)."""

    pairs: int = 100
    prompts: int = 50
    cells: int = 6
    memory: tuple[int, int] = (150, 1500)
    extraction: float = 200.0
    sweep: float = 240.0
    after_prompt: float = 100.0
    generation: float = 240.0
    streaming: float = 120.0
    training: float = 240.0
    training_steps: int = 2


FULL = Sizes()
QUICK = Sizes(
    pairs=24, prompts=8, cells=3, memory=(20, 200), extraction=30, sweep=40, after_prompt=20, generation=30,
    streaming=40, training=60, training_steps=1,
)  # fmt: skip


class Bench:
    """The workers, started when first needed, and what they share."""

    def __init__(self, sizes: Sizes, repeats: int, threads: int, clock: str, folder: Path):
        self.sizes, self.repeats, self.threads, self.clock = sizes, repeats, threads, clock
        self.material = str(folder / "material.json")
        self._workers: dict[str, Worker] = {}
        self.about: dict[str, Any] = {}

    def worker(self, name: str) -> Worker:
        if name != "trimtab":
            self.worker("trimtab")  # writes the material that the others read
        if name not in self._workers:
            python = peers_python() if name == "peers" else sys.executable
            worker = self._workers[name] = Worker(python, f"worker_{name}.py", threads=self.threads)
            if name == "trimtab":
                sizes = {"train": self.sizes.pairs, "prompts": self.sizes.prompts}
                self.about[name] = worker.ask("prepare", path=self.material, threads=self.threads, **sizes)
            else:
                self.about[name] = worker.ask("load", path=self.material, threads=self.threads)
        return self._workers[name]

    def contender(self, name: str, worker: str, task: str, scale: float = 1.0, **arguments: Any) -> Contender:
        return Contender(name, self.worker(worker), task, {"clock": self.clock, **arguments}, scale)

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()


def extraction(bench: Bench) -> list[Row]:
    ours = bench.contender("trimtab", "trimtab", "extract")
    one, eight = (
        bench.contender(f"steering-vectors, batch {b}", "peers", "steering_vectors_extract", batch_size=b)
        for b in (1, 8)
    )
    repeng = bench.contender("repeng", "peers", "repeng_extract")
    plain = bench.contender("decoder alone", "plain", "forward")
    rounds([ours, one, eight, repeng, plain], bench.repeats, bench.sizes.extraction)
    cosine = checks.least_cosine(ours.reply["vector"], one.reply["vector"])
    work = f"extraction, {bench.sizes.pairs} pairs, all layers, {ours.time:.1f} s"
    both = f"batch 1 {one.time:.1f} s, 8 {eight.time:.1f} s; least cosine of the vectors {cosine:.6f}"
    peer = "steering-vectors, the better of batch 1 and 8"
    return [
        checks.require(ratio_row(work, peer, ratios(ours, one, eight), 3, both), cosine > 0.9999),
        ratio_row(work, "repeng, its defaults (PCA)", ratios(ours, repeng), 4, f"{repeng.time:.1f} s"),
        ratio_row(
            work, "plain forwards, decoder only, batch 8 by length", ratios(ours, plain), 1.7, f"{plain.time:.1f} s"
        ),
    ]


def sweep(bench: Bench) -> list[Row]:
    return _sweep(bench, "all", 6, bench.sizes.sweep, peers=True)


def after_prompt(bench: Bench) -> list[Row]:
    return _sweep(bench, "after_prompt", 40, bench.sizes.after_prompt, peers=False)


def _sweep(bench: Bench, positions: str, target: float, seconds: float, *, peers: bool) -> list[Row]:
    layers = bench.worker("trimtab").ask("swept_layers", layers=LAYERS)["layers"]
    total = len(layers) * len(STRENGTHS)
    cells = _spread(layers, bench.sizes.cells)
    scale = total / len(cells)
    ours = bench.contender("trimtab", "trimtab", "sweep", positions=positions, layers=LAYERS, strengths=STRENGTHS)
    others = [bench.contender("hook loop", "plain", "hook_loop", scale, positions=positions, cells=cells)]
    if peers:
        others.append(bench.contender("steering-vectors apply", "peers", "steering_vectors_sweep", scale, cells=cells))
    rounds([ours, *others], bench.repeats, seconds)
    grid = f"{len(layers)} layers × {len(STRENGTHS)} strengths, {bench.sizes.prompts} prompts"
    rows = []
    for other in others:
        error = checks.largest_difference(ours.reply["scores"], other.reply["scores"])
        detail = f"{other.time:.0f} s, scaled from {len(cells)} of {total} cells; largest |Δ| {error:.1e}"
        row = ratio_row(
            f"sweep, positions {positions}, {grid}, {ours.time:.1f} s", other.name, ratios(ours, other), target, detail
        )
        rows.append(checks.require(row, error <= 1e-4))
    return rows


def _spread(layers: list[int], count: int) -> list[tuple[int, float]]:
    """Cells spread evenly over the layers, strengths in turn."""
    places = [round(i * (len(layers) - 1) / (count - 1)) for i in range(count)]
    return [(layers[place], STRENGTHS[i % len(STRENGTHS)]) for i, place in enumerate(places)]


def generation(bench: Bench) -> list[Row]:
    sizes, layers = bench.sizes, bench.worker("trimtab").ask("swept_layers", layers=LAYERS)["layers"]
    cells = [(layer, strength) for layer in layers[:: max(1, len(layers) // 10)][:10] for strength in (-1.0, 1.0)]
    asked = {"prompts": min(16, sizes.prompts), "cells": cells, "tokens": 32}
    ours = bench.contender("trimtab", "trimtab", "answer", **asked)
    some = [cells[0], cells[-1]]
    every = len(cells) * asked["prompts"]
    loops = [
        bench.contender(
            name, "plain", "generate_loop", every / (len(part) * prompts),
            prompts=prompts, cells=part, tokens=asked["tokens"], batch_size=batch_size,
        )
        for name, part, prompts, batch_size in (
            ("hook loop, one prompt at a time", some[:1], 4, 1),
            ("hook loop, batch 16", some, asked["prompts"], 16),
        )
    ]  # fmt: skip
    rounds([ours, *loops], bench.repeats, sizes.generation)
    rows = []
    for loop, target in zip(loops, (6, 1.5), strict=True):
        same, count = checks.same_replies(ours.reply["replies"], loop.reply["replies"])
        detail = f"{loop.time:.0f} s, scaled; {same} of {count} replies the same, token by token"
        work = f"generation, {len(cells)} cells × {asked['prompts']} prompts × 32 tokens, {ours.time:.1f} s"
        rows.append(checks.require(ratio_row(work, loop.name, ratios(ours, loop), target, detail), same == count))
    return [*rows, _overhead(bench)]


def _overhead(bench: Bench) -> Row:
    """Steered against unsteered writing of the same rows, in turn."""
    asked = {"prompts": bench.sizes.prompts, "tokens": 32}
    plain, steered = (bench.contender(str(s), "trimtab", "decode", steer=s, **asked) for s in (False, True))
    rounds([plain, steered], max(3, bench.repeats), 120)
    share = [100 * (b / a - 1) for a, b in zip(plain.seconds, steered.seconds, strict=True)]
    told = ", ".join(f"{s:.1f}" for s in share)
    return limit_row(
        "steering while writing: time on top", sorted(share)[len(share) // 2], 3, "%", 1, f"rounds: {told}"
    )


def streaming(bench: Bench) -> list[Row]:
    """A sweep with layers read from disk, and the same from memory, in turn."""
    asked = {"positions": "after_prompt", "layers": LAYERS, "strengths": STRENGTHS}
    memory, disk = (bench.contender(str(s), "trimtab", "sweep", stream=s, **asked) for s in (False, True))
    rounds([memory, disk], bench.repeats, bench.sizes.streaming)
    share = [100 * (b / a - 1) for a, b in zip(memory.seconds, disk.seconds, strict=True)]
    streams, read, reading, waiting = disk.reply["read"]
    error = checks.largest_difference(memory.reply["scores"], disk.reply["scores"])
    detail = (
        f"{disk.time:.1f} s, from memory {memory.time:.1f} s; {streams:.0f} stream(s), {read / 1e9:.2f} GB read in "
        f"{reading:.1f} s, waited for {waiting:.1f} s; largest |Δ| {error:.1e}; rounds: "
        + ", ".join(f"{one:.1f}" for one in share)
    )
    work = f"sweep, positions after_prompt, {bench.sizes.prompts} prompts, layers read from disk: time on top"
    return [checks.require(limit_row(work, sorted(share)[len(share) // 2], 15, "%", 1, detail), error == 0)]


def training(bench: Bench) -> list[Row]:
    """Vectors of all layers in one staircase, against an optimiser and a hook for each layer; steps alone are timed."""
    layers = bench.worker("trimtab").ask("swept_layers", layers=LAYERS)["layers"]
    some = [layers[place] for place in (0, len(layers) // 2, len(layers) - 1)]
    steps, rate = bench.sizes.training_steps, TrainingSettings().learning_rate
    rows = []
    for behavior, kind in (("cheerful", "texts"), ("corrigible", "answer letters")):
        material = bench.worker("trimtab").ask("training_texts", behavior=behavior, count=35, batch_size=8)
        for positions in ("all", "after_prompt"):
            ours = bench.contender(
                "trimtab", "trimtab", "train", layers=layers, steps=steps, batch_size=8, positions=positions
            )
            loops = [
                bench.contender(
                    f"hook and optimiser for each layer, batch 8, weights {'frozen' if frozen else 'as loaded'}",
                    "plain", "train_loop", len(layers) / len(some), layers=some, steps=steps, rate=rate, frozen=frozen,
                    positions=positions, **material,
                )
                for frozen in (True, False)
            ]  # fmt: skip
            rounds([ours, *loops], bench.repeats, bench.sizes.training)
            what = (
                f"training {len(layers)} layers, 35 pairs ({kind}), positions {positions}, {steps} steps, "
                f"{ours.time:.1f} s behind {ours.reply['before']:.1f} s once; {ours.reply['mebibytes']:.0f} MiB"
            )
            for loop, target in zip(loops, (3, 5), strict=True):
                ends = [(ours.reply["vectors"][str(n)], loop.reply["vectors"][str(n)]) for n in some]
                cosine = checks.least_cosine([a for a, _ in ends], [b for _, b in ends])
                detail = (
                    f"{loop.time:.0f} s, scaled from {len(some)} layers, {loop.reply['mebibytes']:.0f} MiB; "
                    f"least cosine of the vectors {cosine:.6f}"
                )
                row = ratio_row(what, loop.name, ratios(ours, loop), target, detail)
                rows.append(checks.require(row, cosine > 0.999))
    return rows


def memory(bench: Bench) -> list[Row]:
    rows = []
    for count in bench.sizes.memory:
        command = [sys.executable, str(HERE / "memory.py"), str(count), str(bench.threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=420)
        rows.append(
            limit_row(f"extraction, {count} pairs: peak above the loaded model", float(done.stdout), 250, "MiB", 0)
        )
    return rows


def start(bench: Bench) -> list[Row]:
    rows = []
    for name, arguments in (
        ("import trimtab", ["-c", "import trimtab"]),
        ("trimtab --help", ["-m", "trimtab", "--help"]),
    ):
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=60)
            times.append(time.perf_counter() - begin)
        rows.append(limit_row(name, min(times), 0.5, "s", 2, "best of 5 processes"))
    return rows


GROUPS: dict[str, Callable[[Bench], list[Row]]] = {
    "start": start,
    "memory": memory,
    "extraction": extraction,
    "after_prompt": after_prompt,
    "generation": generation,
    "streaming": streaming,
    "sweep": sweep,
    "training": training,
}


def heading(bench: Bench, load: float) -> str:
    """Under which circumstances the numbers came about."""
    versions = "; ".join(
        f"{name}: "
        + ", ".join(f"{k} {v}" for k, v in about.items() if k not in ("layers", "tokens", "behavior", "model"))
        for name, about in bench.about.items()
    )
    ours = bench.about.get("trimtab")
    work = f"{ours['model']}; pairs: {ours['behavior']}, {ours['tokens']:.0f} tokens each\n" if ours else ""
    clock = "wall time" if bench.clock == "wall" else "processor time"
    busy = f"; load average {load:.1f} at the start: others were using this machine" if load > 0.5 else ""
    return f"{work}{_processor()}, {bench.threads} threads, float32, {clock}{busy}\n{versions}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(GROUPS), help="comma-separated rows: " + ", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true", help="small sizes, one or two rounds: is everything in place?")
    parser.add_argument("--repeats", type=int, default=3, help="rounds at most; fewer where time is up")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: with --threads 1, on a busy machine"
    )
    parser.add_argument("--write", action="store_true", help="write the table to bench/results.md and .json too")
    chosen = parser.parse_args()
    if unknown := set(chosen.only.split(",")) - set(GROUPS):
        parser.error(f"no such rows: {', '.join(sorted(unknown))}")
    return chosen


def main() -> int:
    chosen = parse()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(QUICK if chosen.quick else FULL, chosen.repeats, chosen.threads, chosen.clock, Path(folder))
        try:
            for name in chosen.only.split(","):
                print(name, file=sys.stderr, flush=True)
                try:
                    rows += GROUPS[name](bench)
                except (RuntimeError, subprocess.SubprocessError) as error:
                    rows.append(failed_row(name, error))
        finally:
            bench.close()
        text = f"{heading(bench, load)}\n\n{markdown(rows)}\n"
    print(text)
    if chosen.write:
        (HERE / "results.md").write_text(text, encoding="utf-8")
        (HERE / "results.json").write_text(json.dumps([vars(row) for row in rows], indent=1), encoding="utf-8")
    return 0 if all(row.met is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
