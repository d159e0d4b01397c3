"""A study of the bundled model on both engines, side by side on Ray: the same numbers, whoever is killed meanwhile."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")
if importlib.util.find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install 'trimtab[ray]'", allow_module_level=True)

import psutil

from study import slow_ray_worker
from trimtab.store._file_names import safe_name
from trimtab.study import RunFolder, make_study, report_runs, run_study
from trimtab.study.ray import driver
from workers import is_gone, parts, ray_with_slow_workers, worker_of

pytestmark = pytest.mark.vllm

PLAIN, VLLM = "smollm2-135m", "smollm2-135m (vllm)"
STUDY: dict[str, Any] = {
    "name": "two-engines",
    "models": [
        {"id": "smollm2-135m", "dtype": "float32"},
        {
            "id": "smollm2-135m",
            "dtype": "float32",
            "engine": "vllm",
            "engine_options": {"max_model_len": 512, "max_num_seqs": 16, "enforce_eager": True},
        },
    ],
    "behaviors": [{"source": "corrigible", "limit": 12}, {"source": "cheerful", "limit": 12}],
    "layers": "14,20",
    "strengths": [0.2],
    "scale": "relative",
    "replies": {"prompts": 2, "max_new_tokens": 8, "judges": [{"pattern": "[a-m]", "name": "a to m"}]},
}


@pytest.fixture(scope="module")
def killed() -> dict[str, list[int]]:
    """The worker that was killed, and the vLLM processes that it had."""
    return {"worker": [], "engine": []}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, killed: dict[str, list[int]]) -> Iterator[Path]:
    """The study's folder; half-way, the worker that had vLLM was killed as a machine kills what takes too much."""
    folder = tmp_path_factory.mktemp("study") / "run"
    share = safe_name(VLLM)

    def progress(what: str, done: int, total: int) -> None:
        pid = worker_of(folder, share)
        if not killed["worker"] and pid is not None and parts(folder, share) >= 2:
            killed["worker"].append(pid)
            killed["engine"] += [child.pid for child in psutil.Process(pid).children(recursive=True)]
            os.kill(pid, signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch, ray_with_slow_workers():
        patch.setattr(driver, "Worker", slow_ray_worker.SlowWorker)
        yield run_study(make_study(STUDY), folder, ray="local", progress=progress)


def both(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """One row for each prompt and cell, with what either engine gives."""
    keys = ["behavior", "split", "prompt_id", "order", "layers", "strength"]
    keys = [key for key in keys if key in table]
    sides = [table.loc[table["model"] == model, [*keys, value]] for model in (PLAIN, VLLM)]
    assert len(sides[0]) > 0
    return sides[0].merge(sides[1], on=keys, how="outer", suffixes=("_plain", "_vllm"), validate="one_to_one")


def test_every_score_is_the_default_engines(run: Path) -> None:
    samples = RunFolder(run).samples()
    scores = both(samples, "score")
    assert (scores["score_plain"] - scores["score_vllm"]).abs().le(1e-3).all()
    assert scores["score_plain"].std() > 0.1


def test_every_reply_is_the_default_engines(run: Path) -> None:
    replies = RunFolder(run).parts("replies")
    assert replies is not None
    texts = both(replies, "reply")
    assert (texts["reply_plain"] == texts["reply_vllm"]).all()
    assert texts["reply_plain"].nunique() > 3


def test_the_killed_worker_took_its_vllm_along(run: Path, killed: dict[str, list[int]]) -> None:
    """Its processes would hold the memory that the one in its place needs."""
    assert len(killed["worker"]) == 1
    assert killed["engine"], "it had an engine"
    assert all(is_gone(pid) for pid in killed["engine"])


def test_the_report_says_that_the_engines_agree(run: Path) -> None:
    report_runs([run], run / "report.html")
    page = (run / "report.html").read_text()
    assert f"{PLAIN} (transformers) and {VLLM} (vllm) are the same weights on two engines" in page
