"""Checks of cells that are not the usual ones: pushes of the prompt only, strengths in nats, layers together."""

from __future__ import annotations

from pathlib import Path

import pytest

from runs.conftest import Run
from runs.test_checking import SIDE, chunk, settings
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.runs import RunFolder, reopened, report_runs, run_study
from trimtab.runs.chunks import read_chunks


def test_pushes_of_the_prompt_only_are_checked_by_all_but_plain_text(run: Run, tmp_path: Path) -> None:
    checks = {"side_effects": {**SIDE, "random": 2}, "robustness": {"prompts": 4, "translations": False}}
    with pytest.warns(TrimtabWarning, match="pushes of the prompt only move no plain text"):
        folder = run(settings(positions="prompt", **checks), tmp_path / "run")
    assert read_chunks(RunFolder(folder), "side_effects", "neutral") is None
    for kind, what in (("side_effects", "shifts"), ("side_effects", "easy"), ("side_effects", "random"),
                       ("side_effects", "replies"), ("robustness", "samples")):  # fmt: skip
        table = chunk(folder, kind, what)
        assert set(table["positions"]) == {"prompt"}, what
    moved = chunk(folder, "robustness", "samples").pivot_table(
        index=["variant", "prompt_id"], columns="strength", values="score"
    )
    assert (moved[0.4] != moved[0.0]).all()
    page = report_runs([folder], tmp_path / "report.html")
    assert any("not measured: plain text" in text for text in page.by_check["side_effects"])


def test_layers_without_a_strength_in_nats_are_refused_and_those_with_one_are_measured(
    run: Run, tmp_path: Path
) -> None:
    folder = run(settings(scale="kl", strengths=[-0.02, 0.02]), tmp_path / "run")
    side = {**SIDE, "random": 0}
    study, _ = reopened(folder, {"side_effects": {**side, "layers": "0,1"}})
    with pytest.raises(SettingError, match="'0,1' were not swept; strengths in nats are known at 1, 2"):
        run_study(study, folder)
    study, _ = reopened(folder, {"side_effects": {**side, "layers": "2"}})
    run_study(study, folder)
    shifts = chunk(folder, "side_effects", "shifts").query("strength != 0")
    assert set(shifts["layers"]) == {"2"}
    assert set(shifts["scale"]) == {"kl"}


def test_methods_are_left_out_with_a_warning_where_no_layer_was_swept_alone(run: Run, tmp_path: Path) -> None:
    with pytest.warns(TrimtabWarning, match="methods are compared at single layers, and the sweep has none"):
        folder = run(settings(layers="1+2", diagnosis={"methods": True}), tmp_path / "run")
    assert len(chunk(folder, "diagnosis", "quality"))
    assert read_chunks(RunFolder(folder), "diagnosis", "method_samples") is None


def test_methods_are_compared_at_the_layers_that_were_swept_alone(run: Run, tmp_path: Path) -> None:
    folder = run(settings(layers="1+2,2", diagnosis={"methods": True}), tmp_path / "run")
    assert set(chunk(folder, "diagnosis", "method_samples").query("strength != 0")["layers"]) == {"2"}
