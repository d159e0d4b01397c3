"""The vector as a file: what was saved is what is loaded, or it is an error that says why."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from trimtab.errors import VectorError
from trimtab.vectors import LetterLeakage, Provenance, SteeringVector


def provenance(behavior: str = "kind") -> Provenance:
    return Provenance(
        model="tiny",
        fingerprint="abc",
        behavior=behavior,
        pairs_hash="123",
        pairs=8,
        method="mean",
        token_position="answer",
        form="choice",
        balance="both_orders",
        template_hash="def",
        versions={"torch": "2"},
        first_token_ratio=(3.0, 4.5),
        letter=LetterLeakage((0.1, 0.2), (0.5, 0.6)),
    )


def vector(seed: int = 0) -> SteeringVector:
    source = torch.Generator().manual_seed(seed)
    return SteeringVector(torch.randn(2, 64, generator=source), torch.rand(2, generator=source), provenance())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return vector().save(tmp_path / "vectors.safetensors")


def test_a_loaded_vector_is_the_saved_one_bit_by_bit(file: Path) -> None:
    loaded = SteeringVector.load(file)
    assert torch.equal(loaded.direction, vector().direction)
    assert torch.equal(loaded.require_residual_norm(), vector().require_residual_norm())
    assert loaded.provenance == provenance()


def test_a_vector_without_letters_comes_back_without(tmp_path: Path) -> None:
    plain = vector() + vector(1)
    assert SteeringVector.load(plain.save(tmp_path / "sum.safetensors")).provenance == plain.provenance


def test_the_file_is_plain_safetensors_that_other_tools_read(file: Path) -> None:
    with safe_open(file, framework="np") as opened:
        assert sorted(opened.keys()) == ["direction", "residual_norm"]
        assert json.loads(opened.metadata()["provenance"])["behavior"] == "kind"


def test_saving_makes_the_folder(tmp_path: Path) -> None:
    assert vector().save(tmp_path / "new" / "deep" / "v.safetensors").is_file()


def test_saving_again_replaces_the_file_and_leaves_nothing_else(file: Path) -> None:
    vector(1).save(file)
    assert torch.equal(SteeringVector.load(file).direction, vector(1).direction)
    assert os.listdir(file.parent) == [file.name]


def test_a_failed_write_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(VectorError, match="cannot write the vector file: No space left on device"):
        vector(1).save(file)
    monkeypatch.undo()
    assert torch.equal(SteeringVector.load(file).direction, vector().direction)
    assert os.listdir(file.parent) == [file.name]


def test_a_folder_that_cannot_be_made_is_a_vector_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(VectorError, match="cannot write the vector file"):
        vector().save(tmp_path / "taken" / "v.safetensors")


def test_a_saved_file_has_the_usual_permissions(file: Path) -> None:
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o666 & ~umask


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VectorError, match=r"gone\.safetensors: no such vector file"):
        SteeringVector.load(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("length", [0, 5, 200, -1])
def test_a_truncated_file_is_refused(file: Path, length: int) -> None:
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(VectorError, match="not a readable safetensors file"):
        SteeringVector.load(file)


def test_a_changed_number_is_refused(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-30] ^= 1
    file.write_bytes(content)
    with pytest.raises(VectorError, match="do not match their checksum"):
        SteeringVector.load(file)


def test_safetensors_of_something_else_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(VectorError, match="not a vector file of trimtab"):
        SteeringVector.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": 1, "surprise": 2}'])
def test_a_provenance_that_cannot_be_read_is_refused(file: Path, text: str) -> None:
    with safe_open(file, framework="pt") as opened:
        header = dict(opened.metadata(), provenance=text)
        tensors = {name: opened.get_tensor(name) for name in ("direction", "residual_norm")}
    save_file(tensors, file, metadata=header)
    with pytest.raises(VectorError, match="provenance cannot be read"):
        SteeringVector.load(file)


def test_statistics_that_share_memory_are_written(tmp_path: Path) -> None:
    rows = torch.randn(2, 2, 3)
    known = {"negative_mean": rows[1], "transport_slope": rows[1]}
    written = SteeringVector(rows[0], None, provenance(), known).save(tmp_path / "v.safetensors")
    again = SteeringVector.load(written)
    assert torch.equal(again.direction, rows[0])
    assert torch.equal(again.statistics["transport_slope"], rows[1])
