"""Vectors for other programs: every layout can be read back, says what is lost, and refuses what it cannot hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from gguf import GGUFReader

from tiny import tiny, vector_for
from trimtab.cli.main import main
from trimtab.errors import SettingError, VectorError
from trimtab.steering import SteeringSetting
from trimtab.study.setting_to_use import SettingToUse
from trimtab.study.settings.model_setting import ModelSetting
from trimtab.vectors import SteeringVector
from trimtab.vectors.exports import VECTOR_EXPORTS
from trimtab.vectors.exports.exported_vectors import export_vector

READ_AS = {"gguf": "", "easysteer": "", "tensor": "tensor", "lm-eval": "lm-eval", "neuronpedia": "neuronpedia"}
"""What `made_by` each layout is read with: every layout, so that a new one is thought of."""


@pytest.fixture(scope="module")
def vector() -> SteeringVector:
    made = vector_for(tiny("llama"))
    return replace(made, residual_norm=torch.tensor([1.0, 2.0, 3.0, 4.0]))


def suffix(to: str) -> str:
    return VECTOR_EXPORTS.get(to).suffixes[0]


def test_every_layout_has_a_way_to_be_read() -> None:
    assert set(READ_AS) == set(VECTOR_EXPORTS.names())


@pytest.mark.parametrize("to", READ_AS)
def test_what_is_written_is_read_back_bit_for_bit(to: str, vector: SteeringVector, tmp_path: Path) -> None:
    made = export_vector(vector, tmp_path / f"v{suffix(to)}", to, layer=2)
    read = SteeringVector.read(made.path, READ_AS[to])
    assert made.layers == read.layers == (2,)
    assert torch.equal(read.direction[2], vector.direction[2])


@pytest.mark.parametrize("to", READ_AS)
def test_a_relative_strength_becomes_raw_by_the_residual_norm(to: str, vector: SteeringVector, tmp_path: Path) -> None:
    made = export_vector(vector, tmp_path / f"v{suffix(to)}", to, layer=3, strength=0.25)
    read = SteeringVector.read(made.path, READ_AS[to])
    assert float(read.norm[3]) == pytest.approx(0.25 * 4.0)
    assert torch.cosine_similarity(read.direction[3], vector.direction[3], dim=0) == pytest.approx(1)
    assert any("mean residual norm" in loss for loss in made.losses)


@pytest.mark.parametrize("to", [to for to in READ_AS if to != "neuronpedia"])
def test_all_layers_that_the_layout_has_are_written(to: str, vector: SteeringVector, tmp_path: Path) -> None:
    made = export_vector(vector, tmp_path / f"v{suffix(to)}", to)
    assert made.layers == ((1, 2, 3) if "direction.0" in " ".join(made.losses) else (0, 1, 2, 3))
    assert SteeringVector.read(made.path, READ_AS[to]).layers == made.layers


def test_a_control_vector_is_what_llama_cpp_reads(vector: SteeringVector, tmp_path: Path) -> None:
    export_vector(vector, tmp_path / "v.gguf", layer=[1, 3], strength=2, scale="raw")
    read = GGUFReader(tmp_path / "v.gguf")
    assert read.fields["general.architecture"].contents() == "controlvector"
    assert {tensor.name: (tensor.tensor_type.name, list(tensor.shape)) for tensor in read.tensors} == {
        "direction.1": ("F32", [48]), "direction.3": ("F32", [48])
    }  # fmt: skip
    assert torch.equal(torch.from_numpy(read.tensors[1].data.copy()), 2 * vector.direction[3])


def test_layer_0_of_a_control_vector_is_left_out_and_said_or_refused(vector: SteeringVector, tmp_path: Path) -> None:
    made = export_vector(vector, tmp_path / "v.gguf", layer=[0, 1])
    assert made.layers == (1,)
    assert any("layer 0 is left out" in loss for loss in made.losses)
    with pytest.raises(SettingError, match="layer 0"):
        export_vector(vector, tmp_path / "w.gguf", layer=0)
    assert not (tmp_path / "w.gguf").exists()


def test_positions_that_the_program_does_not_have_are_a_loss(vector: SteeringVector, tmp_path: Path) -> None:
    made = export_vector(vector, tmp_path / "v.gguf", layer=1, strength=1, positions="after_prompt")
    assert any("after_prompt" in loss for loss in made.losses)
    assert any("first token" in loss for loss in made.losses)
    pushed = export_vector(vector, tmp_path / "w.gguf", layer=1, strength=1, first_token=True)
    assert not any("first token" in loss for loss in pushed.losses)
    tensor = export_vector(vector, tmp_path / "v.npy", "tensor", positions="after_prompt")
    assert tensor.losses == ()


def test_what_is_typed_names_the_file_and_the_layers(vector: SteeringVector, tmp_path: Path) -> None:
    today, before = export_vector(vector, tmp_path / "v.gguf", layer=2).usage
    assert f"{tmp_path / 'v.gguf'}:1.0 --control-vector-layer-range 2 2" in today
    assert f"{tmp_path / 'v.gguf'} 1.0 --control-vector-layer-range 2 2" in before


def test_neuronpedia_has_one_layer_and_its_hook(vector: SteeringVector, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="one layer"):
        export_vector(vector, tmp_path / "v.json", "neuronpedia")
    export_vector(vector, tmp_path / "v.json", "neuronpedia", layer=1)
    content = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
    assert (content["layerNumber"], content["hookType"], len(content["vector"])) == (1, "hook_resid_post", 48)


def test_what_lm_eval_loads_is_safe_to_load(vector: SteeringVector, tmp_path: Path) -> None:
    export_vector(vector, tmp_path / "v.pt", "lm-eval", layer=2)
    content = torch.load(tmp_path / "v.pt", weights_only=True)
    assert content["layers.2"]["action"] == "add"
    assert torch.equal(content["layers.2"]["steering_vector"][0], vector.direction[2])


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"to": "ggfu"}, SettingError, "gguf"),
        ({"layer": 9}, SettingError, "no direction at layer 9"),
        ({"strength": 0.0}, SettingError, "strength 0"),
        ({"strength": 1.0, "scale": "clamp"}, SettingError, "depends on the state"),
        ({"path": "v.txt"}, SettingError, r"ends in \.gguf"),
    ],
)
def test_what_cannot_be_written_is_named(
    how: dict[str, object], error: type[Exception], words: str, vector: SteeringVector, tmp_path: Path
) -> None:
    path = tmp_path / str(how.pop("path", "v.gguf"))
    with pytest.raises(error, match=words):
        export_vector(vector, path, **how)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_without_residual_norms_a_relative_strength_is_refused(vector: SteeringVector, tmp_path: Path) -> None:
    with pytest.raises(VectorError, match="residual norms"):
        export_vector(replace(vector, residual_norm=None), tmp_path / "v.gguf", layer=1, strength=0.1)


def test_the_page_lists_every_layout_as_it_is_registered() -> None:
    page = (Path(__file__).parents[2] / "docs" / "vectors.md").read_text(encoding="utf-8")
    assert not [name for name, words in VECTOR_EXPORTS.summaries().items() if f"| `{name}` | {words} |" not in page]


def test_a_run_that_pushed_along_another_layers_direction_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use = SettingToUse(
        behavior="kind", model=ModelSetting(id="m"), model_id="m", vectors=tmp_path / "v.safetensors", layers=[1],
        strength=0.5, steering=SteeringSetting("relative", vector_layer=2),
    )  # fmt: skip
    monkeypatch.setattr("trimtab.cli.vector_commands.vector_export.setting_of_run", lambda *_: use)
    assert main(["vectors", "export", "--run", str(tmp_path), "-o", str(tmp_path / "v.gguf")]) == 2
    assert "direction of layer 2" in capsys.readouterr().err
    assert not (tmp_path / "v.gguf").exists()
