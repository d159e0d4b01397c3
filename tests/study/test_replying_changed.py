"""A run whose judges, prompts or search change goes on with what is there, asks no more than told, mixes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from study.conftest import Run, settings, table
from trimtab.data import BUILT_INS, write_pairs
from trimtab.errors import RunError, SettingError
from trimtab.study import RunFolder, make_study, plan_study, report_runs

VOWELS = {"pattern": "(?i)a|e", "name": "vowels"}
OTHERS = {"pattern": "(?i)o|u", "name": "others"}


def test_another_judge_judges_only_the_prompts_that_are_asked_now(run: Run, tmp_path: Path) -> None:
    folder = run(settings(judges=[VOWELS], prompts=4), tmp_path / "run")
    run(settings(judges=[OTHERS], prompts=2), folder)
    judged = table(folder, "judgements")
    mine = judged[(judged["judge"] == "others") & (judged["split"] == "select")]
    assert mine["prompt_id"].nunique() == 2
    assert len(judged[(judged["judge"] == "vowels") & (judged["split"] == "select")]) == 4 * 4
    assert [judge.name for judge in RunFolder(folder).manifest().judges] == ["others"]
    page = report_runs([folder], tmp_path / "report.html")
    cells = pd.read_csv(page.path.parent / "reply_cells.csv")
    assert set(cells["judge"]) == {"others"}
    assert set(cells[cells["split"] == "select"]["prompts"]) == {2}


def test_another_judge_under_the_same_name_is_refused(run: Run, tmp_path: Path) -> None:
    folder = run(settings(judges=[VOWELS]), tmp_path / "run")
    with pytest.raises(RunError, match="'vowels' was another judge when it judged permissive in this run"):
        run(settings(judges=[{**VOWELS, "pattern": "x"}]), folder)
    run(settings(judges=[VOWELS]), folder)
    assert RunFolder(folder).manifest().status == "finished"


def test_the_grid_after_a_halved_search_chooses_among_all_cells(run: Run, tmp_path: Path) -> None:
    halved = run(settings(judges=[VOWELS], prompts=4, search="halving", min_coherence=0), tmp_path / "run")
    grid = run(settings(judges=[VOWELS], prompts=4, min_coherence=0), halved)
    whole = run(settings(judges=[VOWELS], prompts=4, min_coherence=0), tmp_path / "whole")
    asked = table(grid, "replies")
    assert len(asked[asked["split"] == "select"]) == 4 * 5
    chosen = [pd.read_csv(report_runs([f], f / "report.html").path.parent / "recommended.csv") for f in (grid, whole)]
    pd.testing.assert_frame_equal(*chosen, rtol=1e-3)


def test_a_reply_whose_unsteered_one_is_missing_is_no_surprise(run: Run, tmp_path: Path) -> None:
    folder = run(settings(judges=[VOWELS], prompts=4), tmp_path / "run")
    # As a run killed at a bad moment leaves it: replies are kept in the order in which they end.
    parts = sorted((folder / "replies").glob("*.parquet"))
    rows = pd.concat([pd.read_parquet(part) for part in parts])
    last = sorted(rows[rows["split"] == "select"]["prompt_id"].unique())[-1]
    for part in parts:
        frame = pd.read_parquet(part)
        frame[~((frame["prompt_id"] == last) & (frame["strength"] == 0))].to_parquet(part)
    run(settings(judges=[OTHERS], prompts=2), folder)
    run(settings(judges=[OTHERS], prompts=4), folder)
    assert (table(folder, "replies")["strength"] == 0).sum() == 4 + 4


def test_behaviors_of_one_name_are_refused_before_they_mix(tmp_path: Path) -> None:
    files = [tmp_path / place / "mine.jsonl" for place in ("x", "y")]
    for file in files:
        file.parent.mkdir()
        write_pairs(file, BUILT_INS["cheerful"].load())
    with pytest.raises(SettingError, match="two behaviors are called 'mine'"):
        plan_study(make_study({"behaviors": [str(file) for file in files], "layers": "1"}))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"replies": {"judges": [{"pattern": "(["}]}}, "no regular expression"),
        ({"vector_layer": 400}, "layer 400 is out of range"),
    ],
)
def test_a_plan_refuses_what_the_run_would(content: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        plan_study(make_study({"behaviors": [{"source": "cheerful", "limit": 16}], "layers": "1", **content}))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"replies": {"judges": [{"model": "a/b", "base_url": "https://me:key@host/v1"}]}}, "environment"),
        ({"replies": {"scale": "clamp"}, "share_strength": True}, "clamp sets a projection"),
        ({"replies": 3}, "or {} for the defaults"),
        ({"replies": {"judges": 3}}, "is a list"),
    ],
)
def test_settings_say_plainly_what_is_wrong(content: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        make_study({"behaviors": ["cheerful"], **content})


def test_one_judge_need_not_stand_in_a_list() -> None:
    study = make_study({"behaviors": ["cheerful"], "replies": {"judges": "classifier"}})
    assert study.replies is not None
    assert [judge.label for judge in study.replies.judges] == ["classifier"]
