"""The setting that a finished run says to use: the one of its report, with the model and the vector that it is for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from run_folders import finished_run
from trimtab.errors import RunError
from trimtab.report.results import analysed
from trimtab.report.verdict import verdicts
from trimtab.study import RunFolder
from trimtab.study.reporting import read_run
from trimtab.study.setting_to_use import setting_to_use

MODEL, BEHAVIOR = "tiny-135M", "cheerful"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = finished_run(tmp_path / "run")
    manifest = folder.manifest()
    settings = {
        "name": "run", "models": [{"id": "smollm2-135m", "name": MODEL, "dtype": "float32"}],
        "behaviors": [{"source": BEHAVIOR}], "strengths": [-1.0, 1.0], "positions": "after_prompt",
        "replies": {"strengths": [-1.0, -0.5, 0.5, 1.0], "min_coherence": 6},
    }  # fmt: skip
    folder.write_manifest(manifest.model_copy(update={"settings": settings}))
    return folder.path


def test_it_is_the_setting_of_the_report(run: Path) -> None:
    use = setting_to_use(run)
    tables = read_run(run)
    (verdict,) = verdicts([tables], analysed([tables]))
    (layer,) = use.layers
    assert verdict.tiles[1].value == f"layer {layer} at {use.strength:+g}"
    assert use.chosen_by == "replies"
    assert (use.steering.scale, use.steering.positions) == ("relative", "after_prompt")
    assert (use.model.label, use.model_id, use.model.dtype) == (MODEL, "smollm2-135m", "float32")
    assert use.vectors == RunFolder(run).vector_file(MODEL, BEHAVIOR)
    assert f"--run {run}" in verdict.command


def test_what_the_run_does_not_have_is_refused_with_what_it_has(run: Path) -> None:
    with pytest.raises(RunError, match=f"no such setting; choose .* among {BEHAVIOR} in {MODEL}"):
        setting_to_use(run, behavior="concise")


def test_nothing_is_recommended_where_nothing_is_shown_to_work(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = read_run(run)
    assert tables.judgements is not None
    still = replace(
        tables,
        judgements=tables.judgements.assign(change=0.0),
        samples=tables.samples.assign(score=0.0),
    )
    monkeypatch.setattr("trimtab.study.setting_to_use.read_run", lambda path: still)
    with pytest.raises(RunError, match="no setting is shown to work for cheerful"):
        setting_to_use(run)
