"""A study whose model two processes hold in halves: the run of one process, written by the first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from torch._C._distributed_c10d import HashStore

from tiny import save_tiny
from trimtab.cli.main import main
from trimtab.errors import RunError, SettingError
from trimtab.study import make_study, run_study
from trimtab.study.divided.team import Team, processes_of, team_of
from trimtab.study.plan.planning import plan_study

MEASURED: dict[str, Any] = {
    "behaviors": [{"source": "cheerful", "limit": 16}], "layers": "0,1", "strengths": [-0.2, 0.2], "scale": "relative",
    "replies": {"prompts": 2, "max_new_tokens": 4, "judges": [{"pattern": "a"}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model"))


def content(folder: Path, processes: int, **changes: Any) -> dict[str, Any]:
    models = [
        {"id": str(folder), "name": "divided", "dtype": "float32", "tensor_parallel": processes},
        {"id": str(folder), "name": "whole", "dtype": "float32", "device": "cpu"},
    ]
    return {"name": "study", "models": models, **MEASURED, **changes}


def run(file: Path, given: dict[str, Any], out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`trimtab study`, with a temporary folder of its own beside the run."""
    file.write_text(yaml.safe_dump(given))
    (temporary := out.with_name("temporary")).mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "trimtab", "study", str(file), "-o", str(out)], capture_output=True, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)} | environment, timeout=300, check=False,
    )  # fmt: skip


def test_the_run_is_that_of_one_process_and_is_resumed(folder: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "study.yaml", tmp_path / "run"
    done = run(file, content(folder, 2), out)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("load divided") == 1, "one of the processes shows its progress"
    assert done.stderr.count("load whole") == 1
    assert list((tmp_path / "temporary").iterdir()) == [], "the copies of the others are gone"
    plain = run_study(make_study(content(folder, 1)), tmp_path / "plain")
    mine, theirs = (samples(path) for path in (out, plain))
    assert list(mine.index) == list(theirs.index)
    assert set(mine.index.get_level_values("model")) == {"divided", "whole"}
    np.testing.assert_allclose(mine["score"], theirs["score"], atol=1e-4)
    assert (texts(out) == texts(plain)).all()
    again = run(file, content(folder, 2, dose=True), out)
    assert again.returncode == 0, again.stderr[-3000:]
    assert "sweep cheerful in divided: 40 of 40 scores, already there" in again.stderr
    assert "doses of cheerful in divided: 12 of 12" in again.stderr


def samples(path: Path) -> pd.DataFrame:
    """The scores of a run, by what each is of."""
    parts = [pd.read_parquet(file) for file in sorted((path / "samples").glob("*.parquet"))]
    keys = ["model", "split", "prompt_id", "layer", "strength"]
    return pd.concat(parts).sort_values(keys).set_index(keys)


def texts(path: Path) -> pd.Series:
    """The replies of a run, by what each is of."""
    parts = [pd.read_parquet(file) for file in sorted((path / "replies").glob("*.parquet"))]
    keys = ["model", "split", "prompt_id", "layer", "strength"]
    return pd.concat(parts).sort_values(keys).set_index(keys)["reply"]


def test_a_mistake_is_reported_once_by_the_first_process(folder: Path, tmp_path: Path) -> None:
    done = run(tmp_path / "study.yaml", content(folder, 2, layers="9"), tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr.count("error: layer 9") == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_the_last_words_of_another_process_that_stops_are_shown(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if os.environ.get('RANK') == '1':\n"
        "    print('its GPU is gone', file=sys.stderr, flush=True)\n"
        "    os._exit(3)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = run(tmp_path / "study.yaml", content(folder, 2), tmp_path / "run", PYTHONPATH=path)
    assert done.returncode == 3
    assert "process 2 of 2 stopped: its GPU is gone" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"replies": {"judges": [{"model": "openai/gpt"}]}}, "each process of a divided model would get a different"),
        ({"side_effects": {"tasks": ["lm_eval:arc_easy"]}}, "tasks of harnesses ask in batches that differ"),
        ({"baselines": {"lora": True}}, "fine-tuning .* is not for a model that is divided"),
        (
            {"models": [{"id": "a", "tensor_parallel": 2}, {"id": "b", "tensor_parallel": 4}]},
            "a is divided over 2 .* b over 4",
        ),
    ],
)  # fmt: skip
def test_what_processes_cannot_do_alike_is_refused(changes: dict[str, Any], words: str) -> None:
    study = make_study({"models": [{"id": "a", "tensor_parallel": 2}], "behaviors": ["cheerful"], **changes})
    with pytest.raises(SettingError, match=words):
        processes_of(study)


def test_a_process_alone_or_on_ray_is_refused_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study({"models": [{"id": "a", "tensor_parallel": 2}], "behaviors": ["cheerful"]})
    with pytest.raises(SettingError, match="over 2 processes, and there is 1; `trimtab study FILE` starts them"):
        run_study(study, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(SettingError, match="that Ray does not start"):
        team_of(study, "local")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(SettingError, match="and there is 4"):
        team_of(study)


def test_where_the_first_process_cannot_begin_the_others_stop_for_the_same_reason(tmp_path: Path) -> None:
    store = HashStore()

    def choose() -> Path:
        raise SettingError("no folder")

    with pytest.raises(SettingError, match="no folder"), Team(0, 2, store).opened(choose, "me"):
        pass
    with pytest.raises(RunError, match="no folder"), Team(1, 2, store).opened(lambda: tmp_path, "me"):
        pass


def test_a_rank_that_is_there_for_other_reasons_leaves_a_study_as_it_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "1")
    given = {**content(folder, 1), "replies": None}
    (file := tmp_path / "study.yaml").write_text(yaml.safe_dump({**given, "models": given["models"][1:]}))
    assert main(["study", str(file), "-o", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "report.html").is_file()
    assert "load whole" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("beside", "words"),
    [
        ({"device": "cpu"}, "leave out device, quantization, stream"),
        ({"stream": True}, "leave out device, quantization, stream"),
        ({"engine": "vllm"}, "for vllm, use its engine_options"),
        ({"tensor_parallel": 0}, "tensor_parallel"),
    ],
)
def test_settings_that_do_not_go_with_it_are_refused(beside: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        make_study({"models": [{"id": "a", "tensor_parallel": 2, **beside}], "behaviors": ["cheerful"]})


def test_the_plan_says_over_how_many_processes_the_weights_are(folder: Path) -> None:
    assert "weights over 2 processes + " in plan_study(make_study(content(folder, 2))).text()


def test_a_second_run_of_the_same_processes_knows_nothing_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    store = HashStore()
    monkeypatch.setattr(sys.modules["torch.distributed.rendezvous"], "rendezvous", lambda _: iter([(store, 0, 2)]))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    study = make_study({"models": [{"id": "a", "tensor_parallel": 2}], "behaviors": ["cheerful"]})
    first, second = team_of(study), team_of(study)
    first.finished(study.models[0])
    assert first.store.check(["done a"])
    assert not second.store.check(["done a"])
