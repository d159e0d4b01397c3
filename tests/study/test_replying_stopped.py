"""Studies in which models reply, killed half-way or judged by a service that misbehaves: nothing is paid twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judges.conftest import KEY, Reaction, Server, verdict
from study.conftest import CELLS, Run, same_tables, settings, table
from trimtab.analysis import judged_replies
from trimtab.cli.main import main
from trimtab.errors import RunError
from trimtab.llm import client
from trimtab.models.gguf.conversion import cache_folder
from trimtab.study import RunFolder, reopened, report_runs, run_study

TESTS = Path(__file__).parent.parent
AT_ONCE = 2

# Parts of two rows and a pause before each, so that there are many moments to be killed at.
SLOWLY = f"""
import json, sys, time
from pathlib import Path
from tiny import tiny
import trimtab.evaluation.replies as replies, trimtab.store.part_writer as folder
import trimtab.study.measures.replies.run as replying, trimtab.study._model_runner as work
from trimtab.engines import Model
from trimtab.study import make_study, run_study
folder.SECONDS_BETWEEN_PARTS = 0
replies.REPLIES_PER_FRAME = replying.JUDGEMENTS_AT_ONCE = {AT_ONCE}
work.load = lambda *args, **options: Model(tiny("llama"))
def tell(what, done, total):
    print(what, done, total, sep="|", flush=True)
    time.sleep(0.05 if what.startswith("replies") else 0)
