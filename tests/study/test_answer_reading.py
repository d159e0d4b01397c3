"""Answers in a study: who reads them, and that no run mixes two readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tiny import tiny
from trimtab.engines import Model
from trimtab.errors import RunError
from trimtab.store.cached_tables import read_cached_tables
from trimtab.study import RunFolder, _model_runner, make_study, run_study
from trimtab.study.resume import reopened


@pytest.fixture(autouse=True)
def _a_tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_model_runner, "load", lambda *args, **options: Model(tiny("llama")))


def run(content: dict[str, Any], out: Path) -> Path:
    return run_study(make_study(content), out)


def settings(**answers: Any) -> dict[str, Any]:
    return {
        "name": "asked",
        "models": [{"id": "tiny"}],
        "behaviors": [{"source": "corrigible", "limit": 16}],
        "layers": "1",
        "strengths": [0.4],
        "scale": "relative",
        "answers": {"prompts": 1, "max_new_tokens": 2, **answers},
    }


def test_a_model_that_reads_badly_reads_nothing_and_the_run_says_so(tmp_path: Path) -> None:
    folder = RunFolder(run(settings(likelihood=True), tmp_path / "run"))
    answers, calibrated = folder.parts("answers"), read_cached_tables(folder, "answers", "calibration")
    assert answers is not None
    assert "likelihood" not in set(answers["why"])
    assert calibrated is not None
    assert len(calibrated) > 100
    assert any("no answer is read by likelihood" in warning.text for warning in folder.manifest().warnings)


def test_answers_begun_by_an_earlier_reader_are_not_finished_by_this_one(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="version 1 of the rules"):
        run(settings(reader=1), tmp_path / "run")


def test_a_run_from_before_readers_had_versions_opens_for_checks_as_what_it_is(tmp_path: Path) -> None:
    folder = run(settings(), tmp_path / "run")
    file = folder / "manifest.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"reader": 2', '"kept": 2'), encoding="utf-8")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(',\n      "kept": 2', "").replace('"kept": 2,', ""), encoding="utf-8")
    study, _ = reopened(folder, {})
    assert study.answers is not None
    assert study.answers.reader == 1
