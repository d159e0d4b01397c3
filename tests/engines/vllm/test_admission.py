"""The vectors of a server's folder: by name only, from one folder only, and always what the file is now."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from trimtab.engines.vllm.guard.admission import Admission
from trimtab.engines.vllm.plugin.vector_table import unpacked
from trimtab.engines.vllm.wire.spec import KEY, Push, Spec
from trimtab.errors import SettingError, VectorError
from trimtab.vectors import Provenance, SteeringVector

LAYERS, WIDTH = 4, 6


def vector(seed: int = 0, layers: int = LAYERS, width: int = WIDTH) -> SteeringVector:
    direction = torch.randn(layers, width, generator=torch.Generator().manual_seed(seed))
    made = Provenance("model", "", "cheerful", "", 1, "mean", "answer", "text", "none", "")
    return SteeringVector(direction, direction.norm(dim=1), made)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    vector().save(tmp_path / "vectors" / "cheerful.safetensors")
    return tmp_path / "vectors"


def door_to(**settings: Any) -> Admission:
    """The admission of a model of 4 layers × 6."""
    model = SimpleNamespace(hf_text_config=SimpleNamespace(num_hidden_layers=LAYERS), get_hidden_size=lambda: WIDTH)
    return Admission(SimpleNamespace(additional_config={KEY: settings}, model_config=model))


@pytest.fixture
def admission(folder: Path) -> Admission:
    return door_to(vectors=str(folder))


def spec(name: str = "cheerful", layers: tuple[int, ...] = (1,), **more: Any) -> Spec:
    return Spec((Push(name, layers, 1.0, **more),))


def directions(admission: Admission, name: str) -> Any:
    """Of the vector that a name stands for, layer → [d_model]."""
    (push,) = admission.admit(spec(name)).pushes
    return admission.vectors.get(push.vector).directions


def test_a_vector_of_the_folder_is_found_by_its_files_name(admission: Admission) -> None:
    found = directions(admission, "cheerful")
    assert all(torch.equal(found[layer], vector().direction[layer]) for layer in range(LAYERS))


def test_what_is_admitted_names_vectors_by_content_and_is_admitted_again(admission: Admission) -> None:
    known = admission.admit(spec(layers=(0, 3), scale="relative"))
    assert known.pushes[0].vector != "cheerful"
    assert (known.pushes[0].layers, known.pushes[0].scale) == ((0, 3), "relative")
    assert admission.admit(known) == known


def test_a_vector_is_delivered_once_by_its_content(admission: Admission) -> None:
    known = admission.admit(spec())
    ((name, content),) = admission.to_deliver(known)
    assert name == known.pushes[0].vector
    assert torch.equal(unpacked(content).directions[2], vector().direction[2])
    assert not list(admission.to_deliver(admission.admit(spec())))


def test_a_vector_whose_delivery_was_broken_off_is_delivered_again(admission: Admission) -> None:
    known = admission.admit(spec())
    going = admission.to_deliver(known)
    next(going)
    going.close()  # type: ignore[attr-defined]  # a generator
    assert [name for name, _ in admission.to_deliver(known)] == [known.pushes[0].vector]


def test_a_file_that_is_replaced_is_another_vector_from_then_on(admission: Admission, folder: Path) -> None:
    """Keys and values that the former has steered are remembered by the former's name."""
    before = admission.admit(spec())
    list(admission.to_deliver(before))
    vector(seed=1).save(folder / "cheerful.safetensors")
    after = admission.admit(spec())
    assert after.salt != before.salt
    assert [name for name, _ in admission.to_deliver(after)] == [after.pushes[0].vector]
    assert torch.equal(directions(admission, "cheerful")[0], vector(seed=1).direction[0])
    # What is under way with the former goes on with it.
    assert torch.equal(admission.vectors.get(before.pushes[0].vector).directions[0], vector().direction[0])


def test_two_names_of_the_same_numbers_are_the_same_vector(admission: Admission, folder: Path) -> None:
    vector().save(folder / "happy.safetensors")
    assert admission.admit(spec("happy")) == admission.admit(spec("cheerful"))


def test_a_file_that_is_gone_is_refused(admission: Admission, folder: Path) -> None:
    admission.admit(spec())
    (folder / "cheerful.safetensors").unlink()
    with pytest.raises(SettingError, match="no vector 'cheerful'; the folder has none"):
        admission.admit(spec())


def test_a_file_that_comes_into_the_folder_later_is_found(admission: Admission, folder: Path) -> None:
    with pytest.raises(SettingError, match="no vector 'sad'; the folder has cheerful"):
        admission.admit(spec("sad"))
    vector(seed=2).save(folder / "sad.safetensors")
    assert torch.equal(directions(admission, "sad")[0], vector(seed=2).direction[0])


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
def test_a_name_is_never_a_path(tmp_path: Path, folder: Path, admission: Admission, name: str) -> None:
    for place in (tmp_path / "outside", folder / "sub" / "inside", folder / ".hidden", folder / "-", folder / "ümlaut"):
        vector().save(f"{place}.safetensors")
    with pytest.raises(SettingError, match="no vector"):
        admission.admit(spec(name))


