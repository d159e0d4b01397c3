"""The vectors that a server knows: by name only, from one folder only, and never another under the same name."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from trimtab.engines.vllm.spec import MAX_PUSHES, Push, Read, Spec
from trimtab.engines.vllm.store import Vectors, packed
from trimtab.errors import SettingError, VectorError
from trimtab.steering import Gate
from trimtab.vectors.steering_vector import Provenance, SteeringVector

LAYERS, WIDTH = 4, 6


def vector(seed: int = 0, layers: int = LAYERS, width: int = WIDTH) -> SteeringVector:
    direction = torch.randn(layers, width, generator=torch.Generator().manual_seed(seed))
    made = Provenance("model", "", "cheerful", "", 1, "mean", "answer", "text", "none", "")
    return SteeringVector(direction, direction.norm(dim=1), made)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vector().save(tmp_path / "vectors" / "cheerful.safetensors")
    return tmp_path / "vectors"


@pytest.fixture
def vectors(folder: Path) -> Vectors:
    return Vectors(LAYERS, WIDTH, folder)


def spec(name: str = "cheerful", layers: tuple[int, ...] = (1,), strength: float = 1.0, **more: Any) -> Spec:
    return Spec((Push(name, layers, strength, **more),))


def gate(*layers: int) -> Gate:
    return Gate({layer: torch.randn(WIDTH) for layer in layers}, {layer: 0.1 + layer for layer in layers}, 0.3)


def test_a_registered_vector_is_found_by_name(vectors: Vectors) -> None:
    direction = torch.randn(WIDTH)
    vectors.add("abc", packed({1: direction}, None))
    found = vectors.intervention(spec("abc", strength=2.0))
    assert found is not None
    assert torch.equal(found.directions[1], direction)
    assert (found.strength, found.scale, found.gate) == (2.0, "raw", None)


def test_a_name_never_comes_to_stand_for_another_vector(vectors: Vectors) -> None:
    content = packed({1: torch.ones(WIDTH)}, None)
    vectors.add("abc", content)
    vectors.add("abc", content)
    for other in (packed({1: torch.zeros(WIDTH)}, None), packed({1: torch.ones(WIDTH)}, gate(1))):
        with pytest.raises(VectorError, match="another vector"):
            vectors.add("abc", other)
    assert torch.equal(vectors.get("abc").directions[1], torch.ones(WIDTH))


@pytest.mark.parametrize("wrong", [{LAYERS: torch.ones(WIDTH)}, {-1: torch.ones(WIDTH)}, {0: torch.ones(WIDTH + 1)}])
def test_a_registered_vector_must_fit_the_model(vectors: Vectors, wrong: dict[int, torch.Tensor]) -> None:
    with pytest.raises(VectorError, match="does not fit a model of 4 layers × 6"):
        vectors.add("abc", packed(wrong, None))
    with pytest.raises(SettingError, match="no vector 'abc'"):
        vectors.get("abc")


def test_a_dropped_vector_is_forgotten(vectors: Vectors) -> None:
    vectors.add("abc", packed({1: torch.ones(WIDTH)}, None))
    vectors.drop("abc")
    vectors.drop("abc")
    with pytest.raises(SettingError, match="no vector 'abc'"):
        vectors.get("abc")


def test_a_vector_of_the_folder_is_found_by_its_files_name(vectors: Vectors) -> None:
    found = vectors.intervention(spec(layers=(0, 3)))
    assert found is not None
    assert all(torch.equal(found.directions[layer], vector().direction[layer]) for layer in (0, 3))


def test_a_vector_once_read_stays_though_its_file_changes(vectors: Vectors, folder: Path) -> None:
    vectors.get("cheerful")
    vector(seed=1).save(folder / "cheerful.safetensors")
    assert torch.equal(vectors.get("cheerful").directions[0], vector().direction[0])


def test_a_file_that_comes_into_the_folder_later_is_found(vectors: Vectors, folder: Path) -> None:
    with pytest.raises(SettingError, match="no vector 'sad'; the folder has cheerful"):
        vectors.get("sad")
    vector(seed=2).save(folder / "sad.safetensors")
    assert torch.equal(vectors.get("sad").directions[0], vector(seed=2).direction[0])


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "../outside",
        "../vectors/cheerful",
        "./cheerful",
        "sub/inside",
        "/etc/passwd",
        "~/outside",
        "cheerful.safetensors/",
        "..\\outside",
        "cheerful\n",
        "cheerful\0",
        " cheerful",
        ".hidden",
        "-",
        "x" * 129,
        "ümlaut",
    ],
)
def test_a_name_is_never_a_path(tmp_path: Path, folder: Path, vectors: Vectors, name: str) -> None:
    for place in (tmp_path / "outside", folder / "sub" / "inside", folder / ".hidden", folder / "-", folder / "ümlaut"):
        vector().save(f"{place}.safetensors")
    with pytest.raises(SettingError, match="no vector"):
        vectors.get(name)


def test_an_absolute_path_is_no_name(tmp_path: Path, vectors: Vectors) -> None:
    outside = vector().save(tmp_path / "outside.safetensors")
    with pytest.raises(SettingError, match="no vector"):
        vectors.get(str(outside.with_suffix("")))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, folder: Path, vectors: Vectors) -> None:
    outside = vector().save(tmp_path / "outside.safetensors")
    (folder / "linked.safetensors").symlink_to(outside)
    with pytest.raises(SettingError, match="'linked' is a link out of the folder"):
        vectors.get("linked")


def test_a_link_within_the_folder_and_a_folder_that_is_a_link_are_fine(tmp_path: Path, folder: Path) -> None:
    (folder / "alias.safetensors").symlink_to(folder / "cheerful.safetensors")
    (tmp_path / "link").symlink_to(folder)
    vectors = Vectors(LAYERS, WIDTH, tmp_path / "link")
    assert torch.equal(vectors.get("alias").directions[0], vectors.get("cheerful").directions[0])


def test_a_folder_in_place_of_a_file_is_no_vector(folder: Path, vectors: Vectors) -> None:
    (folder / "odd.safetensors").mkdir()
    with pytest.raises(SettingError, match="no vector 'odd'"):
        vectors.get("odd")


def test_without_a_folder_only_registered_vectors_are_known() -> None:
    with pytest.raises(SettingError, match="given no folder"):
        Vectors(LAYERS, WIDTH).get("cheerful")


@pytest.mark.parametrize("shape", [(LAYERS + 1, WIDTH), (LAYERS, WIDTH + 2)])
def test_a_file_for_a_model_of_another_shape_is_refused(folder: Path, vectors: Vectors, shape: tuple[int, int]) -> None:
    vector(0, *shape).save(folder / "other.safetensors")
    with pytest.raises(VectorError, match=f"other.safetensors is for a model of {shape[0]} layers × {shape[1]}"):
        vectors.get("other")


class Trap:
    """Would leave a mark if anybody unpickled it."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_a_pickle_that_is_called_safetensors_is_refused_and_not_opened(
    tmp_path: Path, folder: Path, vectors: Vectors
) -> None:
    trap = pickle.dumps(Trap(tmp_path / "mark"))
    pickle.loads(trap)
    assert (tmp_path / "mark").exists(), "the trap works"
    (tmp_path / "mark").unlink()
    (folder / "trap.safetensors").write_bytes(trap)
    with pytest.raises(VectorError, match="not a readable safetensors file"):
        vectors.get("trap")
    assert not (tmp_path / "mark").exists()


