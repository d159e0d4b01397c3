"""Runs of a version that read replies behind their own prompts only: they open, say so, and are not continued."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from study.conftest import Run, settings, table
from trimtab.analysis import WRITTEN_REPLIES
from trimtab.errors import RunError
from trimtab.study import report_runs
from trimtab.study.measures.replies.settings import Replies

VOWELS = {"pattern": "(?i)a|e", "name": "vowels"}
STUDY = settings(judges=[VOWELS], min_coherence=0)


def earlier(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder as the version before wrote it: its identity, and replies without the columns that came later."""
    with monkeypatch.context() as before:
        before.setattr(Replies, "numbers", 1)
        folder = run(STUDY, path)
    for part in (folder / "replies").glob("*.parquet"):
        pq.write_table(pq.read_table(part).select(WRITTEN_REPLIES), part)
    return folder


def digest(folder: Path) -> str:
    files = sorted(file for file in folder.rglob("*.parquet"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def test_replies_have_the_columns_and_one_likelihood_of_ordinary_text(run: Run, tmp_path: Path) -> None:
    replies = table(run(STUDY, tmp_path / "run"), "replies")
    assert replies["nll_ordinary"].nunique() == 1
    assert replies["nll_ordinary"].notna().all()
    assert (replies["nll_other"].isna() == (replies["tokens"] == 0)).all()


def test_more_prompts_later_leave_what_replies_are_compared_with(run: Run, tmp_path: Path) -> None:
    few = table(run(STUDY, tmp_path / "run"), "replies")
    more = settings(judges=[VOWELS], min_coherence=0, prompts=4)
    grown, whole = table(run(more, tmp_path / "run"), "replies"), table(run(more, tmp_path / "whole"), "replies")
    assert len(grown) > len(few)
    assert grown["nll_ordinary"].nunique() == 1
    keys = ["split", "prompt_id", "layers", "strength"]
    both = grown.merge(whole, on=keys, suffixes=("", "_whole"))
    assert len(both) >= len(few)
    pd.testing.assert_series_equal(both["nll_other"], both["nll_other_whole"], check_names=False, rtol=0, atol=1e-4)


def test_an_earlier_run_opens_and_its_report_says_what_was_not_measured(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = earlier(run, tmp_path / "run", monkeypatch)
    assert table(folder, "replies")[["nll_ordinary", "nll_other"]].isna().all(axis=None)
    page = report_runs([folder], tmp_path / "page" / "report.html").path
    cells = pd.read_csv(page.parent / "reply_cells.csv")
    assert cells[["fluency", "on_topic", "coherence", "fluency_unsteered"]].isna().all(axis=None)
    assert cells["change"].notna().any()
    assert set(pd.read_csv(page.parent / "recommended.csv")["reason"]) == {"coherence not measured"}
    text = page.read_text(encoding="utf-8")
    assert "Fluency and on-topic were not measured in run" in text
    assert "fluency and on-topic were not measured in this run, which an earlier version made" in text


def test_an_earlier_run_is_not_continued_with_rows_that_do_not_compare(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = earlier(run, tmp_path / "run", monkeypatch)
    before = digest(folder)
    with pytest.raises(RunError, match="or of an earlier version whose numbers differ"):
        run(STUDY, folder)
    assert digest(folder) == before
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    folder.rename(tmp_path / "runs" / "said")
    # Without a folder of its own it takes the next free one.
    assert run(STUDY, None).name == "said-2"
    manifest = json.loads((tmp_path / "runs" / "said-2" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "finished"
