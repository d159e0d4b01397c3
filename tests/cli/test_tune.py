"""`trimtab tune` as somebody would use it: the plan, the cost before anything is spent, and a run."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from trimtab.cli.main import main

SMALL = ["--limit", "16", "--layers", "17", "--strengths=-0.3,0.3", "--prompts", "2", "--max-new-tokens", "6"]
PAID = ["--judge", "openai/gpt-4o-mini", "--price", "0.15,0.6"]


Tune = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tune:
    """Runs the command in an empty folder: its exit code, and what it writes to stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*options: str) -> tuple[int, str, str]:
        code = main(["tune", "--behavior", "cheerful", *options])
        return code, *capsys.readouterr()

    return run


def test_the_plan_counts_replies_and_what_judging_would_cost(tune: Tune, tmp_path: Path) -> None:
    code, out, err = tune(*SMALL, *PAID, "--dry-run")
    assert code == 0, err
    assert "replies 2 rows × 3 cells, every cell, and 2 rows to report: 12 replies" in out
    # Two prompts in two cells, and two others at a setting each way; each reply is asked about in both orders.
    assert "judging: at most 16 calls of gpt-4o-mini" in out
    assert "at the prices given" in out
    assert not list(tmp_path.iterdir())


def test_the_floor_of_earlier_versions_is_named_by_its_present_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--behavior", "cheerful", "--floor", "6"]) == 2
    assert "--min-coherence" in capsys.readouterr().err
    assert main(["extract", "--behavior", "cheerful", "--floor", "6"]) == 2
    assert "--min-coherence" not in capsys.readouterr().err


def test_nothing_is_spent_where_nobody_agrees(tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    code, _, err = tune(*SMALL, *PAID)
    assert code == 2
    assert "cheerful in smollm2-135m: at most 16 calls of gpt-4o-mini" in err
    assert "give --yes" in err
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


def test_it_recommends_a_setting_each_way(tune: Tune, tmp_path: Path) -> None:
    code, out, err = tune(*SMALL, "--pattern", "(?i)great|wonderful|happy|!", "-o", "run", "-q")
    assert code == 0, err
    assert "cheerful (smollm2-135m), judged replies" in out
    run = tmp_path / "run"
    assert (run / "report.html").is_file()
    with (run / "recommended.csv").open(encoding="utf-8") as file:
        assert sorted(row["direction"] for row in csv.DictReader(file)) == ["-1", "1"]
    assert list((run / "dose").glob("part-*.parquet"))