run_study(make_study(json.loads(sys.argv[1])), Path(sys.argv[2]), progress=tell)
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A language model to judge by, with a cache of its own."""
    monkeypatch.setenv("LOCAL_API_KEY", KEY)
    monkeypatch.setattr(client, "FIRST_PAUSE_SECONDS", 0.02)
    models = cache_folder() / "models"
    forget(monkeypatch, tmp_path / "cache", models)
    running = Server()
    yield running
    running.close()


def forget(monkeypatch: pytest.MonkeyPatch, cache: Path, models: Path | None = None) -> None:
    """Judge without what was said before; converted models stay at hand."""
    models = models or cache_folder() / "models"
    cache.mkdir()
    (cache / "models").symlink_to(models.resolve())
    monkeypatch.setenv("TRIMTAB_CACHE", str(cache))


def judged_by(server: Server, **options: Any) -> dict[str, Any]:
    judge = {"model": "openai-api/local/m", "name": "m", "base_url": server.base_url, "max_connections": 1, **options}
    return settings(judges=[judge])


def start(content: object, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SLOWLY, json.dumps(content), str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def killed(content: object, folder: Path, kind: str, parts: int) -> list[int]:
    """Start a study, kill it when a table has so many parts, and return what it said was done of that table."""
    process = start(content, folder)
    while len(list((folder / kind).glob("part-*.parquet"))) < parts and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    said, errors = process.communicate()
    assert process.returncode == -9, errors
    return told(said, kind)


def gone_on(content: object, folder: Path, kind: str) -> list[int]:
    said, errors = (process := start(content, folder)).communicate(timeout=120)
    assert process.returncode == 0, errors
    assert RunFolder(folder).manifest().status == "finished"
    return told(said, kind)


def told(said: str, kind: str) -> list[int]:
    word = {"replies": "replies about", "judgements": "judge "}[kind]
    return [int(line.split("|")[1]) for line in said.splitlines() if line.startswith(word)]


def rows(folder: Path, kind: str) -> int:
    found = RunFolder(folder).parts(kind)  # type: ignore[arg-type]
    return 0 if found is None else len(found)


def test_killed_while_replying_it_goes_on_with_what_is_missing(run: Run, tmp_path: Path) -> None:
    content, folder = settings(judges=[{"pattern": "a"}]), tmp_path / "killed"
    for parts in (2, 5):
        done = killed(content, folder, "replies", parts)
        # What is reported counts replies while they are written; on disk they are a little later.
        assert AT_ONCE <= rows(folder, "replies") <= done[-1] + AT_ONCE
        assert RunFolder(folder).parts("judgements") is None
    before = rows(folder, "replies")
    assert 0 < before < 3 * (1 + len(CELLS))
    assert gone_on(content, folder, "replies")[0] == before
    same_tables(folder, run(content, tmp_path / "whole"))


def test_killed_while_judging_it_asks_again_only_what_was_under_way(
    run: Run, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def react(question: str) -> Reaction:
        time.sleep(0.03)
        return Reaction(verdict(len(question) % 11, len(question) % 7))

    server.react = react
    content, folder = judged_by(server), tmp_path / "killed"
    done = killed(content, folder, "judgements", 2)
    before = rows(folder, "judgements")
    assert before >= 2 * AT_ONCE
    assert abs(done[-1] - before) <= AT_ONCE
    assert before < 3 * len(CELLS)
    gone_on(content, folder, "judgements")
    # One that was being answered, and one whose answer may not have been kept yet.
    assert len(server.prompts) <= len(set(server.prompts)) + 2
    assert not table(folder, "judgements").duplicated(["split", "prompt_id", "layers", "strength"]).any()
    forget(monkeypatch, tmp_path / "other")
    same_tables(folder, run(content, tmp_path / "whole"))


class Moody:
    """Answers wrongly, never, or not now to some questions; the same ones each time."""

    def __init__(self) -> None:
        self.questions: dict[str, int] = {}
        self.faults = {1: Reaction("As you like it."), 7: Reaction(hang=True), 13: Reaction("slow down", status=429)}

    def __call__(self, question: str) -> Reaction:
        return self.fault(self.questions.setdefault(question, len(self.questions))) or Reaction(verdict())

    def fault(self, number: int) -> Reaction | None:
        return self.faults.get(number % 18)

    @property
    def failing(self) -> set[str]:
        return {question for question, number in self.questions.items() if self.fault(number)}


def test_a_service_that_misbehaves_fails_single_replies_and_the_next_run_fills_them(
    run: Run, tmp_path: Path, server: Server
) -> None:
    server.react = moody = Moody()
    content, folder = judged_by(server, timeout_seconds=1, attempts=1), tmp_path / "run"
    run(content, folder)
    assert RunFolder(folder).manifest().status == "finished"
    judgements = table(folder, "judgements")
    assert len(judgements) == 3 * len(CELLS)
    failures = judgements[judgements["failure"] != ""]
    assert len(failures) == len(moody.failing) >= 4
    for reason in ("no JSON object", "no answer within 1 s", "limits the rate or the budget is used up (429)"):
        assert failures["failure"].str.contains(reason, regex=False).any(), reason
    assert failures[["score", "change", "coherence"]].isna().all(axis=None)
    page = report_runs([folder], tmp_path / "page.html").path.read_text(encoding="utf-8")
    assert f"{len(failures)} replies could not be judged and count in no change" in page
    first = failures.iloc[0]
    assert f"layer {first['layers']} at {first['strength']:+g}".replace("-", "−") in page

    server.requests.clear()
    server.react = lambda question: Reaction(verdict())
    run(content, folder)
    assert sorted(server.prompts) == sorted(moody.failing)
    assert rows(folder, "judgements") == 3 * len(CELLS) + len(failures)
    judged = judged_replies(table(folder, "replies"), RunFolder(folder).parts("judgements"))
    assert (judged["failure"] == "").all()
    assert judged["change"].notna().all()
    page = report_runs([folder], tmp_path / "page.html").path.read_text(encoding="utf-8")
    assert "could not be judged and count in no change" not in page

    server.requests.clear()
    run(content, folder)
    assert not server.requests


def test_a_dead_service_leaves_a_finished_run_with_replies(run: Run, tmp_path: Path, server: Server) -> None:
    server.react = lambda question: Reaction("no such key", status=401)
    folder = run(judged_by(server), tmp_path / "run")
    assert RunFolder(folder).manifest().status == "finished"
    judgements = table(folder, "judgements")
    assert len(judgements) == len(table(folder, "replies").query("strength != 0")) == 3 * len(CELLS)
    assert (judgements["failure"] != "").all()
    assert judgements["failure"].str.contains("the service refuses the key", regex=False).all()
    assert len(server.requests) < 3 * len(CELLS)
    assert KEY.encode() not in b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert report_runs([folder], tmp_path / "page.html").path.is_file()


def refuse(cost: str) -> bool:
    raise AssertionError(f"asked to pay for {cost}")


def test_a_check_of_a_run_that_is_judged_asks_nobody_to_pay(run: Run, tmp_path: Path, server: Server) -> None:
    run(judged_by(server), tmp_path / "run")
    paid = len(server.requests)
    study, _ = reopened(tmp_path / "run", {"robustness": {"prompts": 4}})
    run_study(study, tmp_path / "run", approve=refuse)
    assert list((tmp_path / "run").glob("robustness/*.parquet"))
    assert len(server.requests) == paid


def test_a_check_of_a_run_with_failed_judgements_asks_before_they_are_made_again(
    run: Run, tmp_path: Path, server: Server
) -> None:
    server.react = lambda question: Reaction("no such key", status=401)
    folder = run(judged_by(server), tmp_path / "run")
    asked: list[str] = []
    study, _ = reopened(folder, {"robustness": {"prompts": 4}})
    with pytest.raises(RunError, match="stopped before anything was run or spent"):
        run_study(study, folder, approve=lambda cost: bool(asked.append(cost)))
    assert "calls of m" in asked[0]
    assert not list(folder.glob("robustness/*"))
    server.react = lambda question: Reaction(verdict(5, 5))
    run_study(study, folder, approve=lambda cost: True)
    run_study(reopened(folder, {"diagnosis": {}})[0], folder, approve=refuse)


def test_a_check_of_a_run_that_was_stopped_asks_before_its_judging_goes_on(
    run: Run, tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(judged_by(server), tmp_path / "run")
    run_folder = RunFolder(folder)
    run_folder.write_manifest(run_folder.manifest().replace(status="running"))
    with pytest.raises(RunError, match="stopped before anything was run or spent"):
        run_study(reopened(folder, {"robustness": {"prompts": 4}})[0], folder, approve=lambda cost: False)
    assert main(["robustness", str(folder), "-q"]) == 2
    said = capsys.readouterr().err
    assert "calls of m" in said
    assert "finish its study first" in said
    assert "--yes" not in said


def test_nothing_runs_where_the_cost_is_not_approved(run: Run, tmp_path: Path, server: Server) -> None:
    asked: list[str] = []
    with pytest.raises(RunError, match="stopped before anything was run or spent"):
        run(judged_by(server), tmp_path / "run", approve=lambda cost: bool(asked.append(cost)))
    assert "calls of m" in asked[0]
    assert not (tmp_path / "run").exists()
    assert not server.requests
