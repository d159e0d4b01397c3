"""What a harness names: files, runs, shared folders, settings as models, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from conditional import monitor_of
from harnesses.saved_models import LAYER, STRENGTH, Saved, recommending, saved
from trimtab.errors import SettingError, TrimtabError
from trimtab.harnesses import SteeredModel
from trimtab.models import Backbone
from trimtab.sharing import share_vector
from trimtab.steering import steering
from trimtab.study.setting_to_use import setting_to_use
from trimtab.vectors import SteeringVector


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return saved(tmp_path_factory.mktemp("steered"))


def pushed(name: str, **arguments: Any) -> dict[str, Any]:
    found = SteeredModel.open(name, arguments)
    assert (found.intervention is None) == (found.description["steering"] is None)
    return dict(found.description["steering"] or {})


def test_a_file_is_pushed_where_and_how_it_is_said(files: Saved) -> None:
    found = SteeredModel.open(files.model, {**files.arguments, "positions": "after_prompt", "scale": "raw"})
    expected = steering(SteeringVector.load(files.vector), LAYER, STRENGTH, positions="after_prompt", scale="raw")
    assert found.intervention is not None
    assert (found.intervention.directions[LAYER] == expected.directions[LAYER]).all()
    assert (found.intervention.strength, found.intervention.scale) == (STRENGTH, "raw")
    assert found.description["steering"]["positions"] == "after_prompt"
    assert found.description["dtype"] == "float32"


@pytest.mark.parametrize("layers", ["1+2", [1, 2], ["1", "2"], "1,2"])
def test_several_layers_are_written_as_each_harness_can(files: Saved, layers: Any) -> None:
    assert pushed(files.model, **{**files.arguments, "layer": layers})["layers"] == [1, 2]


def test_without_a_strength_it_is_the_usual_one(files: Saved) -> None:
    assert pushed(files.model, vector=files.vector, layer=1)["strength"] == 0.1
    assert pushed(files.model, vector=files.vector, layer=1, scale="raw")["strength"] == 1.0


def test_without_anything_to_push_the_model_is_as_it_is(files: Saved) -> None:
    assert SteeredModel.open(files.model, {}).intervention is None


def test_a_run_gives_its_recommended_setting_which_arguments_change(files: Saved, tmp_path: Path) -> None:
    run = str(recommending(tmp_path / "run", files))
    found = SteeredModel.open(files.model, {"run": run})
    about = found.description["steering"]
    assert (about["layers"], about["strength"], about["positions"]) == ([2, 3], 0.4, "after_prompt")
    assert about["share_strength"]
    assert found.intervention is not None
    assert found.intervention.strength == pytest.approx(0.2)
    assert found.description["dtype"] == "float32"  # as the run loaded it
    changed = pushed(files.model, run=run, strength=-0.6, positions="all")
    assert (changed["layers"], changed["strength"], changed["positions"]) == ([2, 3], -0.6, "all")


def test_settings_are_models_from_runs_folders_and_what_was_shared(files: Saved, tmp_path: Path) -> None:
    run = str(recommending(tmp_path / "run", files))
    assert pushed(f"{files.model}:kind@recommended", vectors=run)["strength"] == 0.4
    assert pushed(f"{files.model}:kind", vectors=run)["strength"] == 0.4  # as a server reads it
    assert pushed(f"{files.model}:kind@-0.3", vectors=run)["strength"] == -0.3
    folder = tmp_path / "vectors"
    share_vector(SteeringVector.load(files.vector), folder / "kind", layer=1, strength=0.5)
    for place in (folder, folder / "kind"):
        about = pushed(f"{files.model}:kind@recommended", vectors=str(place))
        assert (about["layers"], about["strength"]) == ([1], 0.5)
    assert pushed(files.model, vector=str(folder / "kind"))["strength"] == 0.5
    plain = str(Path(files.vector).parent)
    assert pushed(f"{files.model}:kind@0.3", vectors=plain, layer=2)["layers"] == [2]


def test_the_same_vector_has_the_same_hash_wherever_it_is(files: Saved, tmp_path: Path) -> None:
    run = str(recommending(tmp_path / "run", files))
    other = SteeringVector.load(files.vector) * 2.0
    other.save(tmp_path / "other.safetensors")
    mine, theirs = pushed(files.model, **files.arguments), pushed(files.model, run=run)
    assert mine["vector_hash"] == theirs["vector_hash"]
    assert (
        pushed(files.model, vector=str(tmp_path / "other.safetensors"), layer=1)["vector_hash"] != mine["vector_hash"]
    )


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("", {"strenght": 1}, "unknown model argument 'strenght'; did you mean 'strength'"),
        ("", {"layer": 1}, "layer: there is nothing to push; give vector or run"),
        ("", {"positions": "all"}, "positions: there is nothing to push"),
        ("", {"vector": "VECTOR"}, "nothing says at which layer"),
        ("", {"vector": "VECTOR", "layer": "one"}, "'one' is no layer"),
        ("", {"vector": "VECTOR", "layer": 1.5}, "'1.5' is no layer"),
        ("", {"vector": "VECTOR", "layer": [None]}, "is no layer"),
        ("", {"vector": "VECTOR", "layer": 99}, "layer 99 is out of range"),
        ("", {"vector": "VECTOR", "layer": 1, "strength": "much"}, "'much' is not a number"),
        ("", {"vector": "VECTOR", "layer": 1, "strength": 10**400}, "is not a number"),
        ("", {"vector": "VECTOR", "layer": 1, "positions": "up"}, "positions 'up' is unknown"),
        ("", {"vector": "VECTOR", "layer": 1, "first_token": 3}, "not of type bool"),
        ("", {"vector": "VECTOR", "layer": 1, "scale": "kl"}, "strengths in KL are found for each model"),
        ("", {"vector": "VECTOR", "run": "RUN"}, "vector and run both say what to push"),
        ("", {"vector": "VECTOR", "behavior": "kind"}, "give run"),
        ("", {"run": "RUN", "behavior": "cruel"}, "cruel|no such setting"),
        ("", {"run": "RUN", "scale": "raw"}, "give strength too"),
        ("", {"vectors": "FOLDER"}, "which of them"),
        ("", {"vector": "nowhere.safetensors", "layer": 1}, "nowhere"),
        ("", {"vector": "x" * 300, "layer": 1}, "too long"),
        ("", {"run": "x" * 300}, "too long"),
        (":kind@0.3", {"vectors": "x" * 300}, "too long"),
        (":kind@0.3", {}, "give vectors"),
        (":kind@much", {}, "'much' is no strength"),
        (":kind@recommended", {"vectors": "FOLDER", "layer": 1}, "recommends no strength for kind"),
        (":kind@0.3", {"vectors": "FOLDER", "vector": "VECTOR"}, "says it already"),
        (":kinf@0.3", {"vectors": "FOLDER"}, "no vector 'kinf' there; did you mean 'kind'"),
        (":kind@0.3", {"vectors": "nowhere"}, "no such folder or run"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    files: Saved, tmp_path: Path, name: str, arguments: dict[str, Any], words: str
) -> None:
    stands_for = {"VECTOR": files.vector, "RUN": str(recommending(tmp_path / "run", files)),
                  "FOLDER": str(Path(files.vector).parent)}  # fmt: skip
    given = {key: stands_for.get(str(value), value) for key, value in arguments.items()}
    with pytest.raises(TrimtabError, match=words):
        SteeredModel.open(files.model + name, given)


def test_names_with_colons_and_paths_are_models(files: Saved) -> None:
    with pytest.raises(TrimtabError) as refused:
        SteeredModel.open("C:/no/such/model", {})
    assert not isinstance(refused.value, SettingError) or "strength" not in str(refused.value)


def test_a_condition_on_the_prompt_comes_with_the_run_and_stays_when_arguments_change(
    files: Saved, tmp_path: Path
) -> None:
    backbone = files.load().backbone
    assert isinstance(backbone, Backbone)
    weight = torch.randn(backbone.facts.width, generator=torch.Generator().manual_seed(5))
    monitor_of(backbone, weight, 0.0).save(tmp_path / "polite.safetensors")
    when = {"monitor": "../polite.safetensors", "above": 0.7}
    run = str(recommending(tmp_path / "run", files, when=when))
    for arguments in ({"run": run}, {"run": run, "strength": -0.6, "positions": "all"}):
        found = SteeredModel.open(files.model, arguments)
        assert found.intervention is not None
        assert [gate.layer for gate in found.intervention.prompt_gates] == [2]
        assert found.description["steering"]["when"].startswith("only where the prompt scores above 0.7 for polite")
    gate = setting_to_use(run).options["gate"]
    assert found.intervention is not None
    assert gate.content_hash == found.intervention.prompt_gates[0].content_hash
