"""Cosines between the vectors of a run's behaviors, from the files of the run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trimtab.errors import VectorError
from trimtab.store.manifest import Manifest, VectorEntry
from trimtab.store.run_folder import RunFolder
from trimtab.study._vector_cosines import vector_cosines
from trimtab.vectors import Provenance, SteeringVector

DIRECTIONS = {
    "first": [[1.0, 0.0], [0.0, 2.0]],
    "alike": [[3.0, 0.0], [0.0, -1.0]],
    "other": [[0.0, 5.0], [1.0, 1.0]],
}


def run_of(path: Path, owners: list[tuple[str, str]]) -> tuple[RunFolder, Manifest]:
    """A run folder with a vector file for each model and behavior."""
    folder = RunFolder(path)
    (path / "vectors").mkdir()
    for model, behavior in owners:
        made = Provenance(model, "1", behavior, "2", 3, "mean", "last", "text", "off", "4")
        vector = SteeringVector(torch.tensor(DIRECTIONS[behavior]), torch.ones(2), made)
        vector.save(folder.vector_file(model, behavior))
    manifest = Manifest(
        name="run", identity="1", created="2026-01-01", command="", trimtab_version="0", settings={},
        status="finished", sources=(), models=(), behaviors=(), warnings=(),
        vectors=tuple(VectorEntry(model=model, behavior=behavior) for model, behavior in owners),
    )  # fmt: skip
    return folder, manifest


def test_behaviors_of_a_model_are_compared_layer_by_layer(tmp_path: Path) -> None:
    table = vector_cosines(*run_of(tmp_path, [("m", "first"), ("m", "alike"), ("m", "other")]))
    assert table is not None
    found = {(a, b): rows["cosine"].tolist() for (a, b), rows in table.groupby(["behavior", "other"])}
    assert found["first", "alike"] == pytest.approx([1, -1])
    assert found["first", "other"] == pytest.approx([0, 0.5**0.5])
    assert set(found) == {("first", "alike"), ("first", "other"), ("alike", "other")}
    assert table["depth"].unique().tolist() == [0.5, 1.0]


def test_models_are_not_compared_with_each_other(tmp_path: Path) -> None:
    assert vector_cosines(*run_of(tmp_path, [("m", "first"), ("n", "alike")])) is None


def test_a_missing_vector_is_left_out_and_a_damaged_one_refused(tmp_path: Path) -> None:
    folder, manifest = run_of(tmp_path, [("m", "first"), ("m", "alike"), ("m", "other")])
    folder.vector_file("m", "alike").unlink()
    table = vector_cosines(folder, manifest)
    assert table is not None
    assert set(table["other"]) == {"other"}
    folder.vector_file("m", "other").write_bytes(b"damaged")
    with pytest.raises(VectorError):
        vector_cosines(folder, manifest)
