"""Vector files that cannot be read safely, or not without guessing: refused with their name, in words."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFWriter
from safetensors.torch import save_file

from tiny import tiny
from trimtab.engines import Model
from trimtab.errors import SettingError, VectorError
from trimtab.vectors import SteeringVector
from vector_files import LAYERS, LAYOUTS, T, control_vector, lm_eval, neuronpedia, sae, steering_vectors


class Bomb:
    """What a hostile pickle is: it leaves a file behind where it is loaded."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.mark,)


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(VectorError) as caught:
        SteeringVector.read(path, **options)
    text = str(caught.value)
    assert text.startswith(str(path).partition("#")[0])
    return text


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_runs_none(zipped: bool, tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "v.pt"
    torch.save({"direction": T, "bomb": Bomb(mark)}, path, _use_new_zipfile_serialization=zipped)
    text = refused(path)
    assert "weights_only=False" in text
    assert not mark.exists()
    torch.load(path, weights_only=False)  # what the file does to those who trust it
    assert mark.exists()


def test_a_bare_pickle_is_not_opened(tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "v.pkl"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    assert "Python objects" in refused(path)
    assert not mark.exists()


def _repacked(path: Path, change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """A file of torch.save whose parts are changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, change(name, content))
    return path


def test_a_tensor_that_claims_more_than_the_file_holds_is_not_read_from_beyond_it(tmp_path: Path) -> None:
    path = tmp_path / "v.pt"
    torch.save(torch.ones(4, 2**20), path)
    assert "readable" in refused(_repacked(path, lambda name, b: b[:64] if name.endswith("data/0") else b))


def test_a_compressed_archive_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "v.pt"
    torch.save(torch.zeros(4, 2**16), path)
    assert "compressed" in refused(_repacked(path, lambda name, b: b, zipfile.ZIP_DEFLATED))


def test_a_view_that_stands_for_more_than_memory_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.pt"
    torch.save(torch.ones(1).expand(10**6, 10**6), path)
    refused(path, made_by="tensor")


def test_a_pickle_that_asks_for_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.pt"
    torch.save(T, path)
    hungry = b"\x80\x02cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR."
    refused(_repacked(path, lambda name, b: hungry if name.endswith("data.pkl") else b))


def _sparse() -> torch.Tensor:
    return torch.eye(4).to_sparse()


@pytest.mark.parametrize(
    "content",
    [
        torch.ones(4, 8, dtype=torch.int64), torch.ones(4, 8, dtype=torch.complex64), torch.tensor(1.0),
        torch.ones(2, 3, 4), torch.ones(0, 8), torch.ones(4, 0), torch.zeros(4, 8), _sparse(),
        "text", [], ["a"], None, {}, {"v": {"v": T}},
        [True, False], [float("inf")],
    ],
    ids=lambda content: f"{type(content).__name__} {list(getattr(content, 'shape', [])) or str(content)[:12]}",
)  # fmt: skip
def test_what_is_no_vector_is_refused(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "v.pt"
    torch.save(content, path)
    with pytest.raises(VectorError):
        SteeringVector.read(path, layer=2)
    with pytest.raises((VectorError, SettingError)):
        SteeringVector.read(path, made_by="tensor", layer=2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["tensor", "tensor, numpy", "repeng", "layers, safetensors"])
def test_numbers_that_are_not_finite_are_refused_by_layer(name: str, value: float, tmp_path: Path) -> None:
    broken = T.clone()
    broken[2, 5] = value
    if name == "tensor":
        torch.save(broken, tmp_path / "v.pt")
    elif name == "tensor, numpy":
        np.save(tmp_path / "v.npy", broken.numpy())
    elif name == "repeng":
        control_vector(tmp_path / "v.gguf", {n: broken[n] for n in (1, 2, 3)})
    else:
        save_file({"layers.2": broken[2]}, tmp_path / "v.safetensors")
    (path,) = tmp_path.iterdir()
    assert "layer 2" in refused(path, **LAYOUTS[name].options)


def test_numpy_objects_are_not_unpickled(tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "v.npy"
    np.save(path, np.array([Bomb(mark)], dtype=object), allow_pickle=True)
    refused(path)
    assert not mark.exists()


def test_an_array_that_claims_more_than_the_file_holds_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "v.npy"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64))
    refused(path)


def test_several_arrays_in_one_archive_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", direction=T.numpy())
    assert "npz" in refused(tmp_path / "v.npz")


@pytest.mark.parametrize("length", [2**24 + 1, 2**40, 2**63])
def test_a_huge_header_is_not_read(length: int, tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    save_file({"layers.1": T[1]}, path)
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    assert "header" in refused(path)


def test_a_model_is_no_vector(tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tensor("blk.0.attn_q.weight", np.ones((2, 2), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert "model" in refused(tmp_path / "m.gguf")


@pytest.mark.parametrize(
    ("rows", "seen"),
    [
        ({0: T[0]}, "direction.0"),
        ({1: T[0], 2: T[1][:8]}, "width"),
        ({1: T[0].reshape(8, 6)}, "direction.1"),
        ({}, "no direction"),
    ],
)
def test_control_vectors_that_llama_cpp_refuses_are_refused(rows: Any, seen: str, tmp_path: Path) -> None:
    assert seen in refused(control_vector(tmp_path / "v.gguf", rows), made_by="saklas")


def test_differences_with_a_gap_are_not_added_up(tmp_path: Path) -> None:
    assert "gap" in refused(control_vector(tmp_path / "v.gguf", {1: T[0], 3: T[1]}), made_by="jukofyork")


def test_the_last_layer_alone_behind_the_final_norm_is_refused(tmp_path: Path) -> None:
    assert "final norm" in refused(control_vector(tmp_path / "v.gguf", {3: T[3]}), made_by="repeng")


def test_a_control_vector_is_not_guessed_at(tmp_path: Path) -> None:
    unit = torch.nn.functional.normalize(T, dim=1)
    text = refused(control_vector(tmp_path / "v.gguf", {n: unit[n] for n in (1, 2, 3)}, hint="qwen2"))
    for choice in ("--made-by repeng", "--made-by saklas", "--made-by llama.cpp", "--made-by jukofyork"):
        assert choice in text
    for hint in ("qwen2", "direction.1 to direction.3", "norms are 1", "cosine of neighbours"):
        assert hint in text


def test_rows_of_a_bare_tensor_are_told_apart_by_a_model_alone(tmp_path: Path) -> None:
    path, model = tmp_path / "v.pt", Model(tiny("llama"))
    torch.save(T, path)
    assert "--made-by persona_vectors" in refused(path)
    assert SteeringVector.read(path, model=model).layers == (0, 1, 2, 3)
    torch.save(torch.cat([T, T[:1]]), path)
    assert SteeringVector.read(path, model=model).layers == (0, 1, 2)
    torch.save(torch.cat([T, T]), path)
    assert f"{LAYERS} layers" in refused(path, model=model)


@pytest.mark.parametrize(
    "name", ["layers.1.self_attn", "model.layers.2.mlp.down_proj", "blocks.1.hook_resid_pre", "lm_head.norm", "embed"]
)
def test_other_sites_are_refused(name: str, tmp_path: Path) -> None:
    save_file({name: T[1]}, tmp_path / "v.safetensors")
    assert "another site" in refused(tmp_path / "v.safetensors", made_by="layers")


def test_files_of_several_models_in_one_folder_are_refused(tmp_path: Path) -> None:
    for name in ("vec_layer_1_Llama-2-7b.pt", "vec_layer_2_Llama-2-13b.pt"):
        torch.save(T[1], tmp_path / name)
    assert "several models" in refused(tmp_path)


def test_a_layer_that_contradicts_the_name_is_refused(tmp_path: Path) -> None:
    torch.save(T[1], tmp_path / "vec_layer_15_Llama.pt")
    with pytest.raises(SettingError, match=r"vec_layer_15_Llama\.pt: the file is of layer 15, and layer 3"):
        SteeringVector.read(tmp_path / "vec_layer_15_Llama.pt", layer=3)


def test_a_single_direction_needs_its_layer(tmp_path: Path) -> None:
    torch.save(T[1], tmp_path / "v.pt")
    with pytest.raises(SettingError, match="--layer"):
        SteeringVector.read(tmp_path / "v.pt")


def test_a_row_is_refused_where_files_have_none_to_choose(tmp_path: Path) -> None:
    torch.save(T[1], tmp_path / "vec_layer_1_x.pt")
    with pytest.raises(SettingError, match="leave out the #3"):
        SteeringVector.read(f"{tmp_path}/vec_layer_1_x.pt#3")


def test_a_maker_that_did_not_write_the_file_is_refused(tmp_path: Path) -> None:
    torch.save(T[1], tmp_path / "v.pt")
    assert "no file of repeng" in refused(tmp_path / "v.pt", made_by="repeng")
    with pytest.raises(SettingError, match="did you mean 'repeng'"):
        SteeringVector.read(tmp_path / "v.pt", made_by="repenk")


def test_missing_and_other_files_are_named(tmp_path: Path) -> None:
    assert "no such" in refused(tmp_path / "gone.gguf")
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    assert "no file that vectors come in" in refused(tmp_path / "notes.txt")
    (tmp_path / "v.json").write_text(json.dumps({"a": 1}), encoding="utf-8")
    assert "no format that trimtab knows" in refused(tmp_path / "v.json")
    (tmp_path / "v.json").write_text('{"abc": {"b": 1}}', encoding="utf-8")  # a brace where safetensors have one
    assert "a JSON object with abc" in refused(tmp_path / "v.json")
    (tmp_path / "empty").mkdir()
    assert "without files" in refused(tmp_path / "empty")


@pytest.mark.parametrize("site", ["self_attn", "mlp", "input_layernorm"])
def test_saved_steering_vectors_of_another_layer_type_are_refused(site: str, tmp_path: Path) -> None:
    assert site in refused(steering_vectors(tmp_path, site))


@pytest.mark.parametrize("hook", ["hook_mlp_out", "hook_resid_mid", "attn.hook_z", "ln_final.hook_normalized"])
def test_hooks_at_other_sites_are_refused(hook: str, tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(json.dumps(neuronpedia(hook, 1)), encoding="utf-8")
    assert hook in refused(tmp_path / "v.json")
    assert hook.rpartition(".")[2] in refused(sae(tmp_path, f"blocks.1.{hook}"))


def test_the_embeddings_are_no_layer(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(json.dumps(neuronpedia("hook_resid_pre", 0)), encoding="utf-8")
    assert "embeddings" in refused(tmp_path / "v.json")
    torch.save(T[0], tmp_path / "direction.pt")
    (tmp_path / "direction_metadata.json").write_text('{"pos": -1, "layer": 0}', encoding="utf-8")
    assert "embeddings" in refused(tmp_path / "direction.pt")


@pytest.mark.parametrize(
    ("changes", "seen"),
    [({"action": "clamp"}, "clamp"), ({"head_index": 3}, "head"), ({"steering_coefficient": "x"}, "number")],
)  # fmt: skip
def test_steered_models_that_do_more_than_add_are_refused(changes: Any, seen: str, tmp_path: Path) -> None:
    torch.save(lm_eval(**changes), tmp_path / "v.pt")
    assert seen in refused(tmp_path / "v.pt")
    torch.save({"layers.1.mlp": lm_eval()["layers.2"]}, tmp_path / "w.pt")
    assert "layers.1.mlp" in refused(tmp_path / "w.pt")


def test_methods_that_are_no_direction_are_refused(tmp_path: Path) -> None:
    save_file({"layer1.v": T[1].clone(), "layer1.W": T}, tmp_path / "v.safetensors", metadata={"cfg": "{}"})
    assert "layer1.W" in refused(tmp_path / "v.safetensors")


@pytest.mark.parametrize("row", ["", "#4", "#99999999"])
def test_rows_of_features_must_be_named_and_there(row: str, tmp_path: Path) -> None:
    torch.save(T, tmp_path / "LsReFT_weight.pt")
    folder = str(sae(tmp_path)).partition("#")[0]
    for place in (f"{tmp_path}/LsReFT_weight.pt", folder):
        with pytest.raises(SettingError, match="#7" if not row else "out of range"):
            SteeringVector.read(place + row, layer=2)


def test_concepts_need_their_layer(tmp_path: Path) -> None:
    torch.save(T, tmp_path / "LsReFT_weight.pt")
    with pytest.raises(SettingError, match="--layer 20"):
        SteeringVector.read(f"{tmp_path}/LsReFT_weight.pt#1")


@pytest.mark.parametrize("rows", [1, 2])
def test_a_name_that_says_the_format_is_not_read_as_another(rows: int, tmp_path: Path) -> None:
    torch.save(T[:rows], tmp_path / "evil_response_avg_diff.pt")
    assert "at least 3 rows" in refused(tmp_path / "evil_response_avg_diff.pt")
    torch.save(T, tmp_path / "calm_response_avg_diff.pt")
    assert "its model has 3 layers" in refused(tmp_path / "calm_response_avg_diff.pt", model=Model(tiny("llama")))
