"""What a served vector carries of its run: doses, coherence and findings, as its report has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from run_folders import finished_run
from trimtab.errors import RunError
from trimtab.report.results import analysed
from trimtab.serve.steering._run_measurements import run_measurements
from trimtab.steering import SteeringSetting
from trimtab.store.run_folder import RunFolder
from trimtab.study.reporting import read_run
from trimtab.study.setting_to_use import model_of_run

MODEL, BEHAVIOR = "tiny-135M", "cheerful"
MODELS = [{"id": "smollm2-135m", "name": MODEL}, {"id": "other/model", "name": "other"}]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    folder: RunFolder = finished_run(path)
    settings = {
        "name": "run", "models": MODELS[:1], "behaviors": [{"source": BEHAVIOR, "description": "Is merry."}],
        "strengths": [-1.0, 1.0], "replies": {"strengths": [-1.0, -0.5, 0.5, 1.0], "min_coherence": 6},
    }  # fmt: skip
    folder.write_manifest(folder.manifest().replace(settings=settings))
    return path


@pytest.fixture(scope="module")
def found(run: Path) -> dict[str, Any]:
    return run_measurements(run, MODEL, BEHAVIOR, SteeringSetting())


def test_every_measured_dose_is_there_with_the_sign_of_its_push(run: Path, found: dict[str, Any]) -> None:
    dose = read_run(run).dose
    assert dose is not None
    got = {("+".join(map(str, one["layers"])), one["scale"], one["strength"]): one["kl"] for one in found["doses"]}
    rows = dose.to_dict("records")
    wanted = {(row["layers"], row["scale"], row["strength"]): max(0.0, float(row["kl"])) for row in rows}
    assert got == pytest.approx(wanted)
    assert {strength > 0 for _, _, strength in got} == {True, False}


def test_layers_that_share_a_strength_get_their_part(run: Path, found: dict[str, Any]) -> None:
    shared = run_measurements(run, MODEL, BEHAVIOR, SteeringSetting(share_strength=True))
    for whole, part in zip(found["doses"], shared["doses"], strict=True):
        assert part["strength"] == pytest.approx(whole["strength"] / len(whole["layers"]))


def test_doses_of_other_positions_are_no_doses_of_this_setting(run: Path) -> None:
    assert run_measurements(run, MODEL, BEHAVIOR, SteeringSetting(positions="prompt"))["doses"] == []


def test_coherence_is_up_to_where_the_report_says_it_is_usable(run: Path, found: dict[str, Any]) -> None:
    usable = analysed([read_run(run)]).measures["replies"].usable
    assert len(found["coherence"]) == len(usable.drop_duplicates(["layers", "direction"])) > 0
    for one in found["coherence"]:
        mine = usable[
            (usable["layers"] == "+".join(map(str, one["layers"]))) & (usable["direction"] == one["direction"])
        ]
        assert (one["usable"], one["largest"]) == (mine["usable"].iloc[0], mine["largest"].iloc[0])
        assert one["floor"] == 6


def test_findings_are_those_of_the_report_about_the_behavior(run: Path, found: dict[str, Any]) -> None:
    results = analysed([read_run(run)])
    texts = [finding.text for finding in results.findings]
    assert [one["text"] for one in found["findings"]] == texts
    assert {"side effects", "robustness"} <= {one["measure"] for one in found["findings"]}
    assert set(found["checked"]) == set(results.measures)
    assert run_measurements(run, MODEL, "another", None)["findings"] == [
        one for one, whole in zip(found["findings"], results.findings, strict=True) if not whole.subjects
    ]


def test_the_description_is_the_study_s_own(found: dict[str, Any]) -> None:
    assert found["description"] == "Is merry."


def test_a_folder_without_tables_has_nothing(tmp_path: Path) -> None:
    assert run_measurements(tmp_path, MODEL, BEHAVIOR, None) == {}


def test_the_model_of_a_run_is_the_one_that_is_named(run: Path) -> None:
    assert model_of_run(run)[0] == model_of_run(run, MODEL)[0] == "smollm2-135m"
    with pytest.raises(RunError, match=MODEL):
        model_of_run(run, "tiny-135")
    folder = RunFolder(run)
    before = folder.manifest()
    try:
        folder.write_manifest(before.replace(settings={**before.settings, "models": MODELS}))
        with pytest.raises(RunError, match="--model: tiny-135M, other"):
            model_of_run(run)
        assert model_of_run(run, "other")[0] == "other/model"
    finally:
        folder.write_manifest(before)