def test_an_absolute_path_is_no_name(tmp_path: Path, admission: Admission) -> None:
    outside = vector().save(tmp_path / "outside.safetensors")
    with pytest.raises(SettingError, match="no vector"):
        admission.admit(spec(str(outside.with_suffix(""))))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, folder: Path, admission: Admission) -> None:
    outside = vector().save(tmp_path / "outside.safetensors")
    (folder / "linked.safetensors").symlink_to(outside)
    with pytest.raises(SettingError, match="'linked' is a link out of the folder"):
        admission.admit(spec("linked"))


def test_a_link_within_the_folder_and_a_folder_that_is_a_link_are_fine(tmp_path: Path, folder: Path) -> None:
    (folder / "alias.safetensors").symlink_to(folder / "cheerful.safetensors")
    (tmp_path / "link").symlink_to(folder)
    linked = door_to(vectors=str(tmp_path / "link"))
    assert torch.equal(directions(linked, "alias")[0], vector().direction[0])


def test_a_folder_in_place_of_a_file_is_no_vector(folder: Path, admission: Admission) -> None:
    (folder / "odd.safetensors").mkdir()
    with pytest.raises(SettingError, match="no vector 'odd'"):
        admission.admit(spec("odd"))


def test_without_a_folder_only_registered_vectors_are_known() -> None:
    with pytest.raises(SettingError, match="has no folder of vectors"):
        door_to().admit(spec())


def test_a_folder_that_is_not_there_is_told_when_the_server_starts(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"there is no folder '.*nowhere' of vectors"):
        door_to(vectors=str(tmp_path / "nowhere"))


@pytest.mark.parametrize("shape", [(LAYERS + 1, WIDTH), (LAYERS, WIDTH + 2)])
def test_a_file_for_a_model_of_another_shape_is_refused(
    folder: Path, admission: Admission, shape: tuple[int, int]
) -> None:
    vector(0, *shape).save(folder / "other.safetensors")
    with pytest.raises(VectorError, match=f"other.safetensors is for a model of {shape[0]} layers × {shape[1]}"):
        admission.admit(spec("other"))


class Trap:
    """Would leave a mark if anybody unpickled it."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_a_pickle_that_is_called_safetensors_is_refused_and_not_opened(
    tmp_path: Path, folder: Path, admission: Admission
) -> None:
    trap = pickle.dumps(Trap(tmp_path / "mark"))
    pickle.loads(trap)
    assert (tmp_path / "mark").exists(), "the trap works"
    (tmp_path / "mark").unlink()
    (folder / "trap.safetensors").write_bytes(trap)
    with pytest.raises(VectorError, match="this is a pickle file"):
        admission.admit(spec("trap"))
    assert not (tmp_path / "mark").exists()


def test_a_damaged_file_is_refused(folder: Path, admission: Admission) -> None:
    content = bytearray((folder / "cheerful.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "cheerful.safetensors").write_bytes(content)
    with pytest.raises(VectorError, match="checksum"):
        admission.admit(spec("cheerful"))


def test_a_vector_from_elsewhere_is_served_at_the_layers_that_it_has(admission: Admission, folder: Path) -> None:
    shape = vector().direction.shape
    SteeringVector.from_directions({1: [1.0] * shape[1]}).save(folder / "partial.safetensors")
    known = admission.admit(spec("partial", layers=(1,)))
    ((_, content),) = admission.to_deliver(known)
    assert set(unpacked(content).directions) == {1}
    SteeringVector.from_directions({shape[0]: [1.0] * shape[1]}).save(folder / "deep.safetensors")
    with pytest.raises(VectorError, match="for a model of"):
        admission.admit(spec("deep", layers=(1,)))


def test_affine_is_admitted_where_the_file_has_the_negative_mean_and_refused_where_it_lacks_it(
    folder: Path, admission: Admission
) -> None:
    whole = vector(1)
    mean = torch.randn(LAYERS, WIDTH)
    SteeringVector(whole.direction, whole.residual_norm, whole.provenance, {"negative_mean": mean}).save(
        folder / "whole.safetensors"
    )
    known = admission.admit(spec("whole", scale="affine"))
    found = admission.vectors.intervention(known)
    assert found is not None
    assert torch.equal(found.statistics["negative_mean"][1], mean[1])
    with pytest.raises(SettingError, match=r"scale affine needs the mean state.*extract it again"):
        admission.admit(spec("cheerful", scale="affine"))
