"""Strengths as percentiles of projections: every layer at its own bound, measured once on the training part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.conftest import Run, runner, settings, table
from trimtab.data import Balance
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.evaluation import projection_bounds
from trimtab.models import Backbone
from trimtab.report.results import analysed
from trimtab.study import RunFolder, make_study
from trimtab.study._contrast_parts import parts_of, read_behavior
from trimtab.study.recommending.recommendations import _as_pushed
from trimtab.study.reporting import read_run
from trimtab.study.resume import reopened
from trimtab.vectors import SteeringVector

SWEPT: dict[str, Any] = {
    **{key: value for key, value in settings().items() if key not in ("replies", "strengths")}, "scale": "floor",
}  # fmt: skip


@pytest.fixture(scope="module")
def swept(llama: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study at two percentiles."""
    with pytest.MonkeyPatch.context() as patch:
        run = runner(llama, patch)
        return run({**SWEPT, "bound": ["p25", "p75"]}, tmp_path_factory.mktemp("bounds") / "run")


def test_the_bounds_are_percentiles_of_the_training_part(swept: Path, llama: Backbone) -> None:
    (entry,) = RunFolder(swept).manifest().bounds
    study = make_study(SWEPT)
    (setting,) = study.behaviors
    train, _, _ = parts_of(study, setting, read_behavior(study, setting))
    vector = SteeringVector.load(RunFolder(swept).vector_file("smollm2-135m", "permissive"))
    found = projection_bounds(Model(llama), vector, train, layers=[1, 2], progress=False)
    for percentile in (25.0, 75.0):
        expected = found.at(percentile, "both")
        assert {layer: entry.strength_at(layer, percentile) for layer in (1, 2)} == pytest.approx(expected, rel=1e-5)
    assert (entry.scale, entry.side, entry.positive, entry.negative) == ("floor", "both", len(train), len(train))


@pytest.mark.parametrize("balance", ["off", "subsample"])
def test_the_bounds_are_of_the_texts_that_the_vector_is_made_of(
    run: Run, llama: Backbone, tmp_path: Path, balance: Balance
) -> None:
    content = {**SWEPT, "behaviors": [{"source": "corrigible", "limit": 16}], "balance": balance, "seed": 3}
    folder = RunFolder(run({**content, "bound": "p25"}, tmp_path / "run"))
    (entry,) = folder.manifest().bounds
    study = make_study(content)
    (setting,) = study.behaviors
    train, _, _ = parts_of(study, setting, read_behavior(study, setting))
    assert (entry.positive, entry.negative, entry.token_position) == (len(train), len(train), "answer")
    vector = SteeringVector.load(folder.vector_file("smollm2-135m", "corrigible"))
    found = projection_bounds(
        Model(llama), vector, train, layers=[1, 2], form="choice", balance=balance, seed=3, progress=False
    )
    assert {layer: entry.strength_at(layer, 25.0) for layer in (1, 2)} == pytest.approx(found.at(25.0), rel=1e-5)


@pytest.mark.parametrize("layer", [1, 2])
def test_a_percentile_pushes_as_its_bound_does(swept: Path, run: Run, tmp_path: Path, layer: int) -> None:
    (entry,) = RunFolder(swept).manifest().bounds
    alphas = [entry.strength_at(layer, percentile) for percentile in (25.0, 75.0)]
    plain = table(run({**SWEPT, "layers": str(layer), "strengths": alphas}, tmp_path / "plain"), "samples")
    mine = table(swept, "samples")
    assert set(mine["scale"]) == {"floor_percentile"}
    for percentile, alpha in zip((25.0, 75.0), alphas, strict=True):
        one = mine[(mine["layers"] == str(layer)) & (mine["strength"] == percentile)].set_index("prompt_id")["score"]
        other = plain[plain["strength"] == alpha].set_index("prompt_id")["score"]
        np.testing.assert_allclose(one.loc[other.index], other, atol=1e-5)


def test_a_run_that_goes_on_keeps_its_bounds(swept: Path, run: Run) -> None:
    before = RunFolder(swept).manifest().bounds
    study, _ = reopened(swept, {})
    assert study.strengths == (25.0, 75.0)
    run({**SWEPT, "bound": ["p25", "p75"], "dose": True}, swept)
    assert RunFolder(swept).manifest().bounds == before
    dose = RunFolder(swept).parts("dose")
    assert dose is not None
    assert len(dose) == 4


def test_the_report_says_what_they_are_and_the_setting_travels_as_a_strength(swept: Path) -> None:
    tables = read_run(swept)
    results = analysed([tables])
    texts = [finding.text for finding in results.findings]
    (said,) = [text for text in texts if "strengths are percentiles" in text]
    assert "of both sides of the training part (16 rows, read at mean_completion)" in said
    (entry,) = RunFolder(swept).manifest().bounds
    scores = results.measures["scores"]
    assert len(scores.bounds) == 4
    best = scores.best.iloc[0]

    class Case:
        model, behavior = "smollm2-135m", "permissive"

    pushed = _as_pushed(Case, best, make_study({**SWEPT, "bound": ["p25", "p75"]}), tables)  # type: ignore[arg-type]
    assert pushed == ("floor", entry.strength_at(int(best["layer"]), float(best["strength"])))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scale": "relative"}, "bound: the scale relative has no bound"),
        ({"strengths": [1.0]}, "bound: it says how far"),
        ({"strengths": 0.1}, "bound: it says how far"),
        ({"strengths": True}, "bound: it says how far"),
        ({"strengths": "0.1"}, "bound: it says how far"),
        ({"strengths": {"at": 25.0}}, "bound: it says how far"),
        ({"strengths": None}, "bound: it says how far"),
        ({"layers": "1+2"}, "layers cannot be steered together"),
        ({"vector_layer": 1}, "vector_layer: bounds are of each layer's own"),
        ({"baselines": True}, "baselines: bounds"),
        ({"replies": {"strengths": [1.0]}}, "bound: replies"),
        ({"bound": "p0"}, "between p0 and p100"),
        ({"bound": "25%"}, "write p25"),
        ({"bound": True}, "true is no percentile"),
        ({"bound": ["p25", True]}, "bound.at: is a number, not true"),
        ({"bound": {"at": "p25", "token_position": "bogus"}}, "token_position"),
        ({"bound": None, "scale": "cap_percentile"}, "scale: write cap, with bound"),
    ],
)
def test_where_it_has_no_meaning_it_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError) as refused:
        make_study({**SWEPT, "bound": "p25", **changes})
    assert words in str(refused.value)


def test_forms_of_a_bound_are_one_study_and_studies_without_are_as_they_were() -> None:
    forms: list[Any] = ["p25", 25, ["p25"], {"at": "p25"}, {"at": [25.0], "side": "both"}]
    assert len({make_study({**SWEPT, "bound": form}).identity(["x"]) for form in forms}) == 1
    numbers = {**SWEPT, "strengths": [25.0]}
    assert make_study(numbers).identity(["x"]) != make_study({**SWEPT, "bound": "p25"}).identity(["x"])
    assert make_study(numbers).identity(["x"]) == make_study({**numbers, "bound": None}).identity(["x"])
