"""A vector that was made elsewhere goes through a study, and the report says so."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from study.conftest import Run, settings
from tiny import tiny
from trimtab.engines import Model
from trimtab.errors import RunError, SettingError, TrimtabWarning, VectorError
from trimtab.study import RunFolder, reopened, report_runs, run_study
from trimtab.vectors import SteeringVector
from vector_files import T, control_vector


@pytest.fixture
def imported(tmp_path: Path) -> SteeringVector:
    """Directions at layers 1 and 2 of a model of 4 layers, from a file that does not know how many there are."""
    return SteeringVector.read(control_vector(tmp_path / "v.gguf", {1: T[1], 2: T[2]}), made_by="saklas")


def content(**more: Any) -> dict[str, Any]:
    plain: Mapping[str, Any] = settings()
    return {**{name: value for name, value in plain.items() if name != "replies"}, "layers": "all", **more}


def test_all_layers_are_those_that_have_a_direction_and_the_others_are_named(
    run: Run, imported: SteeringVector, tmp_path: Path
) -> None:
    with pytest.warns(
        TrimtabWarning, match="no direction at layers 0, 3, which are left out; it has one at layers 1 to 2"
    ):
        folder = run(content(dose=True), tmp_path / "run", vectors=imported)
    samples = RunFolder(folder).samples()
    assert set(samples["layers"]) == {"", "1", "2"}
    entry = RunFolder(folder).manifest().vectors[0]
    assert entry.made_elsewhere == "saklas"
    assert entry.norm[0] is None
    assert entry.residual_norm[1] is not None
    doses = RunFolder(folder).parts("dose")
    assert doses is not None
    assert doses["alpha"].notna().all()


def test_the_report_says_that_it_was_made_elsewhere(run: Run, imported: SteeringVector, tmp_path: Path) -> None:
    folder = run(
        content(side_effects={"prompts": 4, "random": 2, "max_new_tokens": 4}), tmp_path / "run", vectors=imported
    )
    report_runs([folder], folder / "report.html")
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "vectors made elsewhere (saklas), checked here" in text
    assert "direction.N is the output of block N" in text
    assert "prompts called held out may have gone into them" in text
    methods = "".join(file.read_text(encoding="utf-8") for file in (folder / "paper").iterdir() if file.suffix == ".md")
    assert "made elsewhere (saklas)" in methods


def test_a_finished_run_goes_on_with_its_own_copy(run: Run, imported: SteeringVector, tmp_path: Path) -> None:
    folder = run(content(), tmp_path / "run", vectors=imported)
    study, vectors = reopened(folder, {"robustness": {"prompts": 4}})
    assert vectors is not None
    assert vectors.layers == (1, 2)
    assert vectors.n_layers == 4
    assert run_study(study, folder, vectors=vectors) == folder


def test_a_file_under_another_layer_map_is_another_run(run: Run, tmp_path: Path) -> None:
    file = control_vector(tmp_path / "v.gguf", {1: T[1], 2: T[2]})
    run(content(), tmp_path / "run", vectors=SteeringVector.read(file, made_by="saklas"))
    with pytest.raises(RunError):
        run(content(), tmp_path / "run", vectors=SteeringVector.read(file, made_by="llama.cpp"))


def test_a_layer_that_is_named_and_has_no_direction_is_refused(
    run: Run, imported: SteeringVector, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match="no direction at layer 3; it has one at layers 1 to 2"):
        run(content(layers="2,3"), tmp_path / "run", vectors=imported)
    with pytest.raises(SettingError, match="name none of the vector's"):
        run(content(layers="3:4"), tmp_path / "other", vectors=imported)


def test_the_direction_of_one_layer_can_be_used_at_all_of_them(
    run: Run, imported: SteeringVector, tmp_path: Path
) -> None:
    folder = run(content(vector_layer=2), tmp_path / "run", vectors=imported)
    assert set(RunFolder(folder).samples()["layers"]) == {"", "0", "1", "2", "3"}


def test_a_vector_of_another_width_is_refused(run: Run, tmp_path: Path) -> None:
    other = SteeringVector.from_directions({1: [1.0, 2.0]})
    with pytest.raises(VectorError, match="needs"):
        run(content(), tmp_path / "run", vectors=other)


def test_replies_are_written_at_the_layers_that_have_a_direction(
    run: Run, imported: SteeringVector, tmp_path: Path
) -> None:
    folder = run({**settings(judges=[{"pattern": "a"}]), "layers": "all"}, tmp_path / "run", vectors=imported)
    replies = RunFolder(folder).parts("replies")
    assert replies is not None
    assert set(replies["layers"]) == {"", "1", "2"}


def test_in_python_it_is_swept_steered_and_projected_like_any_other(imported: SteeringVector) -> None:
    import trimtab as tt

    model = Model(tiny("llama"))
    behavior = tt.dataset("permissive", limit=6)
    with pytest.warns(TrimtabWarning, match="left out"):
        found = tt.sweep(model, imported, behavior, scale="relative", strengths=[-0.3, 0.3], progress=False)
    assert set(found.effects["layers"]) == {"1", "2"}
    with pytest.raises(SettingError, match="no direction at layer 0"), model.steer(imported, layer=0):
        pass
    with model.steer(imported, layer=2, strength=3.0, scale="raw"):
        assert model.chat("Hello", max_new_tokens=2) is not None


def test_a_vector_by_hand_knows_its_model(tmp_path: Path) -> None:
    model = Model(tiny("llama"))
    vector = SteeringVector.from_directions({2: T[2].tolist(), 1: T[1].double().numpy()}, model=model, name="kind")
    assert vector.layers == (1, 2)
    assert vector.provenance.fingerprint == model.fingerprint
    assert bool((vector.require_residual_norm() > 0).all())
    torch.testing.assert_close(vector.direction[2], T[2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = SteeringVector.load(vector.save(tmp_path / "v.safetensors"))
        with model.steer(again, layer=2, strength=3.0, scale="raw"):
            model.chat("Hello", max_new_tokens=2)


@pytest.mark.parametrize(
    ("directions", "seen"),
    [
            ({}, "no direction"), ({1: [0.0, 0.0]}, "zero"), ({1: [1.0], 2: [1.0, 2.0]}, "widths"),
        ({1: "text"}, "layer 1"), ({1: [float("nan")]}, "layer 1"), ({1: torch.ones(2, 2)}, "layer 1"),
        ({-1: [1.0]}, "-1"), ({"1": [1.0]}, "'1'"),
    ],
)  # fmt: skip
def test_directions_by_hand_that_cannot_steer_are_refused(directions: Any, seen: str) -> None:
    with pytest.raises((VectorError, SettingError), match=seen):
        SteeringVector.from_directions(directions)


def test_directions_that_the_model_has_no_layer_for_are_refused() -> None:
    with pytest.raises(VectorError, match="layer 4, and tiny-llama has 4 layers"):
        SteeringVector.from_directions({4: T[1]}, model=Model(tiny("llama")))


def test_residual_norms_that_are_unknown_are_said_to_be_where_they_are_needed(imported: SteeringVector) -> None:
    with pytest.raises(VectorError, match="unknown: import it with --model"):
        imported.require_residual_norm()
    with pytest.raises(VectorError, match="--model"):
        imported.plot("norms")
