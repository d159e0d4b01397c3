"""Checks of cells that are not the usual ones: pushes of the prompt only, strengths in nats, layers together."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from study.conftest import Run
from study.test_checking import SIDE, cached, settings
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.store.cached_tables import read_cached_tables
from trimtab.study import RunFolder, reopened, report_runs, run_study


def test_pushes_of_the_prompt_only_are_checked_by_all_but_plain_text(run: Run, tmp_path: Path) -> None:
    checks = {"side_effects": {**SIDE, "random": 2}, "robustness": {"prompts": 4, "translations": False}}
    with pytest.warns(TrimtabWarning, match="positions prompt push no token of a plain text"):
        folder = run(settings(positions="prompt", **checks), tmp_path / "run")
    assert read_cached_tables(RunFolder(folder), "side_effects", "neutral") is None
    for kind, what in (("side_effects", "shifts"), ("side_effects", "easy"), ("side_effects", "random"),
                       ("side_effects", "replies"), ("robustness", "samples")):  # fmt: skip
        table = cached(folder, kind, what)
        assert set(table["positions"]) == {"prompt"}, what
    moved = cached(folder, "robustness", "samples").pivot_table(
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
    shifts = cached(folder, "side_effects", "shifts").query("strength != 0")
    assert set(shifts["layers"]) == {"2"}
    assert set(shifts["scale"]) == {"kl"}


def test_methods_are_left_out_with_a_warning_where_no_layer_was_swept_alone(run: Run, tmp_path: Path) -> None:
    with pytest.warns(TrimtabWarning, match="methods are compared at single layers, and the sweep has none"):
        folder = run(settings(layers="1+2", diagnosis={"methods": True}), tmp_path / "run")
    assert len(cached(folder, "diagnosis", "quality"))
    assert read_cached_tables(RunFolder(folder), "diagnosis", "method_samples") is None


def test_methods_are_compared_at_the_layers_that_were_swept_alone(run: Run, tmp_path: Path) -> None:
    folder = run(settings(layers="1+2,2", diagnosis={"methods": True}), tmp_path / "run")
    assert set(cached(folder, "diagnosis", "method_samples").query("strength != 0")["layers"]) == {"2"}


def test_the_setting_that_replies_recommend_is_checked_beside_the_cell_that_scores_choose(
    run: Run, whim: None, tmp_path: Path
) -> None:
    replies = {
        "judges": ["whim"],
        "prompts": 4,
        "max_new_tokens": 4,
        "min_coherence": 0,
        "layers": "2",
        "strengths": [-0.5, 0.5],
    }
    checks = {"side_effects": {**SIDE, "random": 2}, "robustness": {"prompts": 4, "translations": False}}
    content = settings(layers="1", replies=replies, **checks)
    folder = run(content, tmp_path / "run")
    for kind, what in (("side_effects", "random"), ("side_effects", "replies"), ("robustness", "samples")):
        steered = cached(folder, kind, what).query("strength != 0")
        settings_of = {key: set(rows["layers"]) for key, rows in steered.groupby("chosen_by")}
        assert settings_of == {"scores": {"1"}, "replies": {"2"}}, what
        assert set(steered.loc[steered["chosen_by"] == "replies", "strength"].abs()) == {0.5}, what
    assert {"1", "2"} <= set(cached(folder, "side_effects", "shifts")["layers"])
    assert {"1", "2"} <= set(cached(folder, "side_effects", "neutral")["layers"])
    page = report_runs([folder], tmp_path / "report.html")
    assert all(any("recommended by replies" in text for text in page.by_check[name]) for name in checks)
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")}
    run(content, folder)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")} == before


def test_a_recommended_setting_of_another_scale_is_checked_in_its_own(run: Run, whim: None, tmp_path: Path) -> None:
    replies = {
        "judges": [{"whim": True, "change": 5}],
        "prompts": 4,
        "max_new_tokens": 4,
        "min_coherence": 0,
        "layers": "2",
        "strengths": [-1.5, 1.5],
        "scale": "raw",
    }
    folder = run(settings(layers="1", replies=replies, side_effects={**SIDE, "random": 0}), tmp_path / "run")
    steered = cached(folder, "side_effects", "shifts").query("strength != 0")
    cells = steered[["scale", "layers", "strength"]].drop_duplicates()
    assert {tuple(cell) for cell in cells.query("layers == '2'").to_numpy()} == {("raw", "2", 1.5), ("raw", "2", -1.5)}
    assert "raw" not in set(cells.query("layers == '1'")["scale"])
    report_runs([folder], tmp_path / "report.html")
    side = pd.read_csv(tmp_path / "tables" / "side_cells.csv", dtype={"layers": str}).set_index(["scale", "layers"])
    assert side.loc[("raw", "2"), ["perplexity", "easy", "side"]].notna().all(axis=None)


def test_where_scores_and_replies_agree_one_setting_is_checked_and_named_for_both(
    run: Run, whim: None, tmp_path: Path
) -> None:
    replies = {"judges": [{"whim": True, "change": 5}], "prompts": 4, "max_new_tokens": 4, "min_coherence": 0}
    folder = run(settings(layers="1", replies=replies, robustness={"prompts": 4}), tmp_path / "run")
    assert set(cached(folder, "robustness", "samples")["chosen_by"]) == {"scores and replies"}
