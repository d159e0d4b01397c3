"""What a machine with a GPU is needed for, in one go and under eight minutes: exactness and speed, as a table.

    python bench/gpu.py [--model MODEL | --random 1b] [--out FOLDER] [--only exact32,sweep] [--vllm-python PYTHON]
    python bench/gpu.py --device cpu --small --random tiny      # every code path, on any machine

Each part runs in a process of its own with a time limit; one that fails or takes too long says why in its row, and the
others go on. The table is written anew after each part, so what stands in it survives whatever ends the script.
Nothing is downloaded: the bundled model, or a Llama with random weights (seed 0). Exit codes: 0 when all parts have run
and what they promise is met, 1 when not, 2 where there is no GPU (and `--device` does not say otherwise).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TOTAL_SECONDS = 460
PREPARE_SECONDS = 60
VLLM_PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
NO_GPU = 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m", help="a Llama-like model; the bundled one by default")
    parser.add_argument("--random", choices=("tiny", "1b", "3b", "8b"), help="random weights of this size instead")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="a few texts only: to try the script itself")
    parser.add_argument("--only", default="", help="some parts, separated by commas")
    parser.add_argument("--limit", type=float, default=TOTAL_SECONDS, help="seconds for everything")
    parser.add_argument("--out", type=Path, default=Path("gpu-results"))
    parser.add_argument("--vllm-python", type=Path, help="interpreter of an environment with vLLM")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "src")]
    return run_part(given) if given.part else run_all(given)


def run_part(given: argparse.Namespace) -> int:
    """In a process of its own: one part, whose rows go to a file."""
    import warnings

    warnings.simplefilter("ignore")
    from gpu_parts import PARTS, Setup, described, prepare

    setup = Setup(given.model, given.device, given.small)
    if given.part == "prepare":
        rows = prepare(setup, given.random, Path(given.model))
    elif given.part == "machine":
        rows = [described()]
    else:
        rows = PARTS[given.part][0](setup)
    given.into.write_text(json.dumps(rows), encoding="utf-8")
    return 0


def run_all(given: argparse.Namespace) -> int:
    from gpu_parts import PARTS

    started = time.monotonic()
    names = [name for name in given.only.split(",") if name] or list(PARTS)
    if unknown := set(names) - set(PARTS):
        sys.exit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory(prefix="trimtab-gpu-") as folder:
        results = Results(given.out, Path(folder), given)
        machine = results.child("machine", PREPARE_SECONDS, sys.executable)
        results.machine = machine[0] if isinstance(machine, list) else {"problem": machine}
        if given.device.startswith("cuda") and "card" not in results.machine:
            print(f"no GPU here ({machine if isinstance(machine, str) else 'torch sees none'}); nothing was measured")
            return NO_GPU
        if given.random:
            given.model = str(Path(folder) / f"llama-{given.random}")
            made = results.child("prepare", PREPARE_SECONDS * 2, sys.executable)
            if isinstance(made, str):
                print(f"the random model cannot be made: {made}")
                return 1
        for name in names:
            left = given.limit - (time.monotonic() - started)
            limit = min(PARTS[name][1] * (4 if given.device == "cpu" else 1), left)
            python = interpreter(name, given)
            if python is None:
                results.add(name, "skipped: vLLM is not installed here, nor in .venv-vllm", 0.0)
            elif limit < 5:
                results.add(name, "skipped: no time was left", 0.0)
            else:
                began = time.monotonic()
                results.add(name, results.child(name, limit, python), time.monotonic() - began)
        seconds = time.monotonic() - started
        print(f"\n{results.markdown()}\n{seconds:.0f} s in all; written to {given.out}/gpu.json and gpu.md")
        return 0 if results.all_met else 1


def interpreter(part: str, given: argparse.Namespace) -> str | None:
    """What runs a part; None for vLLM where it is nowhere."""
    if not part.startswith("vllm"):
        return sys.executable
    if given.vllm_python is not None:
        return str(given.vllm_python)
    if importlib.util.find_spec("vllm") is not None:
        return sys.executable
    return str(VLLM_PYTHON) if VLLM_PYTHON.exists() else None


class Results:
    """The table, on disk after each part."""

    def __init__(self, out: Path, folder: Path, given: argparse.Namespace):
        self.out, self.folder, self.given = out, folder, given
        self.machine: dict[str, Any] = {}
        self.rows: list[dict[str, Any]] = []
        out.mkdir(parents=True, exist_ok=True)

    @property
    def all_met(self) -> bool:
        return all(row["met"] is not False for row in self.rows)

    def child(self, part: str, limit: float, python: str) -> list[Any] | str:
        """The rows of a part, or in words why there are none; its process and all that it started are gone then."""
        into = self.folder / f"{part}.json"
        command = [python, __file__, "--part", part, "--into", str(into), "--model", self.given.model]
        command += ["--device", self.given.device, *(["--small"] if self.given.small else [])]
        command += ["--random", self.given.random] if self.given.random else []
        print(f"{part} (at most {limit:.0f} s) …", flush=True)
        log = self.out / f"{part}.log"
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT / "src"), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false",
            "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        }  # fmt: skip
        with log.open("w") as text:
            process = subprocess.Popen(command, stdout=text, stderr=text, env=environment, start_new_session=True)
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if code == 0:
            found: list[Any] = json.loads(into.read_text(encoding="utf-8"))
            return found
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        if code is None:
            return f"stopped after {limit:.0f} s; the last line of {log.name}: {lines[-1] if lines else 'none'}"
        errors = [line for line in lines if "Error" in line]  # vLLM writes more behind its error
        return f"failed: {(errors or lines or ['without a word'])[-1]}"

    def add(self, part: str, found: list[Any] | str, seconds: float) -> None:
        if isinstance(found, str):
            met = None if found.startswith("skipped") else False
            found = [{"work": part, "against": "", "measured": found[:300], "met": met, "detail": "", "numbers": {}}]
        self.rows += [{"part": part, "seconds": round(seconds, 1), **row} for row in found]
        about = {"machine": self.machine, "model": self.given.random or self.given.model, "device": self.given.device}
        (self.out / "gpu.json").write_text(json.dumps({**about, "rows": self.rows}, indent=1), encoding="utf-8")
        (self.out / "gpu.md").write_text(self.markdown(), encoding="utf-8")
        for row in found:
            print(f"  {row['work']}: {row['measured']}", flush=True)

    def markdown(self) -> str:
        where = self.machine.get("card") or f"CPU, {self.machine.get('cpus')} cores"
        model = f"Llama {self.given.random}, random weights" if self.given.random else self.given.model
        named = ("torch", "transformers", "cuda")
        about = ", ".join(f"{key} {self.machine[key]}" for key in named if key in self.machine)
        lines = [f"**{where}**, {model}; {about}.", ""]
        lines += ["| work | against | measured | met | detail |", "|---|---|---|---|---|"]
        marks = {True: "yes", False: "no", None: ""}
        for row in self.rows:
            cells = (row["work"], row["against"], row["measured"], marks[row["met"]], row["detail"])
            lines.append("| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |")
        return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
