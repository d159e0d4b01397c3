"""The vectors of a server: from files, folders and runs, with their settings and what was measured."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from run_folders import recommending_run
from tiny import tiny, tiny_model, tiny_tokenizer, vector_for
from trimtab.errors import SettingError, TrimtabError, TrimtabWarning, VectorError
from trimtab.models import Backbone, wrap
from trimtab.serve.steering.steering_request import parse_steering
from trimtab.serve.steering.vector_library import VectorLibrary
from trimtab.sharing import share_vector
from trimtab.study.recommending.recommended_file import RECOMMENDED
from trimtab.study.setting_to_use import setting_to_use
from trimtab.vectors import SteeringVector


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return tiny("llama")


def saved(path: Path, backbone: Backbone, **changes: Any) -> Path:
    vector = vector_for(backbone)
    return replace(vector, provenance=replace(vector.provenance, **changes)).save(path)


def read(backbone: Backbone, *paths: Path) -> VectorLibrary:
    return VectorLibrary.read(paths, backbone)


def test_a_file_and_a_folder_of_files_give_vectors_by_their_names(tmp_path: Path, backbone: Backbone) -> None:
    folder = tmp_path / "vectors"
    folder.mkdir()
    saved(folder / "cheerful.safetensors", backbone)
    saved(folder / "easy going.safetensors", backbone)
    alone = saved(tmp_path / "alone.safetensors", backbone)
    (folder / "notes.txt").write_text("no vector")
    library = read(backbone, folder, alone)
    assert [one.name for one in library] == ["cheerful", "easy_going", "alone"]
    assert torch.equal(library.get("alone").vector.direction, vector_for(backbone).direction)
    assert library.get("alone").recommended is None
    assert str(tmp_path) not in str([one.description() for one in library])


def test_names_that_clash_or_mean_something_else_are_refused(tmp_path: Path, backbone: Backbone) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        saved(tmp_path / name / "cheerful.safetensors", backbone)
    with pytest.raises(SettingError, match="two vectors are named 'cheerful'"):
        read(backbone, tmp_path / "a", tmp_path / "b")
    for name in ("0.3", "7", "recommended"):
        with pytest.raises(SettingError, match="cannot be named"):
            read(backbone, saved(tmp_path / f"{name}.safetensors", backbone))


def test_another_models_vector_is_refused_when_the_server_starts(tmp_path: Path, backbone: Backbone) -> None:
    other = saved(tmp_path / "other.safetensors", backbone, fingerprint="2-aaaaaaaaaaaaaaaa-bbbbbbbb", model="their-7b")
    with pytest.raises(VectorError, match=r"other weights \(their-7b\)"):
        read(backbone, other)
    weights, configuration = backbone.fingerprint.split("-")[1:]
    tuned = saved(tmp_path / "tuned.safetensors", backbone, fingerprint=f"2-{weights}-00000000")
    assert configuration != "00000000"
    with pytest.raises(VectorError, match="another configuration"):
        read(backbone, tuned)
    shallow = vector_for(backbone, layers=3).save(tmp_path / "shallow.safetensors")
    with pytest.raises(VectorError, match="shallow"):
        read(backbone, shallow)


def test_a_vector_whose_model_is_unknown_is_taken_with_a_warning(tmp_path: Path, backbone: Backbone) -> None:
    early = saved(tmp_path / "early.safetensors", backbone, fingerprint="1234")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrimtabWarning)
        (one,) = read(backbone, early)
    assert any("cannot be verified" in warning for warning in one.warnings)
    made = SteeringVector.from_directions({1: [1.0] * backbone.facts.width}, name="by hand")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrimtabWarning)
        (one,) = read(backbone, made.save(tmp_path / "mine.safetensors"))
    assert one.vector.layers == (1,)
    assert one.vector.n_layers == backbone.facts.layers


@pytest.mark.parametrize("name", ["nothing", "empty", "broken.safetensors", "recommended.yaml"])
def test_what_holds_no_vector_is_refused_in_words(tmp_path: Path, backbone: Backbone, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.safetensors").write_bytes(b"no vector")
    with pytest.raises(TrimtabError, match=name):
        read(backbone, tmp_path / name)


def test_a_shared_folder_brings_its_setting_and_effect(tmp_path: Path, backbone: Backbone) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrimtabWarning)
        share_vector(vector_for(backbone), tmp_path / "shared", layer=2, strength=0.25)
        (one,) = read(backbone, tmp_path / "shared")
    assert one.name == "kind"
    assert one.recommended is not None
    assert (one.recommended.layers, one.recommended.strength) == ((2,), 0.25)
    assert any("person who shared" in warning for warning in one.warnings)


def test_a_folder_may_hold_files_and_shared_folders(tmp_path: Path, backbone: Backbone) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrimtabWarning)
        share_vector(vector_for(backbone), tmp_path / "shared", layer=2, strength=0.25)
        saved(tmp_path / "plain.safetensors", backbone)
        saved(tmp_path / ".hidden.safetensors", backbone)
        found = {one.name: one.recommended for one in read(backbone, tmp_path)}
    assert set(found) == {"kind", "plain"}
    assert found["plain"] is None
    assert found["kind"] is not None


SETTING = """\
format: trimtab-recommended-1
tables: ''
settings:
- {behavior: kind, model: tiny, vector: kind.safetensors, layers: [1, 2], strength: 0.5, scale: relative,
  positions: generated, first_token: false, share_strength: true, vector_layer: null, load: {id: tiny},
  warnings: [few prompts]}
