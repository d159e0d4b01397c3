"""`trimtab tune` as somebody would use it: the plan, the cost before anything is spent, and a run."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.cli.main import main

SMALL = ["--limit", "16", "--layers", "17", "--strengths=-0.3,0.3", "--prompts", "2", "--max-new-tokens", "6"]
PAID = ["--judge", "openai/gpt-4o-mini", "--price", "0.15,0.6"]


def tune(*options: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trimtab", "tune", "--behavior", "cheerful", *options]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, stdin=subprocess.DEVNULL, timeout=300, env=os.environ | env
    )


def test_the_plan_counts_replies_and_what_judging_would_cost(tmp_path: Path) -> None:
    done = tune(*SMALL, *PAID, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "replies 2 rows × 3 cells, every cell, and 2 rows to report: 12 replies" in done.stdout
    # Two prompts in two cells, and two others at a setting each way; each reply is asked about in both orders.
    assert "judging: at most 16 calls of gpt-4o-mini" in done.stdout
    assert "at the prices given" in done.stdout
    assert not list(tmp_path.iterdir())


def test_the_floor_of_earlier_versions_is_named_by_its_present_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--behavior", "cheerful", "--floor", "6"]) == 2
    assert "--min-coherence" in capsys.readouterr().err
    assert main(["extract", "--behavior", "cheerful", "--floor", "6"]) == 2
    assert "--min-coherence" not in capsys.readouterr().err


def test_nothing_is_spent_where_nobody_agrees(tmp_path: Path) -> None:
    done = tune(*SMALL, *PAID, cwd=tmp_path, OPENAI_API_KEY="none")
    assert done.returncode == 2
    assert "cheerful in smollm2-135m: at most 16 calls of gpt-4o-mini" in done.stderr
    assert "give --yes" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--price", "cheap"], "write dollars per million tokens"),
        (["--judge", "gpt-4o-mini"], "needs its provider in front"),
        (["--pattern", "(happy"], "pattern"),
        (["--min-coherence", "11"], "min_coherence"),
        (["--prompts", "1"], "prompts"),
        (["--strengths=0"], "at least one strength other than 0"),
        (["--layers", "99"], "layer 99 is out of range"),
    ],
)
def test_nonsense_is_explained(
    tmp_path: Path,
    options: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tune", "--behavior", "cheerful", *SMALL, *options, "-q"]) == 2
    assert words in capsys.readouterr().err


def test_it_recommends_a_setting_each_way(tmp_path: Path) -> None:
    done = tune(*SMALL, "--pattern", "(?i)great|wonderful|happy|!", "-o", "run", "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cheerful (smollm2-135m), judged replies" in done.stdout
    run = tmp_path / "run"
    assert (run / "report.html").is_file()
    with (run / "recommended.csv").open(encoding="utf-8") as file:
        assert sorted(row["direction"] for row in csv.DictReader(file)) == ["-1", "1"]
    assert list((run / "dose").glob("part-*.parquet"))
