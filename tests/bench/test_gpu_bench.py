"""bench/gpu.py on a CPU: every part runs and agrees with the hook loop, and what goes wrong has a row that says why."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from workers import is_gone

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The parts, and a setup with a small random Llama."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        module: Any = importlib.import_module("gpu_parts")
        setup = module.Setup(str(tmp_path_factory.mktemp("random") / "llama"), "cpu", small=True)
        state = torch.get_rng_state()
        module.prepare(setup, "tiny", Path(setup.model))
        torch.set_rng_state(state)
        yield module, setup


@pytest.mark.parametrize("name", ["exact32", "exact16", "sweep", "extraction", "generation", "stream"])
def test_every_part_runs_and_gives_rows_with_numbers(name: str, parts: Any) -> None:
    module, setup = parts
    rows = module.PARTS[name][0](setup)
    json.dumps(rows)
    for row in rows:
        assert row["work"]
        assert row["met"] is not False, row
        assert row["numbers"] or row["measured"] == "skipped", row
    if name == "exact32":
        assert [row["met"] for row in rows] == [True] * 3
        assert all(row["numbers"]["effect"] > 0.01 for row in rows[:2]), "nothing to see"


def test_a_wrong_push_does_not_pass_for_an_exact_one(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module, setup = parts
    own = module.Material.own_scores
    monkeypatch.setattr(module.Material, "own_scores", lambda *given: own(*given) + 0.001)
    monkeypatch.setattr(importlib.import_module("gpu_loop"), "LAYER_SHARES", (0.5,))
    monkeypatch.setattr(module, "_tokens", lambda *given: {"met": True})
    assert [row["met"] for row in module.PARTS["exact32"][0](setup)][:2] == [False, False]


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCH / "gpu.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    done = run("--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "no GPU here" in done.stdout


def test_a_part_that_fails_or_has_no_time_has_a_row_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    script: Any = importlib.import_module("gpu")
    child, canned = script.Results.child, {"machine": [{"cpus": 2}], "generation": [row_of("writing", met=True)]}

    def some(results: Any, part: str, limit: float, python: str) -> Any:
        return canned[part] if part in canned else child(results, part, limit, python)

    monkeypatch.setattr(script.Results, "child", some)
    given = {"model": "no-such-model", "random": None, "device": "cpu", "small": True, "out": tmp_path, "limit": 400}
    more = {"vllm_python": None, "only": "extraction,generation,stream"}
    monkeypatch.setitem(importlib.import_module("gpu_parts").PARTS, "stream", (None, 0))
    assert script.run_all(argparse.Namespace(**given, **more)) == 1
    failed, written, late = json.loads((tmp_path / "gpu.json").read_text())["rows"]
    assert failed["measured"].startswith("failed: ")
    assert "no-such-model" in failed["measured"]
    assert (written["work"], late["measured"]) == ("writing", "skipped: no time was left")
    assert "| writing |" in (tmp_path / "gpu.md").read_text()


def row_of(work: str, **changes: Any) -> dict[str, Any]:
    return {"work": work, "against": "", "measured": "1", "met": None, "detail": "", "numbers": {}, **changes}


def test_a_part_that_takes_too_long_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    script: Any = importlib.import_module("gpu")
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nsleep 300 & echo $!; wait\n")
    sleeper.chmod(0o755)
    results = script.Results(tmp_path, tmp_path, argparse.Namespace(model="m", device="cpu", small=True, random=None))
    results.add("sweep", results.child("sweep", 1.0, str(sleeper)), 1.0)
    child = int((tmp_path / "sweep.log").read_text())
    assert results.rows[0]["measured"].startswith("stopped after 1 s")
    assert results.rows[0]["met"] is False
    assert is_gone(child)