"""


def test_a_setting_that_stands_alone_is_taken_and_called_unmeasured(tmp_path: Path, backbone: Backbone) -> None:
    saved(tmp_path / "kind.safetensors", backbone)
    (tmp_path / RECOMMENDED).write_text(SETTING)
    for path in (tmp_path, tmp_path / RECOMMENDED):
        (one,) = read(backbone, path)
        assert one.recommended is not None
        assert one.recommended.layers == (1, 2)
        assert one.recommended.setting.positions == "generated"
        assert one.recommended.setting.share_strength
        assert one.measured == {}
        assert one.warnings == ("the setting was changed by hand: nothing was measured at it", "few prompts")


@pytest.fixture(scope="module")
def deep() -> Backbone:
    """A model with as many layers as the planted run has swept."""
    return wrap(tiny_model("llama", num_hidden_layers=12), tiny_tokenizer(), name="tiny-deep")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, deep: Backbone) -> Path:
    """A finished run that recommends a setting, with a vector of a tiny model; its tables are planted."""
    path = tmp_path_factory.mktemp("runs") / "run"
    recommending_run(path, deep)
    return path


def test_a_run_brings_its_recommended_setting_effect_dose_and_warnings(run: Path, deep: Backbone) -> None:
    use = setting_to_use(run)
    (one,) = read(deep, run)
    assert one.name == "cheerful"
    assert one.recommended is not None
    assert list(one.recommended.layers) == use.layers
    assert (one.recommended.strength, one.recommended.setting) == (use.strength, use.steering)
    assert use.measured is not None
    effect = one.measured["effect"]
    assert effect["low"] < effect["change"] < effect["high"]
    assert one.measured["statement"] == use.measured.statement
    assert one.measured["dose"]["unit"] == "nats"
    assert one.measured["dose"]["kl"] > 0
    assert one.warnings == use.warnings
    steering = parse_steering("cheerful", VectorLibrary([one]))
    assert steering is not None
    assert list(steering.layers) == use.layers
    assert str(run) not in str(one.description())


def test_a_run_of_other_models_is_refused_with_what_it_has(run: Path) -> None:
    with pytest.raises(VectorError, match=r"no vector of these weights.*cheerful is of tiny-135M"):
        read(tiny("qwen3"), run)


def test_a_setting_that_cannot_be_pushed_is_refused_when_the_server_starts(tmp_path: Path) -> None:
    backbone = tiny("llama")
    saved(tmp_path / "kind.safetensors", backbone)
    (tmp_path / RECOMMENDED).write_text(SETTING.replace("layers: [1, 2]", "layers: [7]"))
    with pytest.raises(SettingError, match=r"kind\.safetensors.*layer 7 is out of range"):
        read(backbone, tmp_path)
