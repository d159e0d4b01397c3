"""What is measured of objects is what a study measures of the same names: the same code, the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import trimtab as tt
from trimtab.store.cached_tables import read_cached_tables
from trimtab.study import RunFolder, make_study, run_study
from trimtab.study.given import Given

from .conftest import SETTING, TUNED, Parts

STUDY = {"name": "same", "behaviors": [{"source": "permissive", "limit": 16}], "scale": "relative"}


def studied(model: tt.Model, folder: Path, **settings: Any) -> RunFolder:
    """The run of a study that reads and splits its pairs itself."""
    study = make_study({**STUDY, "models": [{"id": model.name}], **settings})
    return RunFolder(run_study(study, folder / "run", given=Given({model.name: model})))


def cached(folder: RunFolder, measure: str, table: str) -> pd.DataFrame:
    found = read_cached_tables(folder, measure, table)
    assert found is not None
    return found


def same(one: pd.DataFrame, other: pd.DataFrame, *keys: str) -> None:
    """Equal but for the order of rows; numbers may depend on the company by rounding."""
    mine, theirs = (table.sort_values(list(keys), kind="stable").reset_index(drop=True) for table in (one, other))
    pd.testing.assert_frame_equal(mine, theirs, rtol=0, atol=1e-4)


def test_tune_replies_and_scores_as_the_study_does(model: tt.Model, tuned: tt.Tuning, tmp_path: Path) -> None:
    replies = {name: TUNED[name] for name in ("judges", "prompts", "max_new_tokens", "min_coherence")}
    run = studied(model, tmp_path, layers="1,2", strengths=[-0.4, 0.4], replies=replies)
    keys = ("split", "prompt_id", "layers", "strength")
    for name, mine in (("replies", tuned.replies), ("judgements", tuned.judgements)):
        theirs = run.parts(name)  # type: ignore[arg-type]
        assert theirs is not None
        same(mine, theirs, *keys)
    same(tuned.sweep.samples, run.samples(), *keys, "order")
    chosen = [setting for setting in (tuned.toward, tuned.away) if setting is not None]
    assert chosen
    assert len(tuned.cells) == 4 + len(chosen)


def test_diagnose_is_the_diagnosis_of_a_study(model: tt.Model, tmp_path: Path) -> None:
    found = tt.diagnose(model, tt.dataset("permissive", limit=16))
    run = studied(model, tmp_path, sweep=False, diagnosis=True)
    for mine, name in ((found.quality, "quality"), (found.curve, "curve"), (found.advice, "findings")):
        pd.testing.assert_frame_equal(mine, cached(run, "diagnosis", name), check_dtype=False)
    assert any(text.startswith(("good", "caution", "problem")) for text in found.findings)


def test_checks_measure_the_setting_as_a_study_does_at_its_best_cell(
    model: tt.Model, vectors: tt.SteeringVector, parts: Parts, tmp_path: Path
) -> None:
    train, _, test = parts
    side: dict[str, Any] = {"measure": ["concise"], "prompts": 4, "random": 2, "max_new_tokens": 4}
    effects = tt.side_effects(model, vectors, test, train=train, **SETTING, **side)
    kept = tt.robustness(model, vectors, test, train=train, **SETTING, translations=False)
    checks = {"side_effects": side, "robustness": {"translations": False}}
    run = studied(model, tmp_path, layers="1", strengths=[-0.4, 0.4], **checks)
    tables = effects.run.of("side_effects") | {"samples": kept.run.of("robustness")["samples"]}
    for name, mine in tables.items():
        theirs = cached(run, "robustness" if name == "samples" else "side_effects", name)
        keys = [key for key in ("kind", "draw", "variant", "measured", "prompt_id", "strength", "order") if key in mine]
        same(mine, theirs, *keys)
    assert set(effects.shifts["measured"]) >= {"permissive", "concise"}
    assert set(effects.random["kind"]) == {"vector", "isotropic", "shuffled pairs"}
    assert "plain" in set(kept.variants["kind"])


def test_one_tuning_can_hold_all_checks(
    model: tt.Model, vectors: tt.SteeringVector, parts: Parts, tuned: tt.Tuning, tmp_path: Path
) -> None:
    train, select, test = parts
    checks: dict[str, Any] = {
        "side_effects": {"prompts": 4, "random": 0, "max_new_tokens": 4, "measure": ["concise"]},
        "diagnosis": True,
    }
    found = tt.tune(model, vectors, select, test=test, train=train, **TUNED, **checks)
    pd.testing.assert_frame_equal(found.settings, tuned.settings)
    assert {"replies", "scores", "side_effects", "diagnosis"} <= set(found.everything.measures)
    page = tt.report(found, tmp_path / "page.html")
    assert "What else moves?" in page.path.read_text(encoding="utf-8")


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
def test_parts_that_are_given_are_used_as_they_are(
    model: tt.Model, vectors: tt.SteeringVector, parts: Parts, order: tuple[int, int, int]
) -> None:
    train, select, test = (parts[place] for place in order)
    found = tt.tune(model, vectors, select, test=test, train=train, **{**TUNED, "judges": [{"pattern": "e"}]})
    ids = found.sweep.samples.groupby("split")["prompt_id"].unique()
    assert {name: set(ids[name]) for name in ids.index} == {
        "select": {pair.id for pair in select},
        "test": {pair.id for pair in test},
    }