def test_a_damaged_file_is_refused(folder: Path, vectors: Vectors) -> None:
    content = bytearray((folder / "cheerful.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "cheerful.safetensors").write_bytes(content)
    with pytest.raises(VectorError, match="checksum"):
        vectors.get("cheerful")


def test_no_pushes_are_no_intervention(vectors: Vectors) -> None:
    assert vectors.intervention(Spec()) is None
    assert vectors.intervention(Spec(read=Read(0, 2, (LAYERS - 1,)))) is None


@pytest.mark.parametrize(
    "wrong",
    [
        spec(layers=(LAYERS,)),
        spec(vector_layer=LAYERS),
        spec(vector_layer=-1),
        Spec(read=Read(0, 2, (LAYERS,))),
        Spec(read=Read(0, 2, (-1,))),
    ],
)
def test_a_layer_that_the_model_does_not_have_is_refused(vectors: Vectors, wrong: Spec) -> None:
    with pytest.raises(SettingError, match="out of range: this model has layers 0 to 3"):
        vectors.intervention(wrong)


def test_a_layer_that_the_vector_does_not_have_is_refused(vectors: Vectors) -> None:
    vectors.add("abc", packed({1: torch.ones(WIDTH)}, None))
    with pytest.raises(SettingError, match="'abc' has no direction at layer 2"):
        vectors.intervention(spec("abc", (2,)))
    found = vectors.intervention(spec("abc", (2,), vector_layer=1))
    assert found is not None
    assert torch.equal(found.directions[2], torch.ones(WIDTH))


def test_several_pushes_keep_their_order(vectors: Vectors) -> None:
    vectors.add("abc", packed({1: torch.ones(WIDTH)}, None))
    pushes = (Push("abc", (1,), 1.0, "project_out"), Push("cheerful", (1, 2), 2.0), Push("abc", (1,), 3.0, "relative"))
    found = vectors.intervention(Spec(pushes, "after_prompt", True))
    assert found is not None
    assert [aim.scale for aim in found.aims(1)] == ["project_out", "raw", "relative"]
    assert [aim.strength for aim in found.aims(1)] == [1.0, 2.0, 3.0]
    assert found.layers == (1, 2)
    assert (found.positions, found.first_token) == ("after_prompt", True)


def test_as_many_pushes_as_are_allowed_are_put_together(vectors: Vectors) -> None:
    found = vectors.intervention(Spec((Push("cheerful", (0,), 1.0),) * MAX_PUSHES))
    assert found is not None
    assert len(found.aims(0)) == MAX_PUSHES


def test_the_gate_of_a_registered_vector_goes_with_it(vectors: Vectors) -> None:
    asked = gate(1)
    vectors.add("abc", packed({1: torch.ones(WIDTH)}, asked))
    found = vectors.intervention(spec("abc"))
    assert found is not None
    assert found.gate is not None
    assert found.gate.bias == asked.bias


def test_a_vector_without_a_direction_cannot_be_pushed_relatively(folder: Path, vectors: Vectors) -> None:
    zero = vector()
    zero.direction[1] = 0
    zero.save(folder / "zero.safetensors")
    assert vectors.intervention(spec("zero", (1,))) is not None
    with pytest.raises(SettingError, match="the direction at layer 1 is zero"):
        vectors.intervention(spec("zero", (1,), scale="relative"))


def test_nothing_of_a_spec_reaches_the_disk_but_its_names(vectors: Vectors, folder: Path) -> None:
    before = sorted(folder.iterdir())
    vectors.intervention(spec())
    assert sorted(folder.iterdir()) == before
    assert json.loads(spec().to_json())["pushes"][0]["vector"] == "cheerful"


def test_a_vector_stays_what_it_was_when_its_file_is_written_over_in_place(folder: Path, vectors: Vectors) -> None:
    before = vectors.get("cheerful").directions[1].clone()
    other = vector(seed=1).save(folder.parent / "other.safetensors").read_bytes()
    with (folder / "cheerful.safetensors").open("r+b") as file:
        file.write(other)
    assert torch.equal(vectors.get("cheerful").directions[1], before)
    with (folder / "cheerful.safetensors").open("r+b") as file:
        file.truncate(0)
    assert torch.equal(vectors.get("cheerful").directions[1], before)
